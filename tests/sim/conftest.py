"""Tiny clusters with round numbers, so that a test's expected times can be worked out by hand.

Every token costs 1,000 ns of linear operators and a decode 1 ns per token of context; blocks hold 4 tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sim.cost import IterationCost, Profile
from sim.engine import Policies, simulate_workload
from sim.policies import make_router
from sim.result import Result
from sim.scenario import ClusterSpec, Scenario, load_scenario
from sim.workload.build import Workload, make_workload
from tests.sim.reference.replica import Replica
from tests.sim.reference.request import Request

PROFILE = Profile("round", "A10", "Llama-3-8B", "made up", (1, 1000), (1_000, 1_000_000))


@pytest.fixture
def new_replica() -> Callable[..., Replica]:
    """A replica of ``ClusterSpec`` fields; without attention cost unless asked for."""

    def make(*, decode_ns: int = 0, prefill_ps: int = 0, **fields: float) -> Replica:
        defaults = {"kv_blocks": 100, "watermark_fraction": 0.0, "max_num_seqs": 10, "chunk_tokens": 100}
        spec = ClusterSpec(
            replicas=1, gpu="A10", model="Llama-3-8B", block_tokens=4, usd_per_gpu_hour=1.0, **(defaults | fields)
        )
        cost = IterationCost(PROFILE, decode_attention_ns_per_token=decode_ns, prefill_attention_ps_per_pair=prefill_ps)
        return Replica(0, spec, cost)

    return make


@pytest.fixture
def iterate() -> Callable[[Replica, int], tuple[int, list[Request]]]:
    """Runs one iteration from the given time; returns its end and the requests that finished."""

    def run(replica: Replica, now_ns: int = 0) -> tuple[int, list[Request]]:
        duration_ns = replica.start_iteration(now_ns)
        assert duration_ns is not None
        return now_ns + duration_ns, replica.end_iteration(now_ns + duration_ns)

    return run


@pytest.fixture
def smoke() -> Scenario:
    return load_scenario("smoke")


@pytest.fixture
def small_cluster(smoke: Scenario) -> Callable[..., Scenario]:
    """The smoke scenario with other ``ClusterSpec`` fields and no attention cost: times follow from the profile."""

    def make(**fields: float) -> Scenario:
        cost = replace(smoke.cost, decode_attention_ns_per_token=0, prefill_attention_ps_per_pair=0)
        return replace(smoke, cost=cost, cluster=replace(smoke.cluster, **fields))

    return make


@pytest.fixture
def workload() -> Callable[..., Workload]:
    """A workload of (arrival_ns, prompt_tokens, output_tokens) rows."""

    def make(*rows: tuple[int, int, int]) -> Workload:
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        return make_workload(table[:, 0], table[:, 1], table[:, 2])

    return make


@pytest.fixture
def run_router() -> Callable[..., Result]:
    """Simulates a hand-made workload under a shipped router's name or a router object."""

    def run(scenario: Scenario, work: Workload, router: object = "llq", **options: object) -> Result:
        chosen = make_router(router, 0) if isinstance(router, str) else router
        return simulate_workload(scenario, work, Policies(chosen, {"router": "mine"}), 0, **options)

    return run


def columns(result: Result) -> dict[str, list[int]]:
    """The request table, column by column."""
    return {name: getattr(result.requests, name).tolist() for name in result.requests.__slots__}
