"""Golden runs: small simulations whose every decision and time is hashed into the simulator's version of behaviour.

``python -m sim.golden`` prints the present digest, to be written into :mod:`sim.behaviour` when a change of results
is meant.
"""

from __future__ import annotations

import hashlib

import numpy as np

from sim.engine import Policies, simulate
from sim.policies import make_router, policy_seed
from sim.scenario import load_scenario
from sim.workload import build_workload

ROUTERS = ("hra", "least-outstanding", "llq", "random", "round-robin")
"""Probes of the simulator, not the catalogue: every result names its router's digest beside the simulator's
version, so a router that is added must not make the results of all others incomparable."""
SCENARIOS = ("paper-routing", "paper-routing-family", "smoke")
"""Whose workloads are probed: one of each kind that published results rest on. A scenario that is added says nothing of
the results of the others."""
SEEDS = (1, 2)
VARIANTS: tuple[dict[str, str], ...] = ({}, {"cluster.kv_blocks": "80"}, {"cluster.chunk_tokens": "96"})
"""The smoke scenario as it is, with so little memory that nearly everything restarts, and with many small chunks."""


def behaviour_digest() -> str:
    """``sim-1-`` and 12 hex digits over the workloads of three scenarios and the golden runs of the probing routers."""
    digest = hashlib.sha256()
    for name in SCENARIOS:
        digest.update(build_workload(load_scenario(name), SEEDS[0]).sha256.encode())
    for overrides in VARIANTS:
        scenario = load_scenario("smoke", overrides)
        for router in ROUTERS:
            for seed in SEEDS:
                policies = Policies(make_router(router, policy_seed(seed)), {"router": router})
                result = simulate(scenario, policies, seed)
                digest.update(result.decisions_sha256.encode())
                for name in ("first_scheduled_ns", "first_token_ns", "finish_ns", "restarts", "outcome"):
                    column: np.ndarray[tuple[int], np.dtype[np.int64]] = getattr(result.requests, name)
                    digest.update(column.astype("<i8").tobytes())
    return f"sim-1-{digest.hexdigest()[:12]}"


if __name__ == "__main__":
    print(behaviour_digest())
