"""A scenario built from parts, without a file: for benchmarks that rebuild a recorded or measured run."""

from __future__ import annotations

from collections.abc import Sequence

from sim.api import Cluster, HeldRequest, Replica, Router
from sim.engine import Policies, simulate_workload
from sim.result import RequestTable
from sim.scenario import ClusterSpec, CostSpec, EngineSpec, PoolSpec, Scenario, SloSpec, TraceWorkload
from sim.workload.build import Workload


def rebuilt(
    name: str, cluster: ClusterSpec, cost: CostSpec, engine: EngineSpec, pools: tuple[PoolSpec, ...] = ()
) -> Scenario:
    """A scenario of that cluster; its workload is given apart, its goal is of no account."""
    return Scenario(
        name=name,
        title="",
        why="",
        slots=("router",),
        baseline="round-robin",
        metric="e2e_s.mean",
        held_out="",
        telemetry_interval_s=1.0,
        cluster=cluster,
        cost=cost,
        workload=TraceWorkload(""),
        slo=SloSpec(2.0, 0.2),
        source="",
        digest="",
        engine=engine,
        more_pools=pools,
    )


def table_of(scenario: Scenario, work: Workload, router: Router) -> RequestTable:
    policies = Policies(router, {"router": type(router).__name__})
    return simulate_workload(scenario, work, policies, 0, telemetry=False).requests


class ClosedLoop:
    """A router for one replica and ``clients`` clients: each sends its next request when its last one is answered."""

    def __init__(self, clients: int) -> None:
        self._clients = clients

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> list[tuple[HeldRequest, Replica]]:
        replica = cluster.replicas[0]
        free = self._clients - replica.num_waiting - replica.num_running
        return [(request, replica) for request in list(queue)[: max(0, free)]]
