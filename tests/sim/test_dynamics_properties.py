"""Whatever happens to a fleet, nothing is lost: requests, tokens, blocks and money add up under random dynamics.

Every run checks its own conservation (:mod:`sim.conservation`); here the results must agree with it, and with one
another when nothing but the looking differs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.engine import Policies, simulate_workload
from sim.result import OUTCOMES
from sim.scenario import AutoscalerSpec, EngineSpec, Fault, FaultsSpec, PoolSpec, Scenario, load_scenario
from sim.workload.build import make_workload
from tests.sim.conftest import columns

S = 10**9


class Whims:
    """A router that sends, holds and comes back to requests as its own random numbers say."""

    def __init__(self, seed, timer_s):
        self.random = np.random.Generator(np.random.PCG64(seed))
        self.timer_s = timer_s

    def route(self, queue, cluster):
        ready = [replica for replica in cluster.replicas if replica.accepts]
        for replica in cluster.replicas:
            assert replica.num_running == len(replica.running)
            assert 0 <= replica.kv_blocks_used <= replica.kv_blocks_total
        ids = [request.id for request in queue]
        assert ids == sorted(ids)
        if not ready:
            return []
        answer = []
        for request, whim in zip(queue, self.random.random(len(queue)), strict=True):
            chosen = ready[int(whim * len(ready) * 1.2) % len(ready)]
            fits = request.prompt_tokens <= 12 * chosen.kv_blocks_total
            if whim < 0.9 and fits:
                answer.append((request, chosen))
        return answer


class Moods:
    """An autoscaler that wants whatever its own random numbers say."""

    def __init__(self, seed):
        self.random = np.random.Generator(np.random.PCG64(seed))

    def scale(self, fleet, history):
        assert history[-1].t_ns == fleet.now_ns
        return {pool.name: int(self.random.integers(0, 5)) for pool in fleet.pools if self.random.random() < 0.8}


@st.composite
def fleets(draw) -> Scenario:
    """One or two small pools under random rules, faults, scaling and staleness."""
    smoke = load_scenario("smoke")
    rules = draw(st.sampled_from(["sarathi", "vllm", "vllm-v1", "orca"]))
    scaled = draw(st.booleans())
    pools = []
    for name in draw(st.sampled_from([("a",), ("a", "b")])):
        cluster = replace(
            smoke.cluster,
            replicas=draw(st.integers(1, 2)),
            kv_blocks=draw(st.integers(8, 30)),
            watermark_fraction=draw(st.sampled_from([0.0, 0.1])),
            max_num_seqs=draw(st.integers(1, 12)),
            chunk_tokens=draw(st.sampled_from([16, 64, 512])),
        )
        most = draw(st.integers(cluster.replicas, 4)) if scaled else cluster.replicas
        pools.append(PoolSpec(name, cluster, smoke.cost, 0 if scaled else most, most))
    replicas = sum(pool.max_replicas for pool in pools)
    fault = st.builds(
        Fault,
        st.sampled_from(["crash", "slow"]),
        st.integers(0, replicas - 1),
        st.floats(0, 8),
        st.floats(0.01, 4),
        st.integers(30, 400),
    )
    return replace(
        smoke,
        telemetry_interval_s=0.25,
        engine=EngineSpec(rules, reserved_tokens=draw(st.integers(1, 128))),
        more_pools=tuple(pools),
        autoscaling=AutoscalerSpec(0.5, draw(st.sampled_from([0.0, 0.7]))) if scaled else None,
        faults=FaultsSpec(draw(st.sampled_from([None, 2.0])), 0.5, tuple(draw(st.lists(fault, max_size=4)))),
        scrape_interval_s=draw(st.sampled_from([0.0, 0.3])),
    )


requests = st.lists(
    st.tuples(st.integers(0, 5 * S), st.integers(1, 150), st.integers(1, 200)), min_size=3, max_size=30
).map(lambda rows: np.array(sorted(rows), dtype=np.int64))


def run(scenario, rows, seed, timer_s, **options):
    work = make_workload(rows[:, 0], rows[:, 1], rows[:, 2])
    scaler = Moods(seed) if scenario.autoscaling is not None else None
    policies = Policies(Whims(seed, timer_s), {"router": "whims"}, autoscaler=scaler)
    return simulate_workload(scenario, work, policies, seed, **options)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets(), requests, st.integers(0, 50), st.sampled_from([None, 0.05, 1.0]))
def test_nothing_is_lost_whatever_happens(scenario, rows, seed, timer_s):
    result = run(scenario, rows, seed, timer_s)
    table, summary, telemetry = result.requests, result.summary, result.telemetry
    counts = summary["requests"]
    assert counts["arrived"] == counts["finished"] + counts["rejected"] + counts["unfinished"] == len(rows)
    finished = table.outcome == OUTCOMES.index("finished")
    assert (table.restarts == table.preemptions + table.crash_restarts).all()
    for earlier, later in (
        (table.arrival_ns, table.routed_ns),
        (table.routed_ns, table.first_scheduled_ns),
        (table.first_scheduled_ns, table.first_token_ns),
        (table.first_token_ns, table.finish_ns),
    ):
        assert (earlier[finished] <= later[finished]).all()
    last = telemetry.rows[-1]
    assert last.finished == counts["finished"]
    assert sum(last.preemptions) == summary["preemptions"]
    assert last.held + sum(last.waiting) + sum(last.running) == counts["unfinished"]
    assert sum(summary["gpu_hours_by_state"].values()) == pytest.approx(summary["gpu_hours"])
    assert sum(summary["cost_usd_by_pool"].values()) == pytest.approx(summary["cost_usd"])
    assert summary["replicas_mean"] <= summary["replicas_max"] <= len(last.states)
    for row in telemetry.rows:
        for state, running, waiting in zip(row.states, row.running, row.waiting, strict=True):
            assert state in ("ready", "draining") or running + waiting == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets(), requests, st.integers(0, 50))
def test_looking_changes_nothing(scenario, rows, seed):
    often = replace(scenario, telemetry_interval_s=0.0101)
    first, second, third = (
        run(scenario, rows, seed, 0.05),
        run(often, rows, seed, 0.05),
        run(scenario, rows, seed, 0.05, telemetry=False),
    )
    assert columns(first) == columns(second) == columns(third)
    assert first.summary == second.summary == third.summary
