"""The cluster as ``pick`` sees it: with the requests that were assigned earlier in the same call.

Standard library only: loaded inside the process of an untrusted design.
"""

from __future__ import annotations

from collections.abc import Sequence

from sim.api import Cluster, Hardware, HeldRequest, Replica, ReplicaRequest


class OverlaidReplica:
    """A replica as it will be once the requests assigned in this call have reached its waiting queue."""

    __slots__ = ("assigned", "base")

    def __init__(self, base: Replica) -> None:
        self.base = base
        self.assigned: list[HeldRequest] = []

    @property
    def id(self) -> int:
        return self.base.id

    @property
    def accepts(self) -> bool:
        return self.base.accepts

    @property
    def state(self) -> str:
        return self.base.state

    @property
    def pool(self) -> str:
        return self.base.pool

    @property
    def hardware(self) -> Hardware:
        return self.base.hardware

    @property
    def num_waiting(self) -> int:
        return self.base.num_waiting + len(self.assigned)

    @property
    def num_running(self) -> int:
        return self.base.num_running

    @property
    def kv_blocks_used(self) -> int:
        return self.base.kv_blocks_used

    @property
    def kv_blocks_total(self) -> int:
        return self.base.kv_blocks_total

    @property
    def waiting(self) -> Sequence[ReplicaRequest]:
        return [*self.base.waiting, *map(_as_waiting, self.assigned)]

    @property
    def running(self) -> Sequence[ReplicaRequest]:
        return self.base.running

    def cached_tokens(self, request: HeldRequest) -> int:
        return self.base.cached_tokens(request)


def _as_waiting(held: HeldRequest) -> ReplicaRequest:
    return ReplicaRequest(
        id=held.id,
        arrival_ns=held.arrival_ns,
        prompt_tokens=held.prompt_tokens,
        processed_tokens=0,
        restarts=held.restarts,
        priority=held.priority,
        session=held.session,
        ttft_slo_ns=held.ttft_slo_ns,
    )


class OverlaidCluster:
    """The cluster, its replicas overlaid."""

    __slots__ = ("_base", "_replicas")

    def __init__(self, base: Cluster) -> None:
        self._base = base
        self._replicas = tuple(OverlaidReplica(replica) for replica in base.replicas)

    @property
    def now_ns(self) -> int:
        return self._base.now_ns

    @property
    def now_s(self) -> float:
        return self._base.now_s

    @property
    def block_tokens(self) -> int:
        return self._base.block_tokens

    @property
    def content_block_tokens(self) -> int:
        return self._base.content_block_tokens

    @property
    def replicas(self) -> Sequence[Replica]:
        return self._replicas
