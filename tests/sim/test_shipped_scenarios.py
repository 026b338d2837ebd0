"""Every scenario that ships: what it offers, and that the policy it was made to tell apart is told apart.

One seed each, where the difference is far larger than the scatter; `benchmarks/scenario_table.py` measures ten, and
`pytest -m study tests/sim` holds the two closest claims to intervals over ten.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from sim.engine import Policies, simulate
from sim.policies import make_autoscaler, make_router, make_scheduler, policy_seed
from sim.scenario import load_scenario, scenario_names
from sim.student_t import mean_ci95
from sim.workload import build_workload

OFFERED = {
    "azure-code": (2.57, 2048, 27.9),
    "azure-conv": (4.7, 1155, 211),
    "bursty": (6.0, 295, 362),
    "diurnal-autoscale": (14.0, 1155, 211),
    "failures": (10.0, 1155, 211),
    "hetero": (20.0, 1155, 211),
    "long-context": (5.0, 12_035, 343),
    "memory-rich": (35.0, 295, 362),
    "paper-qps-sweep": (6.0, 295, 362),
    "paper-routing": (7.86, 295, 362),
    "paper-routing-family": (7.5, 295, 362),
    "prefix-heavy": (17.1, 3190, 154),
    "slo-tiers": (6.5, 1155, 211),
    "smoke": (4.0, 180, 110),
    "stale-signals": (12.0, 295, 362),
}
"""Requests/s, mean prompt and output tokens."""


@cache
def summary(
    scenario: str, seed: int, router: str = "", scheduler: str = "", autoscaler: str = "", *overrides: str
) -> dict[str, Any]:
    chosen = load_scenario(scenario, dict(one.split("=") for one in overrides))
    router, seed_of_policy = router or chosen.baseline, policy_seed(seed)
    scaler = None
    if chosen.autoscaling is not None:
        scaler = make_autoscaler(autoscaler or chosen.autoscaler, seed_of_policy)
    policies = Policies(
        make_router(router, seed_of_policy),
        {"router": router},
        make_scheduler(scheduler or chosen.scheduler, seed_of_policy),
        scaler,
    )
    return dict(simulate(chosen, policies, seed, telemetry=False).summary)


def e2e(scenario: str, router: str, seed: int) -> float:
    return float(summary(scenario, seed, router)["e2e_s"]["mean"])


def test_all_that_ship_are_known_here():
    assert sorted(OFFERED) == scenario_names()


@pytest.mark.parametrize("name", scenario_names())
def test_a_scenario_offers_what_it_says(name):
    scenario = load_scenario(name)
    assert scenario.name == name
    assert len(scenario.why) > 60
    work = [build_workload(scenario, seed) for seed in range(1, 6)]
    requests = sum(len(one) for one in work) / sum(one.arrival_ns[-1] / 1e9 for one in work)
    tokens = [sum(column.sum() for column in columns) / sum(map(len, work)) for columns in _lengths(work)]
    assert (requests, *tokens) == pytest.approx(OFFERED[name], rel=0.15)


def _lengths(work):
    return [one.prompt_tokens for one in work], [one.output_tokens for one in work]


@pytest.mark.parametrize("name", scenario_names())
def test_every_request_of_a_scenario_ends_finished(name):
    ended = summary(name, 1)["requests"]
    assert ended["finished"] == ended["arrived"] > 50


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize(
    ("name", "better", "worse", "at_least"),
    [
        ("prefix-heavy", "lmetric", "hra", 1.3),
        ("prefix-heavy", "prefix-scorer", "hra", 1.3),
        ("bursty", "hra", "llq", 1.02),
        ("stale-signals", "power-of-two", "llq", 1.1),
        ("hetero", "llq", "round-robin", 3.0),
        ("hetero", "llq", "power-of-two", 1.1),
        ("failures", "llq", "round-robin", 1.3),
        ("long-context", "llq", "round-robin", 1.1),
    ],
)
def test_the_router_that_fits_a_regime_wins_there(name, better, worse, at_least, seed):
    assert e2e(name, worse, seed) > at_least * e2e(name, better, seed)


@pytest.mark.parametrize("seed", [1])
def test_admission_control_gains_nothing_where_memory_is_rich(seed):
    assert e2e("memory-rich", "hra", seed) > 0.995 * e2e("memory-rich", "llq", seed)
    assert summary("memory-rich", seed, "llq")["preemptions"] == 0
    assert summary("memory-rich", seed, "llq")["kv_usage_mean"] < 0.3


@pytest.mark.parametrize("seed", [1])
def test_shortest_first_brings_code_completions_forward(seed):
    first, second = (summary("azure-code", seed, router)["ttft_s"]["mean"] for router in ("hra", "llq"))
    assert second > 1.1 * first


@pytest.mark.parametrize("seed", [1])
def test_priorities_keep_the_promises_that_order_of_arrival_breaks(seed):
    kept, broken = (summary("slo-tiers", seed, scheduler=name) for name in ("vllm-priority", "vllm-fcfs"))
    assert kept["slo_attainment"]["priority_0"] > 0.15 + broken["slo_attainment"]["priority_0"]
    assert kept["usd_per_1k_good"] < broken["usd_per_1k_good"]


def test_prefixes_are_found_again_only_where_the_router_looks_for_them():
    scenario = load_scenario("prefix-heavy")
    found = {}
    for router in ("lmetric", "hra"):
        run = simulate(scenario, Policies(make_router(router, 1), {"router": router}), 1, telemetry=False)
        found[router] = run.requests.cached_tokens.sum() / run.requests.prompt_tokens.sum()
    assert found["lmetric"] > 0.1 + found["hra"]


def test_crashes_cost_restarts_and_nothing_is_lost():
    run = summary("failures", 1)
    assert run["crash_restarts"] > 0
    assert run["requests"]["unfinished"] == 0


def test_an_autoscaler_reaches_sixteen_replicas_and_costs_less_than_enough_of_them_all_day():
    scenario = load_scenario("diurnal-autoscale")
    policies = Policies(make_router("llq", 1), {"router": "llq"}, None, make_autoscaler("hpa", 1))
    run = simulate(scenario, policies, 1)
    peak = max(row.states.count("ready") for row in run.telemetry.rows)
    assert peak >= 16
    all_day = summary("diurnal-autoscale", 1, "", "", "fixed", f"cluster.replicas={peak}")
    assert run.summary["cost_usd"] < 0.75 * all_day["cost_usd"]
    assert run.summary["usd_per_1k_good"] < all_day["usd_per_1k_good"]


def test_past_the_knee_completion_takes_a_multiple_and_holding_requests_pays():
    def at(rate, router):
        return summary("paper-qps-sweep", 1, router, "", "", f"workload.rate_rps={rate}")["e2e_s"]["mean"]

    assert at(9.0, "llq") > 2 * at(3.0, "llq")
    assert at(9.0, "llq") > 1.2 * at(9.0, "hra")
    assert at(3.0, "hra") == pytest.approx(at(3.0, "llq"), rel=0.05)


@pytest.mark.study
@pytest.mark.parametrize(("name", "other"), [("prefix-heavy", "prefix-scorer"), ("memory-rich", "llq")])
def test_hra_gains_nothing_over_ten_seeds(name, other):
    losses = [e2e(name, "hra", seed) - e2e(name, other, seed) for seed in range(1, 11)]
    interval = mean_ci95(losses)
    assert interval is not None
    assert interval[0] > 0
