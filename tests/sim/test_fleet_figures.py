"""Figures of the fleet and of service, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim.engine import Policies, simulate_workload
from sim.scenario import AutoscalerSpec, Fault, FaultsSpec, PoolSpec, SloSpec
from sim.service import jain_fairness
from sim.workload.build import Workload

NS4 = 32_064_000
NS1 = 30_448_000
S = 10**9
H = 3600 * S


class ById:
    """Request r goes to the replica that ``places`` says."""

    def __init__(self, *places):
        self.places = places

    def route(self, queue, cluster):
        by_id = {replica.id: replica for replica in cluster.replicas if replica.accepts}
        return [(r, by_id[self.places[r.id]]) for r in queue if self.places[r.id] in by_id]


class Wants:
    def __init__(self, *answers):
        self.answers = list(answers)

    def scale(self, fleet, history):
        return self.answers.pop(0) if self.answers else {}


def summary(scenario, work, places, *wanted):
    autoscaler = Wants(*wanted) if wanted else None
    return simulate_workload(scenario, work, Policies(ById(*places), {}, autoscaler=autoscaler), 0).summary


def test_hours_and_dollars_are_counted_from_start_to_off_by_pool_and_state(small_cluster, workload):
    scenario = small_cluster(replicas=1)
    dear = replace(scenario.cluster, tensor_parallel=2, usd_per_gpu_hour=3.0)
    pools = PoolSpec("cheap", scenario.cluster, scenario.cost, 1, 1), PoolSpec("dear", dear, scenario.cost, 1, 2)
    scenario = replace(scenario, more_pools=pools, autoscaling=AutoscalerSpec(interval_s=1.0, cold_start_s=2.0))
    # A second dear replica starts at 1 s, is ready at 3 s and off at 5 s; the last iteration ends at 10 s + NS4.
    wanted = {"dear": 2}, {}, {}, {}, {"dear": 1}
    figures = summary(scenario, workload((0, 4, 1), (10 * S, 4, 1)), (0, 0), *wanted)
    end = 10 * S + NS4
    assert figures["simulated_s"] == end / S
    cheap, dear_ns = end, 2 * (end + 4 * S)
    assert figures["gpu_hours_by_pool"] == pytest.approx({"cheap": cheap / H, "dear": dear_ns / H})
    assert figures["cost_usd_by_pool"] == pytest.approx({"cheap": cheap / H, "dear": 3 * dear_ns / H})
    assert figures["gpu_hours"] == pytest.approx((cheap + dear_ns) / H)
    assert figures["cost_usd"] == pytest.approx((cheap + 3 * dear_ns) / H)
    assert figures["gpu_hours_by_state"] == pytest.approx(
        {"starting": 2 * 2 * S / H, "ready": (cheap + dear_ns - 4 * S) / H, "draining": 0.0, "down": 0.0}
    )
    assert (figures["replicas_max"], figures["replicas_mean"]) == (3, (2 * end + 4 * S) / end)


def test_time_down_is_paid_and_restarts_are_told_by_cause(small_cluster, workload):
    fault = Fault("crash", 0, 0.01, 0.5)
    scenario = replace(small_cluster(replicas=1), faults=FaultsSpec(listed=(fault,)))
    figures = summary(scenario, workload((0, 4, 1), (0, 4, 1)), (0, 0))
    assert figures["gpu_hours_by_state"]["down"] == pytest.approx(0.5 * S / H)
    assert (figures["crash_restarts"], figures["preemptions"], figures["requests_preempted"]) == (2, 0, 0)
    assert (figures["restarts_per_request"], figures["preemptions_per_request"]) == (1.0, 0.0)


def test_the_batch_is_the_mean_number_of_running_requests_of_a_serving_replica(small_cluster, workload):
    # Two requests run for NS4 and NS4 + 2 * NS1 on one replica, none on the other.
    figures = summary(small_cluster(replicas=2), workload((0, 2, 1), (0, 2, 3)), (0, 0))
    end = NS4 + 2 * NS1
    assert figures["batch_mean"] == pytest.approx((NS4 + end) / (2 * end))


def test_a_crash_ends_the_running_of_what_it_took(small_cluster, workload):
    fault = Fault("crash", 0, 0.02, 1.0)
    scenario = replace(small_cluster(replicas=1), faults=FaultsSpec(listed=(fault,)))
    figures = summary(scenario, workload((0, 4, 1)), (0,))
    assert figures["batch_mean"] == pytest.approx((20_000_000 + NS4) / (20_000_000 + NS4))


def test_imbalance_is_the_busiest_replicas_tokens_over_the_mean(small_cluster, workload):
    work = workload((0, 4, 30), (0, 4, 10))
    assert summary(small_cluster(replicas=2), work, (0, 1))["imbalance"] == pytest.approx(30 / 20)
    assert summary(small_cluster(replicas=1), work, (0, 0))["imbalance"] == 1.0


def with_columns(work: Workload, **columns) -> Workload:
    return replace(work, **{name: np.array(values, dtype=np.int64) for name, values in columns.items()})


def test_attainment_is_told_for_each_tier_and_a_promise_comes_before_the_scenarios(small_cluster, workload):
    scenario = replace(small_cluster(replicas=1, max_num_seqs=1), slo=SloSpec(ttft_s=0.05, tpot_s=1.0))
    # First tokens after NS4, 2 NS4 and 3 NS4 = 96 ms; a fourth request is too large and never served.
    work = workload((0, 4, 1), (0, 4, 1), (0, 4, 1), (0, 9999, 1))
    assert summary(scenario, work, (0,) * 4)["slo_attainment"] == {"all": 0.25}
    tiers = with_columns(work, priority=[0, 0, 1, 1])
    assert summary(scenario, tiers, (0,) * 4)["slo_attainment"] == {"all": 0.25, "priority_0": 0.5, "priority_1": 0.0}
    promised = with_columns(work, ttft_slo_ns=[-1, -1, S // 10, S // 10])
    figures = summary(scenario, promised, (0,) * 4)
    assert figures["slo_attainment"] == {"all": 0.5, "no_promise": 0.5, "ttft_0.1s": 0.5}
    assert figures["goodput_rps"] == 2 / figures["simulated_s"]
    assert figures["usd_per_1k_good"] == pytest.approx(figures["cost_usd"] * 500)


def fairness(*served, session=None):
    """Of requests of (output tokens, seconds)."""
    tokens, seconds = np.array(served, dtype=np.int64).reshape(-1, 2).T
    return jain_fairness(tokens, seconds * S, None if session is None else np.array(session))


def test_jains_index_is_one_for_equal_shares_and_one_nth_for_one_of_n():
    assert fairness() is None
    assert fairness((10, 1), (20, 2)) == 1.0
    assert fairness((1, 1), (3, 1)) == pytest.approx(16 / (2 * 10))
    # Sessions count once, by all of their requests: 4 tokens in 2 s and 2 tokens in 1 s are even.
    assert fairness((1, 1), (3, 1), (2, 1), session=[5, 5, 6]) == 1.0
    assert fairness((1, 1), (3, 1), (2, 1), session=[-1, -1, 6]) == fairness((1, 1), (3, 1), (2, 1))
