"""The engine that runs ahead equals the one that touches every request in every iteration, in every bit.

Compared are the request table, the summary, the decisions' hash, every telemetry row, everything that a router, a
batch scheduler, an autoscaler or an observer can read at any time it is asked, and what is raised when. With
``GLIA_SOAK=20`` every test here tries twenty times as many cases, other ones in every run.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.engine import simulate_workload
from sim.policies import make_router, router_names
from sim.scenario import load_scenario
from sim.workload import build_workload
from tests.sim.reference import engine as reference
from tests.sim.reference.cases import (
    VARIANTS,
    Case,
    beating_cases,
    engine_cases,
    fleet_cases,
    measured_cases,
    patch_limits,
    plain_cases,
)
from tests.sim.reference.probes import record

SOAK = int(os.environ.get("GLIA_SOAK", "0"))


def tries(examples: int) -> settings:
    """Settings of a property test: the same cases every time, unless it is to soak."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(
        max_examples=examples * max(1, SOAK), deadline=None, derandomize=not SOAK, suppress_health_check=slow
    )


@pytest.fixture(scope="module", autouse=True)
def limits():
    with pytest.MonkeyPatch.context() as patch:
        patch_limits(patch)
        yield


def assert_equal(case: Case) -> None:
    policies = (case.new_router, case.new_scheduler, case.new_autoscaler, case.seed)
    naive = record(reference.simulate_workload, case.scenario, case.work, *policies)
    fast = record(simulate_workload, case.scenario, case.work, *policies)
    for key, expected in naive.items():
        assert fast[key] == expected, key


@tries(100)
@given(plain_cases())
def test_whatever_the_case_both_engines_yield_show_and_raise_the_same(case):
    assert_equal(case)


@tries(120)
@given(beating_cases())
def test_whatever_falls_on_the_end_of_an_iteration_both_engines_agree(case):
    assert_equal(case)


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
@tries(25)
@given(st.data())
def test_under_all_rules_with_prefixes_and_schedulers_both_engines_agree(variant, data):
    assert_equal(data.draw(engine_cases([variant])))


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
@tries(12)
@given(st.data())
def test_in_a_fleet_that_scales_and_fails_both_engines_agree(variant, data):
    assert_equal(data.draw(fleet_cases([variant])))


@tries(60)
@given(measured_cases())
def test_with_the_times_of_hardware_both_engines_agree(case):
    assert_equal(case)


@pytest.mark.parametrize("router", router_names())
def test_on_the_smoke_scenario_both_engines_agree_under_every_shipped_router(router):
    smoke = load_scenario("smoke", {"workload.duration_s": "8.0", "cluster.kv_blocks": "80"})
    scenario = replace(smoke, telemetry_interval_s=0.1)
    assert_equal(Case(scenario, build_workload(scenario, 4), lambda: make_router(router, 4)))


def test_near_the_knee_of_the_papers_benchmark_both_engines_agree():
    scenario = load_scenario("paper-routing-family", {"workload.duration_s": "40.0"})
    assert_equal(Case(scenario, build_workload(scenario, 2), lambda: make_router("hra", 2)))


@tries(40)
@given(st.one_of(plain_cases(), fleet_cases()))
def test_without_telemetry_nothing_changes_but_that_there_is_none(case):
    def without(*arguments):
        return simulate_workload(*arguments, telemetry=False)

    policies = (case.new_router, case.new_scheduler, case.new_autoscaler, case.seed)
    bare = record(without, case.scenario, case.work, *policies)
    sampled = record(simulate_workload, case.scenario, case.work, *policies)
    assert (bare["rows"], bare["kept"], bare["router"]) == ([], [], sampled["router"])
    if isinstance(sampled["ending"], tuple):
        assert bare["ending"] == sampled["ending"]
        return
    assert bare["ending"]["telemetry"].rows == ()
    assert bare["ending"] | {"telemetry": None} == sampled["ending"] | {"telemetry": None}
