"""What the router is shown of the reference engine's cluster: every figure is read where it is kept."""

from __future__ import annotations

from collections.abc import Sequence

from sim.api import NS_PER_S, ReplicaRequest
from tests.sim.reference.replica import Replica


class ReplicaView:
    """One replica (:class:`sim.api.Replica`)."""

    __slots__ = ("_replica",)

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    @property
    def id(self) -> int:
        return self._replica.id

    @property
    def accepts(self) -> bool:
        return True

    @property
    def num_waiting(self) -> int:
        return len(self._replica.waiting)

    @property
    def num_running(self) -> int:
        return len(self._replica.running)

    @property
    def kv_blocks_used(self) -> int:
        return self._replica.used_blocks

    @property
    def kv_blocks_total(self) -> int:
        return self._replica.total_blocks

    @property
    def waiting(self) -> Sequence[ReplicaRequest]:
        return tuple(request.as_placed() for request in self._replica.waiting)

    @property
    def running(self) -> Sequence[ReplicaRequest]:
        return tuple(request.as_placed() for request in self._replica.running)


class ClusterView:
    """The cluster (:class:`sim.api.Cluster`); ``at`` moves it to the present instant."""

    __slots__ = ("_block_tokens", "_now_ns", "_replicas")

    def __init__(self, replicas: Sequence[Replica], block_tokens: int) -> None:
        self._replicas = tuple(ReplicaView(replica) for replica in replicas)
        self._block_tokens = block_tokens
        self._now_ns = 0

    def at(self, now_ns: int) -> ClusterView:
        self._now_ns = now_ns
        return self

    @property
    def now_ns(self) -> int:
        return self._now_ns

    @property
    def now_s(self) -> float:
        return self._now_ns / NS_PER_S

    @property
    def block_tokens(self) -> int:
        return self._block_tokens

    @property
    def replicas(self) -> Sequence[ReplicaView]:
        return self._replicas
