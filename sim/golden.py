"""Golden runs: small simulations whose every decision and time is hashed into the simulator's version of behaviour.

``python -m sim.golden`` prints the present digest, to be written into :mod:`sim.behaviour` when a change of results
is meant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.engine import Policies, simulate
from sim.policies import make_autoscaler, make_router, make_scheduler, policy_seed
from sim.result import Result
from sim.scenario import Scenario, load_scenario
from sim.workload import build_workload

ROUTERS = ("hra", "least-outstanding", "llq", "random", "round-robin")
"""Probes of the simulator, not the catalogue: every result names its policies' digests beside the simulator's
version, so a policy that is added must not make the results of all others incomparable."""
SCENARIOS = ("paper-routing", "paper-routing-family", "smoke")
"""Whose workloads are probed: one of each kind that published results rest on. A scenario that is added says nothing of
the results of the others."""
SEEDS = (1, 2)
VARIANTS: tuple[dict[str, str], ...] = ({}, {"cluster.kv_blocks": "80"}, {"cluster.chunk_tokens": "96"})
"""The smoke scenario as it is, with so little memory that nearly everything restarts, and with many small chunks."""
_FLEET = {
    "autoscaler.interval_s": "2.0",
    "autoscaler.cold_start_s": "1.5",
    "autoscaler.min_replicas": "1",
    "autoscaler.max_replicas": "4",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """One run of a part that the routers' runs don't touch."""

    overrides: dict[str, str]
    scenario: str = "smoke"
    router: str = "llq"
    scheduler: str = "vllm-fcfs"
    autoscaler: str = "fixed"

    def run(self, seed: int) -> Result:
        scenario: Scenario = load_scenario(self.scenario, self.overrides)
        own = policy_seed(seed)
        scaler = make_autoscaler(self.autoscaler, own) if scenario.autoscaling is not None else None
        policies = Policies(make_router(self.router, own), {}, make_scheduler(self.scheduler, own), scaler)
        return simulate(scenario, policies, seed)


PROBES = (
    Probe({"engine.rules": "vllm-v1", "cluster.kv_blocks": "80"}),
    Probe({"engine.rules": "vllm"}),
    Probe({"engine.rules": "orca", "engine.reserved_tokens": "256"}),
    Probe({"engine.vidur_compat": "true", "cluster.kv_blocks": "80"}),
    Probe({"workload.arrivals.duration_s": "10.0"}, "prefix-heavy", router="prefix-scorer"),
    Probe({"engine.rules": "vllm-v1"}, scheduler="shortest-prompt"),
    Probe({"engine.rules": "vllm-v1"}, scheduler="sarathi"),
    Probe(_FLEET, autoscaler="hpa"),
    Probe({"faults.mean_between_s": "8.0", "faults.mean_down_s": "2.0"}),
    Probe({"telemetry.scrape_interval_s": "0.5"}),
)


def behaviour_digest() -> str:
    """``sim-2-`` and 12 hex digits over the workloads of three scenarios and all golden runs."""
    digest = hashlib.sha256()
    for name in SCENARIOS:
        digest.update(build_workload(load_scenario(name), SEEDS[0]).sha256.encode())
    for result in _results():
        digest.update(result.decisions_sha256.encode())
        for name in ("first_scheduled_ns", "first_token_ns", "finish_ns", "restarts", "outcome"):
            column: np.ndarray[tuple[int], np.dtype[np.int64]] = getattr(result.requests, name)
            digest.update(column.astype("<i8").tobytes())
    return f"sim-2-{digest.hexdigest()[:12]}"


def _results() -> Iterator[Result]:
    for overrides in VARIANTS:
        for router in ROUTERS:
            for seed in SEEDS:
                yield Probe(overrides, router=router).run(seed)
    for probe in PROBES:
        for seed in SEEDS:
            yield probe.run(seed)


if __name__ == "__main__":
    print(behaviour_digest())
