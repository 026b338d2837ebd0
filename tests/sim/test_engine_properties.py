"""Whatever the cluster, the workload and the policies: nothing is lost, nothing depends on chance, the rules hold."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.engine import Policies, simulate_workload
from sim.hooks import SchedulerHooks
from sim.policies import make_router
from sim.result import OUTCOMES
from sim.scenario import EngineSpec, Fault, FaultsSpec, PoolSpec, load_scenario
from sim.workload.build import make_workload
from tests.sim.conftest import columns
from tests.sim.reference.cases import (
    RULES,
    SMOKE,
    VARIANTS,
    Case,
    allowed,
    clusters,
    crowds,
    engine_cases,
    fleet_cases,
    patch_limits,
    with_content,
)
from tests.sim.reference.probes import record

FINISHED = OUTCOMES.index("finished")
WITHOUT_COMPAT = tuple(variant for variant in VARIANTS if variant[1] != "compat")


def tries(examples: int) -> settings:
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=slow)


@pytest.fixture(scope="module", autouse=True)
def limits():
    with pytest.MonkeyPatch.context() as patch:
        patch_limits(patch)
        yield


def run(case: Case) -> dict:
    """What the case yields and shows; ``ending`` is a tuple if a policy ended it."""
    policies = (case.new_router, case.new_scheduler, case.new_autoscaler, case.seed)
    return record(simulate_workload, case.scenario, case.work, *policies)


def cases(variants=VARIANTS):
    return st.one_of(engine_cases(variants), fleet_cases(variants))


@st.composite
def calm_cases(draw, variants=VARIANTS):
    """One or two equal replicas and llq, which holds nothing back: every request ends."""
    rules, variant = draw(st.sampled_from(variants))
    engine = EngineSpec(
        rules=rules,
        prefix_caching=variant == "prefixes",
        reserved_tokens=draw(st.sampled_from([1, 20])),
        vidur_compat=variant == "compat",
    )
    cluster = allowed(draw(clusters(st.integers(1, 200), replicas=st.integers(1, 2))), engine)
    scenario = replace(SMOKE, cluster=cluster, engine=engine, telemetry_interval_s=0.5)
    work = draw(crowds(cluster, beat_ns=1_000_000))
    return Case(scenario, work, lambda: make_router("llq", 0))


@tries(100)
@given(cases())
def test_every_request_ends_once_and_its_times_are_in_order(case):
    ending = run(case)["ending"]  # the engine itself checks blocks and tokens and raises if they don't add up
    if isinstance(ending, tuple):
        return
    counts, table = ending["summary"]["requests"], {name: np.array(each) for name, each in ending["table"].items()}
    assert counts["arrived"] == len(case.work) == counts["finished"] + counts["rejected"] + counts["unfinished"]
    done = table["outcome"] == FINISHED
    order = ("arrival_ns", "routed_ns", "first_scheduled_ns", "first_token_ns", "finish_ns")
    for early, late in pairwise(order):
        assert np.all(table[early][done] <= table[late][done]), (early, late)
    assert np.all(table["first_scheduled_ns"][done] < table["first_token_ns"][done])
    assert np.all(table["restarts"] == table["preemptions"] + table["crash_restarts"])
    assert np.all(table["cached_tokens"][done] < table["prompt_tokens"][done])
    assert ending["summary"]["preemptions"] == table["preemptions"].sum()


@tries(60)
@given(calm_cases())
def test_where_nothing_is_held_back_every_request_finishes_or_is_rejected(case):
    result = run(case)["ending"]
    assert result["summary"]["requests"]["unfinished"] == (0 if not _may_block(case) else _unfinished(result))


def _may_block(case: Case) -> bool:
    """Vidur's ``vllm`` never gets past a prompt over the budget."""
    return case.scenario.engine.rules == "vllm" and case.scenario.engine.vidur_compat


def _unfinished(result: dict) -> int:
    return sum(outcome == OUTCOMES.index("unfinished") for outcome in result["table"]["outcome"])


@tries(60)
@given(calm_cases(WITHOUT_COMPAT))
def test_who_finishes_has_all_its_tokens_and_whatever_was_generated_belongs_to_somebody(case):
    result = run(case)["ending"]
    table, last = result["table"], result["telemetry"].rows[-1]
    asked = [tokens for tokens, outcome in zip(table["output_tokens"], table["outcome"], strict=True) if not outcome]
    rest = last.generated_tokens - sum(asked)
    assert rest >= 0  # those of requests that outgrew their replica
    assert rest == 0 or 1 in table["outcome"]


@tries(80)
@given(cases())
def test_at_no_instant_is_more_in_use_or_running_than_there_is(case):
    seen = run(case)
    seats = {pool.name: pool.cluster.max_num_seqs for pool in case.scenario.pools}
    shown = [call[7] for call in seen["router"] if isinstance(call, tuple)] + [kept[1] for kept in seen["kept"]]
    for replicas in shown:
        for _id, accepts, state, pool, _hw, _waiting, running, used, total, *_lists in replicas:
            assert accepts == (state == "ready")
            assert 0 <= used <= total
            assert running <= seats[pool]
    for row in seen["rows"]:
        assert all(0 <= usage <= 1 for usage in row.kv_usage)


@tries(80)
@given(cases())
def test_time_never_goes_back_and_counters_never_fall(case):
    seen = run(case)
    times = [call[0] for call in seen["router"] if isinstance(call, tuple)]
    assert times == sorted(times)
    assert len(set(times)) == len(times)  # once at an instant
    for before, after in pairwise(seen["rows"]):
        assert before.t_ns < after.t_ns
        for counter in ("finished", "generated_tokens", "prefill_tokens", "prefix_hit_tokens", "cost_usd"):
            assert getattr(before, counter) <= getattr(after, counter)


@tries(40)
@given(cases())
def test_the_same_run_twice_is_the_same_in_every_bit(case):
    assert run(case) == run(case)


@tries(40)
@given(cases(), st.sampled_from([0.3, 7.0]))
def test_nothing_depends_on_when_samples_are_taken(case, factor):
    interval_s = case.scenario.telemetry_interval_s * factor
    other = replace(case, scenario=replace(case.scenario, telemetry_interval_s=interval_s))
    one, two = run(case), run(other)
    assert one["router"] == two["router"]
    if not isinstance(one["ending"], tuple):
        assert one["ending"]["table"] == two["ending"]["table"]
        assert one["ending"]["summary"] == two["ending"]["summary"]


@tries(40)
@given(calm_cases())
def test_telemetry_stays_within_bounds_and_ends_with_the_run(case):
    result = run(case)["ending"]
    rows, spec = result["telemetry"].rows, case.scenario.cluster
    for row in rows:
        assert all(count <= spec.max_num_seqs for count in row.running)
    assert all(b.t_ns - a.t_ns == result["telemetry"].interval_ns for a, b in pairwise(rows))
    assert rows[-1].finished == result["summary"]["requests"]["finished"]
    assert rows[-1].held + sum(rows[-1].waiting) == result["summary"]["requests"]["unfinished"]
    assert sum(rows[-1].preemptions) == result["summary"]["preemptions"]
    assert rows[-1].t_ns >= result["summary"]["simulated_s"] * 1e9 - 1


# -- prefix caching


@tries(60)
@given(cases([variant for variant in VARIANTS if variant[1] == "prefixes"]))
def test_a_cache_without_content_to_share_changes_nothing(case):
    bare = replace(case, work=replace(case.work, content=None, content_block_tokens=0))
    off = replace(bare, scenario=replace(bare.scenario, engine=replace(bare.scenario.engine, prefix_caching=False)))
    with_cache, without = _comparable(run(bare)), _comparable(run(off))
    assert with_cache == without


def _comparable(seen: dict) -> dict:
    """Without what says itself whether there was a cache."""
    if isinstance(seen["ending"], tuple):
        return seen
    table = {name: column for name, column in seen["ending"]["table"].items() if name != "cached_tokens"}
    rows = [replace(row, prefix_query_tokens=0) for row in seen["rows"]]
    return {**seen, "rows": rows, "ending": (table, seen["ending"]["summary"])}


@tries(40)
@given(calm_cases([variant for variant in VARIANTS if variant[1] == "prefixes"]), st.data())
def test_prefixes_save_prefill_and_never_an_output_token(case, data):
    shared = replace(case, work=data.draw(with_content(case.work, case.scenario.cluster.block_tokens)))
    result = run(shared)["ending"]
    last, table = result["telemetry"].rows[-1], result["table"]
    done = [outcome == FINISHED for outcome in table["outcome"]]
    assert last.prefix_hit_tokens <= last.prefix_query_tokens
    if all(done):
        assert last.generated_tokens == sum(table["output_tokens"])
        assert last.prefill_tokens >= sum(table["prompt_tokens"]) - last.prefix_hit_tokens
    if not any(table["restarts"]):
        assert last.prefill_tokens == last.prefix_query_tokens - last.prefix_hit_tokens


# -- policies that say what the rules say


def rules_as_a_policy(wake_iterations):
    """The batch scheduler that decides as the engine does without one."""

    def make(_replica):
        return SchedulerHooks(
            name="fcfs",
            admit=lambda waiting, engine: list(waiting),
            chunk=lambda request, budget, engine: budget,
            victim=lambda candidates, engine: candidates[-1],
            wake_iterations=lambda: wake_iterations,
        )

    return make


@tries(100)
@given(cases(), st.sampled_from([None, 1]))
def test_first_come_first_served_as_a_policy_is_the_rules_of_the_engine(case, wake_iterations):
    native = run(replace(case, new_scheduler=None))
    policy = run(replace(case, new_scheduler=lambda: rules_as_a_policy(wake_iterations)))
    assert native == policy


@tries(40)
@given(fleet_cases())
def test_an_autoscaler_that_wants_what_there_is_changes_nothing_without_crashes(case):
    class Content:
        def scale(self, fleet, history):
            return {pool.name: pool.ready for pool in fleet.pools}

    fixed = replace(case.scenario, faults=FaultsSpec(listed=_slowdowns(case)))
    with_one = run(replace(case, scenario=fixed, new_autoscaler=Content))
    without = run(replace(case, scenario=fixed, new_autoscaler=None))
    assert _but_for_patience(with_one) == _but_for_patience(without)


def _slowdowns(case: Case) -> tuple[Fault, ...]:
    return tuple(fault for fault in case.scenario.faults.listed if fault.kind == "slow")


def _but_for_patience(seen: dict) -> tuple:
    """Calls of an autoscaler keep a run that waits for nothing else going a while longer."""
    ending = seen["ending"]
    return seen["router"], ending if isinstance(ending, tuple) else ending["table"]


@tries(40)
@given(engine_cases())
def test_two_pools_of_one_replica_are_one_pool_of_two(case):
    cluster = replace(case.scenario.cluster, replicas=1)
    cost = case.scenario.cost
    one = (PoolSpec("a", replace(cluster, replicas=2), cost, 2, 2),)
    two = (PoolSpec("a", cluster, cost, 1, 1), PoolSpec("b", cluster, cost, 1, 1))
    tables = []
    for pools in (one, two):
        scenario = replace(case.scenario, more_pools=pools)
        ending = run(replace(case, scenario=scenario, new_router=lambda: make_router("least-kv", 1)))["ending"]
        tables.append(ending if isinstance(ending, tuple) else ending["table"] | {"pool": None})
    assert tables[0] == tables[1]


# -- queueing theory


def poisson(rate_per_s: float, count: int, prompt_tokens: int, output_tokens: int):
    generator = np.random.Generator(np.random.PCG64([7, count]))
    gaps = np.maximum(1, (generator.standard_exponential(count) * 1e9 / rate_per_s).astype(np.int64))
    lengths = np.full(count, prompt_tokens), np.full(count, output_tokens)
    return make_workload(np.cumsum(gaps), *lengths)


class Rows:
    """All samples, before a long run's telemetry is thinned out."""

    def __init__(self):
        self.rows = []

    def on_sample(self, row):
        self.rows.append(row)


def simulated(scenario, work, observer=None):
    policies = Policies(make_router("round-robin", 0), {"router": "round-robin"})
    return simulate_workload(scenario, work, policies, 0, observer)


@pytest.mark.parametrize("rules", RULES)
def test_in_a_long_steady_run_littles_law_holds(rules):
    smoke = load_scenario("smoke", {"engine.rules": f'"{rules}"', "engine.reserved_tokens": "200"})
    scenario = replace(smoke, telemetry_interval_s=0.05)
    work, samples = poisson(6.0, 1_500, 100, 30), Rows()
    result = simulated(scenario, work, samples)
    rows = [row for row in samples.rows if row.t_ns <= work.arrival_ns[-1]]
    present = np.mean([row.held + sum(row.waiting) + sum(row.running) for row in rows])
    table = columns(result)
    stay_s = np.mean(np.array(table["finish_ns"]) - np.array(table["arrival_ns"])) / 1e9
    rate = len(work) / (work.arrival_ns[-1] / 1e9)
    assert present == pytest.approx(rate * stay_s, rel=0.02)


def test_one_seat_and_one_token_are_an_m_d_1_queue():
    scenario = replace(SMOKE, cluster=replace(SMOKE.cluster, replicas=1, max_num_seqs=1), telemetry_interval_s=100.0)
    (service_ns,) = (
        columns(simulated(scenario, poisson(1.0, 1, 100, 1)))["finish_ns"] - poisson(1.0, 1, 100, 1).arrival_ns
    )
    load, count = 0.6, 20_000
    work = poisson(load * 1e9 / service_ns, count, 100, 1)
    finish_ns = columns(simulated(scenario, work))["finish_ns"]
    # Lindley's recursion on the same arrivals, exactly: one begins when it has come and the one before has gone.
    free_ns, waited_ns = 0, 0
    for arrival_ns, finished_ns in zip(work.arrival_ns.tolist(), finish_ns, strict=True):
        begin_ns = max(arrival_ns, free_ns)
        free_ns = begin_ns + service_ns
        waited_ns += begin_ns - arrival_ns
        assert finished_ns == free_ns
    # Pollaczek and Khinchine for a constant service time D: mean wait = load * D / (2 * (1 - load)).
    assert waited_ns / count == pytest.approx(load * service_ns / (2 * (1 - load)), rel=0.05)
