"""The replicas at work: which of them run a stretch of iterations, until when, and which could start one.

A replica runs ahead over iterations that nobody but itself takes part in (:mod:`sim.replica`), with one alarm for the
end of the stretch. Whatever happens to it meanwhile cuts the stretch short; the old alarm then finds nothing due.
"""

from __future__ import annotations

from collections.abc import Sequence

from sim.alarms import Alarms
from sim.cost import Cost
from sim.hooks import SchedulerFactory
from sim.member import Member
from sim.replica import Replica
from sim.request import NEVER, Request
from sim.scenario import EngineSpec


class Machines:
    """``busy``: replicas that run. ``startable``: ids of those that this instant gave work or freed.

    ``ended_ns``: when a stretch last ended.
    """

    __slots__ = ("_alarms", "_stretch_end_ns", "busy", "ended_ns", "replicas", "startable")

    def __init__(self, replicas: Sequence[Replica], alarms: Alarms) -> None:
        self.replicas = replicas
        self.busy = self.ended_ns = 0
        self.startable: set[int] = set()
        self._alarms = alarms
        self._stretch_end_ns = [NEVER] * len(replicas)

    def end(self, ending: list[int], now_ns: int) -> list[Request]:
        """Ends the stretches that end now, by replica id; returns what finished. Not all of ``ending`` still do."""
        finished: list[Request] = []
        for replica_id in sorted(ending) if len(ending) > 1 else ending:
            if self._stretch_end_ns[replica_id] != now_ns:
                continue
            self._stretch_end_ns[replica_id] = NEVER
            self.busy -= 1
            self.ended_ns = now_ns
            replica = self.replicas[replica_id]
            finished += replica.end(now_ns)
            if replica.running or replica.waiting:
                self.startable.add(replica_id)
        return finished

    def enqueue(self, request: Request, replica_id: int, now_ns: int) -> None:
        """Gives a replica a request; one that runs looks at it when its iteration ends, if it could admit it."""
        replica = self.replicas[replica_id]
        if replica.enqueue(request):
            self._cut(replica_id, now_ns)
        elif self._stretch_end_ns[replica_id] == NEVER:
            self.startable.add(replica_id)

    def start(self, now_ns: int) -> list[Request]:
        """Starts what can start, by replica id; returns the requests that outgrew their replicas, to be rejected."""
        startable = self.startable
        rejected: list[Request] = []
        for replica_id in sorted(startable) if len(startable) > 1 else startable:
            replica = self.replicas[replica_id]
            end_ns = replica.start(now_ns)
            if replica.outgrown:
                rejected += replica.outgrown
                replica.outgrown.clear()
            if end_ns is not None:
                self.busy += 1
                self._stretch_end_ns[replica_id] = end_ns
                self._alarms.at(end_ns).append(replica_id)
        startable.clear()
        return rejected

    def crash(self, replica_id: int, now_ns: int) -> list[Request]:
        """The iteration that runs is lost; returns all requests of the replica, restarted, in order of arrival."""
        if self._stretch_end_ns[replica_id] != NEVER:
            self._stretch_end_ns[replica_id] = NEVER
            self.busy -= 1
        self.startable.discard(replica_id)
        return self.replicas[replica_id].crash(now_ns)

    def set_cost(self, replica_id: int, cost: Cost, now_ns: int) -> None:
        """Iterations composed from now on take their times from ``cost``; the one that runs keeps its own."""
        if self._stretch_end_ns[replica_id] != NEVER:
            self._cut(replica_id, now_ns)
        self.replicas[replica_id].set_cost(cost)

    def load(self, replica_id: int) -> int:
        """Requests on the replica."""
        replica = self.replicas[replica_id]
        return len(replica.waiting) + len(replica.running)

    def _cut(self, replica_id: int, now_ns: int) -> None:
        """Lets the running stretch end with the iteration that runs; nothing finishes within a stretch."""
        end_ns = self.replicas[replica_id].cut(now_ns)
        if end_ns == self._stretch_end_ns[replica_id]:
            return
        self._stretch_end_ns[replica_id] = end_ns
        if end_ns == now_ns:
            self.end([replica_id], now_ns)
        else:
            self._alarms.at(end_ns).append(replica_id)


def replicas_of(
    members: Sequence[Member],
    engine: EngineSpec,
    costs: Sequence[Cost],
    scheduler: SchedulerFactory | None,
    decisions: list[int],
    content_block_tokens: int,
) -> list[Replica]:
    """A replica for every member of the fleet, each with a batch scheduler of its own; ``costs``: by pool."""
    return [
        Replica(
            member.id,
            member.pool,
            engine,
            costs[member.pool_index],
            scheduler(member.id) if scheduler is not None else None,
            decisions,
            content_block_tokens,
        )
        for member in members
    ]
