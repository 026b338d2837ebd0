"""The engine that runs ahead equals the one that touches every request in every iteration, in every bit.

Compared are the request table, the summary, the decisions' hash, every telemetry row, everything a router or an
observer can read at any time it is asked, and what is raised when. Time is made coarse (an iteration of n tokens
takes a few ns), so that arrivals, samples and iteration ends fall on the same instant again and again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.cost import Profile, load_profile
from sim.engine import simulate_workload
from sim.policies import make_router, router_names
from sim.scenario import CostSpec, load_scenario
from sim.workload import build_workload
from sim.workload.build import make_workload
from tests.sim.reference import engine as reference
from tests.sim.reference.probes import LeastMemory, Whimsical, record

SMOKE = load_scenario("smoke")
PROFILES = {
    "flat": Profile("flat", "A10", "Llama-3-8B", "made up", (1, 50), (7, 7)),
    "steep": Profile("steep", "A10", "Llama-3-8B", "made up", (1, 100), (1, 100)),
    "kinked": Profile("kinked", "A10", "Llama-3-8B", "made up", (1, 3, 20), (40, 41, 500)),
}
COST = st.builds(
    CostSpec, st.sampled_from(sorted(PROFILES)), st.sampled_from([0, 1, 2, 13]), st.sampled_from([0, 500, 3_001])
)
GAP_NS = st.one_of(st.just(0), st.sampled_from([1, 7, 14, 40]), st.integers(0, 600), st.integers(0, 20_000))
PROMPT = st.one_of(st.integers(1, 12), st.integers(1, 90), st.integers(1, 700))
OUTPUT = st.one_of(st.just(1), st.integers(1, 8), st.integers(1, 80), st.integers(1, 400))


@pytest.fixture(scope="module", autouse=True)
def coarse_profiles():
    """Both engines also find the profiles made up here."""

    def load(name):
        return PROFILES.get(name) or load_profile(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.cost.load_profile", load)
        yield


@st.composite
def workloads(draw):
    rows = draw(st.lists(st.tuples(GAP_NS, PROMPT, OUTPUT), min_size=0, max_size=30))
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    if draw(st.booleans()):
        table[:, 0] = 0  # a burst at one instant
    return make_workload(np.cumsum(table[:, 0]), table[:, 1], table[:, 2])


@st.composite
def clusters(draw, chunk_tokens):
    block_tokens = draw(st.sampled_from([1, 2, 3, 4, 16, 64]))
    tokens = draw(st.one_of(st.integers(4, 200), st.integers(100, 3_000)))
    return replace(
        SMOKE.cluster,
        replicas=draw(st.integers(1, 3)),
        kv_blocks=-(-tokens // block_tokens) + 1,
        block_tokens=block_tokens,
        watermark_fraction=draw(st.sampled_from([0.0, 0.01, 0.3])),
        max_num_seqs=draw(st.sampled_from([1, 2, 3, 8, 128])),
        chunk_tokens=draw(chunk_tokens),
    )


@st.composite
def cases(draw):
    """A scenario and a workload."""
    cluster = draw(clusters(st.one_of(st.integers(1, 8), st.integers(1, 120), st.just(8192))))
    interval_ns = draw(st.sampled_from([400, 1_000, 10_000]))
    scenario = replace(SMOKE, cluster=cluster, cost=draw(COST), telemetry_interval_s=interval_ns * 1e-9)
    return scenario, draw(workloads())


@st.composite
def beating_cases(draw):
    """As ``cases``, but every iteration takes 7 ns and everything arrives on that beat, long outputs first."""
    cluster = draw(clusters(st.integers(2, 50)))
    scenario = replace(SMOKE, cluster=cluster, cost=CostSpec("flat", 0, 0), telemetry_interval_s=7e-9)
    rows = draw(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 20), OUTPUT), min_size=2, max_size=12))
    table = np.array(rows, dtype=np.int64)
    return scenario, make_workload(np.cumsum(7 * table[:, 0]), table[:, 1], np.sort(table[:, 2])[::-1])


@st.composite
def routers(draw):
    """A function that makes the same fresh router each time."""
    kind = draw(st.sampled_from(["shipped", "whimsical", "whimsical", "memory"]))
    seed = draw(st.integers(0, 2**32))
    if kind == "shipped":
        name = draw(st.sampled_from(router_names()))
        return lambda: make_router(name, seed)
    if kind == "memory":
        return LeastMemory
    holding = draw(st.sampled_from([0.0, 0.0, 0.2, 0.7]))
    faults = draw(st.sampled_from([0.0, 0.0, 0.05]))
    return lambda: Whimsical(seed, holding, faults)


def assert_equal(scenario, work, new_router):
    fast = record(simulate_workload, scenario, work, new_router())
    naive = record(reference.simulate_workload, scenario, work, new_router())
    for key, expected in naive.items():
        assert fast[key] == expected, key


@settings(max_examples=400, deadline=None, derandomize=True)
@given(cases(), routers())
def test_whatever_the_case_both_engines_yield_show_and_raise_the_same(case, new_router):
    assert_equal(*case, new_router)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(beating_cases(), routers())
def test_whatever_falls_on_the_end_of_an_iteration_both_engines_agree(case, new_router):
    assert_equal(*case, new_router)


@pytest.mark.parametrize("kv_blocks", [80, 128, 1000])
@pytest.mark.parametrize("router", router_names())
def test_on_the_smoke_scenario_both_engines_agree_under_every_shipped_router(router, kv_blocks):
    scenario = replace(SMOKE, cluster=replace(SMOKE.cluster, kv_blocks=kv_blocks), telemetry_interval_s=0.1)
    assert_equal(scenario, build_workload(scenario, 4), lambda: make_router(router, 4))


def test_near_the_knee_of_the_papers_benchmark_both_engines_agree():
    scenario = load_scenario("paper-routing-family", {"workload.duration_s": "150.0"})
    assert_equal(scenario, build_workload(scenario, 2), lambda: make_router("hra", 2))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases(), routers())
def test_without_telemetry_nothing_changes_but_that_there_is_none(case, new_router):
    def without(*arguments):
        return simulate_workload(*arguments, telemetry=False)

    bare = record(without, *case, new_router())
    sampled = record(simulate_workload, *case, new_router())
    assert (bare["rows"], bare["kept"], bare["seen"]) == ([], [], sampled["seen"])
    if len(sampled["ending"]) == 2:
        assert bare["ending"] == sampled["ending"]
        return
    table, summary, telemetry, decisions = sampled["ending"]
    assert bare["ending"] == (table, summary, replace(telemetry, rows=()), decisions)
