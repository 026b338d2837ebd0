from __future__ import annotations

import math

import numpy as np
import pytest

from sim.metrics import latency_stats, pool
from sim.student_t import central_probability, mean_ci95, t_quantile_975


def test_percentiles_interpolate_between_ranks():
    stats = latency_stats(np.array([4, 1, 3, 2]) * 10**9)
    assert stats == {"mean": 2.5, "p50": 2.5, "p90": 3.7, "p99": 3.97, "max": 4.0}
    assert latency_stats(np.array([7 * 10**9])) == dict.fromkeys(("mean", "p50", "p90", "p99", "max"), 7.0)
    assert latency_stats(np.array([], dtype=np.int64)) == dict.fromkeys(("mean", "p50", "p90", "p99", "max"), None)


@pytest.mark.parametrize(
    ("degrees", "tabulated"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (19, 2.093), (30, 2.042), (1000, 1.962)],
)
def test_t_quantiles_are_those_of_the_tables(degrees, tabulated):
    assert t_quantile_975(degrees) == pytest.approx(tabulated, abs=5e-4)
    assert central_probability(t_quantile_975(degrees), degrees) == pytest.approx(0.95, abs=1e-12)


def test_a_t_quantile_needs_a_degree_of_freedom():
    with pytest.raises(ValueError, match="degree of freedom"):
        t_quantile_975(0)


def test_the_interval_of_a_mean_is_the_textbooks():
    # n = 4, mean 5, standard deviation 2: 5 ± 3.182446 * 2 / 2
    low, high = mean_ci95([3, 4, 5, 8])
    deviation = math.sqrt(14 / 3)
    assert (low, high) == pytest.approx((5 - 3.182446 * deviation / 2, 5 + 3.182446 * deviation / 2), abs=1e-5)
    assert mean_ci95([3.0]) is None


def test_figures_follow_their_definitions(small_cluster, workload, run_router):
    ns4, ns1 = 32_064_000, 30_448_000
    work = workload((0, 4, 3), (10**9, 4, 1), (2 * 10**9, 99_999, 1))
    summary = run_router(small_cluster(replicas=1, kv_blocks=100), work).summary
    first = ns4 + 2 * ns1
    assert summary["requests"] == {"arrived": 3, "finished": 2, "rejected": 1, "unfinished": 0}
    assert summary["e2e_s"]["mean"] == (first + ns4) / 2e9
    assert (summary["ttft_s"]["mean"], summary["ttft_s"]["max"]) == (ns4 / 1e9, ns4 / 1e9)
    assert summary["tpot_s"]["mean"] == ns1 / 1e9  # a request for one token has no TPOT
    assert summary["simulated_s"] == 2.0  # the rejected arrival was the last event
    assert (summary["throughput_rps"], summary["output_tokens_per_s"], summary["goodput_rps"]) == (1.0, 2.0, 1.0)
    assert (summary["gpu_hours"], summary["cost_usd"]) == (2 / 3600, 2 / 3600)
    assert summary["kv_usage_mean"] == (first + ns4) / (100 * 2 * 10**9)  # one block while a request runs


def test_goodput_counts_only_what_meets_both_limits(small_cluster, workload, run_router):
    # 512 tokens of budget: the second prompt's prefill makes the first one's decodes slow and its own TTFT long.
    work = workload((0, 4, 2), (0, 20_000, 1), (0, 4, 400))
    scenario = small_cluster(replicas=1, kv_blocks=2000)
    summary = run_router(scenario, work).summary
    assert summary["requests"]["finished"] == 3
    assert summary["goodput_rps"] * summary["simulated_s"] == pytest.approx(1)
    assert summary["ttft_s"]["max"] > scenario.slo.ttft_s


def summary(seed, mean, preemptions):
    return {
        "requests": {"arrived": 10, "finished": 10, "rejected": 0, "unfinished": 0},
        "e2e_s": {"mean": mean, "p99": 2 * mean if mean else None},
        "preemptions": preemptions,
        "decisions_sha256": str(seed) * 64,
        "scenario": "s",
        "policies": {"router": "llq"},
        "simulator": "sim",
        "seed": seed,
    }


def test_pooling_means_each_figure_over_seeds_with_the_interval_of_the_mean():
    pooled = pool([summary(1, 3.0, 1), summary(2, 5.0, 2)])
    assert pooled["e2e_s"] == {
        "mean": 4.0,
        "p99": 8.0,
        "mean_ci95": pytest.approx([4 - 12.7062, 4 + 12.7062], abs=1e-3),
    }
    assert (pooled["preemptions"], pooled["requests"]["arrived"], pooled["seeds"]) == (1.5, 10, [1, 2])
    assert (pooled["scenario"], pooled["policies"], pooled["simulator"]) == ("s", {"router": "llq"}, "sim")


def test_one_seed_has_no_interval_and_keeps_its_digest():
    pooled = pool([summary(7, 3.0, 1)])
    assert pooled["e2e_s"]["mean_ci95"] is None
    assert pooled["decisions_sha256"] == "7" * 64


def test_a_seed_in_which_nothing_finished_leaves_no_mean():
    pooled = pool([summary(1, 3.0, 1), summary(2, None, 0)])
    assert (pooled["e2e_s"]["mean"], pooled["e2e_s"]["mean_ci95"]) == (None, None)


def test_nothing_cant_be_pooled():
    with pytest.raises(ValueError, match="no summary"):
        pool([])


def test_a_figure_that_only_a_later_seed_has_is_pooled_as_missing_and_not_dropped():
    first = {"seed": 1, "usd_per_1k_good": None, "slo_attainment": {"all": 1.0}}
    second = {"seed": 2, "usd_per_1k_good": 3.0, "slo_attainment": {"all": 0.5, "tier": 0.25}}
    pooled = pool([first, second])
    assert pooled["usd_per_1k_good"] is None
    assert pooled["slo_attainment"] == {"all": 0.75, "tier": None}
