"""What happens to replicas: cold starts, drains, crashes, repairs and slowdowns, in the rules' order.

One queue of events by (time, replica, rank); at one instant a replica's slowdown ends before its repair, that before
its cold start, and what begins comes last. An event that was overtaken (the replica crashed while it started) is told
by its epoch, which every change of a replica's state raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from heapq import heappop, heappush
from typing import Protocol

from sim.alarms import FAR, Alarms
from sim.cost import Cost
from sim.faults import drawn_crashes, to_ns
from sim.machines import Machines
from sim.member import Member, State
from sim.request import Request
from sim.scenario import FaultsSpec


class Watcher(Protocol):
    """Who is told what happened to replicas."""

    def came_back(self, requests: list[Request], now_ns: int) -> None:
        """Requests that a crash took off their replica, in order of arrival."""
        ...

    def fleet_changed(self, existence: bool, acceptance: bool, now_ns: int) -> None:
        """A replica changed its state: whether one came to be or ceased to be, and whether one began or stopped
        to accept requests."""
        ...


class _Rank(IntEnum):
    SLOW_ENDS = 0
    REPAIRED = 1
    STARTED = 2
    SLOW_BEGINS = 3
    LISTED_CRASH = 4
    DRAWN_CRASH = 5


_OF_AN_EPOCH = (_Rank.REPAIRED, _Rank.STARTED)


class Lifecycle:
    """``due_ns``: when the next thing happens. ``draining``: ids of the replicas that are off once they are empty."""

    def __init__(
        self,
        members: Sequence[Member],
        machines: Machines,
        costs: Sequence[Cost],
        cold_start_ns: int,
        watcher: Watcher,
        alarms: Alarms,
    ) -> None:
        """``costs``: by pool."""
        self.members = members
        self.due_ns = FAR
        self.draining: set[int] = set()
        self._machines = machines
        self._costs = costs
        self._cold_start_ns = cold_start_ns
        self._watcher = watcher
        self._alarms = alarms
        self._queue: list[tuple[int, int, _Rank, int]] = []
        """Heap of (time, replica, rank, value): the epoch of a repair or start, the percent of a slowdown, how long a
        crash lasts."""
        self._epochs = [0] * len(members)
        self._drawn: list[Iterator[tuple[int, int]]] = []

    def expect(self, faults: FaultsSpec, seed: int) -> None:
        """Puts the faults into the queue, the drawn ones one at a time."""
        for fault in faults.listed:
            at_ns, for_ns = to_ns(fault.at_s), to_ns(fault.duration_s)
            if fault.kind == "crash":
                self._push(at_ns, fault.replica, _Rank.LISTED_CRASH, for_ns)
            else:
                self._push(at_ns, fault.replica, _Rank.SLOW_BEGINS, fault.percent)
                self._push(at_ns + for_ns, fault.replica, _Rank.SLOW_ENDS, 0)
        if faults.mean_between_s is not None:
            self._drawn = [drawn_crashes(faults, member.id, seed) for member in self.members]
            for member in self.members:
                self._expect_crash(member.id)

    def happen(self, now_ns: int) -> None:
        """Everything that is due, by replica; drains that are done come after it (:meth:`end_drains`)."""
        while self._queue and self._queue[0][0] == now_ns:
            _, replica_id, rank, value = heappop(self._queue)
            member = self.members[replica_id]
            match rank:
                case _Rank.SLOW_BEGINS | _Rank.SLOW_ENDS:
                    cost = self._costs[member.pool_index]
                    slowed = cost.scaled(value) if rank is _Rank.SLOW_BEGINS else cost
                    self._machines.set_cost(replica_id, slowed, now_ns)
                case _Rank.LISTED_CRASH:
                    self._crash(member, value, now_ns)
                case _Rank.DRAWN_CRASH:
                    self._crash(member, value, now_ns)
                    self._expect_crash(replica_id)
                case _Rank.REPAIRED if value == self._epochs[replica_id]:
                    self._start(member, now_ns)
                case _Rank.STARTED if value == self._epochs[replica_id]:
                    self._enter(member, "ready", now_ns)
        self._forget_overtaken()

    def end_drains(self, now_ns: int) -> None:
        for replica_id in sorted(self.draining):
            if not self._machines.load(replica_id):
                self._enter(self.members[replica_id], "off", now_ns)

    def scale(self, pool_index: int, wanted: int, now_ns: int) -> None:
        """Brings the replicas of a pool that start, are ready or are down to ``wanted``, as far as that goes."""
        pool = [member for member in self.members if member.pool_index == pool_index]
        present = [member for member in pool if member.state in ("starting", "ready", "down")]
        if wanted > len(present):
            self._scale_up(pool, wanted - len(present), now_ns)
        elif wanted < len(present):
            self._scale_down(present, len(present) - wanted, now_ns)
        self._forget_overtaken()

    def _scale_up(self, pool: Sequence[Member], more: int, now_ns: int) -> None:
        draining = [member for member in pool if member.state == "draining"]
        off = [member for member in pool if member.state == "off"]
        for member in draining[:more]:
            self._enter(member, "ready", now_ns)
        for member in off[: max(0, more - len(draining))]:
            self._start(member, now_ns)

    def _scale_down(self, present: Sequence[Member], fewer: int, now_ns: int) -> None:
        starting = [member for member in present if member.state == "starting"]
        ready = [member for member in present if member.state == "ready"]
        starting.sort(key=lambda member: (member.since_ns, member.id), reverse=True)
        ready.sort(key=lambda member: (self._machines.load(member.id), -member.id))
        for member in starting[:fewer]:
            self._enter(member, "off", now_ns)
        for member in ready[: max(0, fewer - len(starting))]:
            busy = self._machines.load(member.id) > 0
            self._enter(member, "draining" if busy else "off", now_ns)

    def _start(self, member: Member, now_ns: int) -> None:
        """A cold start begins, and is over at once if it takes no time."""
        self._machines.replicas[member.id].cold()
        self._enter(member, "starting", now_ns)
        if self._cold_start_ns:
            self._push(now_ns + self._cold_start_ns, member.id, _Rank.STARTED, self._epochs[member.id])
        else:
            self._enter(member, "ready", now_ns)

    def _crash(self, member: Member, down_ns: int, now_ns: int) -> None:
        if member.state in ("off", "down"):
            return
        requests = self._machines.crash(member.id, now_ns)
        self._enter(member, "off" if member.state == "draining" else "down", now_ns)
        if member.state == "down":
            self._push(now_ns + down_ns, member.id, _Rank.REPAIRED, self._epochs[member.id])
        if requests:
            self._watcher.came_back(requests, now_ns)

    def _enter(self, member: Member, state: State, now_ns: int) -> None:
        before = member.state
        member.enter(state, now_ns)
        self._epochs[member.id] += 1
        if state == "draining":
            self.draining.add(member.id)
        else:
            self.draining.discard(member.id)
        self._watcher.fleet_changed("off" in (before, state), "ready" in (before, state), now_ns)

    def _expect_crash(self, replica_id: int) -> None:
        at_ns, down_ns = next(self._drawn[replica_id])
        self._push(at_ns, replica_id, _Rank.DRAWN_CRASH, down_ns)

    def _forget_overtaken(self) -> None:
        """What is due next is something that still happens."""
        queue = self._queue
        while queue and queue[0][2] in _OF_AN_EPOCH and queue[0][3] != self._epochs[queue[0][1]]:
            heappop(queue)
        self.due_ns = queue[0][0] if queue else FAR

    def _push(self, t_ns: int, replica_id: int, rank: _Rank, value: int) -> None:
        heappush(self._queue, (t_ns, replica_id, rank, value))
        self.due_ns = self._queue[0][0]
        self._alarms.at(t_ns)
