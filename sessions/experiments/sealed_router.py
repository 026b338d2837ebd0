"""A sealed design as the router of the simulator's process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sessions.experiments import wire
from sessions.experiments.sealed import SealedDesign
from sessions.experiments.sealed_views import ReplicaTelling, cluster_line
from sim.api import Cluster, HeldRequest, Replica


@dataclass(frozen=True, slots=True)
class _UnknownReplica:
    """Stands for a replica id that doesn't exist, so that the engine itself refuses the decision."""

    id: int


class SealedRouter:
    """A router in the sense of :class:`sim.api.Router`: ``design``'s. ``timer_s``: as it was when last asked."""

    def __init__(self, design: SealedDesign) -> None:
        self._design = design
        self._held: dict[int, HeldRequest] = {}
        self._replicas = ReplicaTelling(design)
        self._cluster_told = False
        (timer,) = design.loaded
        self.timer_s = design.seconds(timer)

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> list[tuple[HeldRequest, Replica]]:
        """Asks the design; raises :class:`sessions.experiments.sealed.DesignFailed`."""
        telling = self._replicas
        if self._cluster_told:
            telling.show(cluster.replicas)
        else:
            telling.show(cluster.replicas, [cluster_line(cluster.block_tokens, cluster.content_block_tokens)])
            self._cluster_told = True
        now_ns = cluster.now_ns
        new = self._new_of(queue)
        replicas = telling.numbers()
        numbers = [now_ns, len(new), len(replicas) // wire.REPLICA_FIELDS, int(telling.blocks_told)]
        for r in new:
            self._held[r.id] = r
            numbers += (r.id, r.arrival_ns, r.prompt_tokens, r.priority, r.session, r.ttft_slo_ns, r.restarts)
            numbers.append(len(r.prefix_hashes))
            numbers += r.prefix_hashes
        numbers += replicas
        most = 1 + 2 * (len(queue) + 1)
        answer = self._design.ask(now_ns, wire.ROUTE, numbers, telling.serve, 1, most)
        self.timer_s = self._design.seconds(answer[0])
        return self._answer(answer)

    def _new_of(self, queue: Sequence[HeldRequest]) -> Sequence[HeldRequest]:
        """What the design's process hasn't been sent; a queue that doesn't keep count is searched."""
        new: Sequence[HeldRequest] | None = getattr(queue, "new", None)
        return [request for request in queue if request.id not in self._held] if new is None else new

    def _answer(self, answer: tuple[int, ...]) -> list[tuple[HeldRequest, Replica]]:
        """Ids as the engine's own objects. What is unknown is handed on as such: judging is the engine's."""
        if not len(answer) % 2:
            raise self._design.broke("sent a record that is not whole")
        held, replicas = self._held, self._replicas
        pairs: list[tuple[HeldRequest, Replica]] = []
        for place in range(1, len(answer), 2):
            request = held.pop(answer[place], None) or HeldRequest(answer[place], 0, 0)
            replica = replicas.replica(answer[place + 1]) or _UnknownReplica(answer[place + 1])
            pairs.append((request, replica))  # type: ignore[arg-type]
        return pairs
