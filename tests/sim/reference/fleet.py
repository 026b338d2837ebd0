"""The slots of the naive cluster: which replica is in which state, and what happens to it when."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim.api import NS_PER_S
from sim.cost import cost_of
from sim.hooks import SchedulerFactory
from sim.scenario import Fault, PoolSpec, Scenario
from tests.sim.reference.replica import Replica
from tests.sim.reference.request import Request

CRASH_STREAM = 100


def in_ns(seconds: float) -> int:
    """A time."""
    return round(seconds * NS_PER_S)


def duration_ns(seconds: float) -> int:
    """An interval or a duration."""
    return max(1, in_ns(seconds))


class Slot:
    """A place for a replica. ``ready_ns`` ends its cold start, ``repaired_ns`` its repair; None if there is none.

    ``started_ns``: when its cold start began. ``states``: (time, state) from each change on.
    """

    def __init__(
        self, pool_index: int, pool: PoolSpec, replica: Replica, state: str, listed: list[Fault], drawn: Iterator[tuple]
    ) -> None:
        self.id = replica.id
        self.pool_index = pool_index
        self.pool = pool
        self.replica = replica
        self.started_ns = 0
        self.ready_ns: int | None = None
        self.repaired_ns: int | None = None
        self.iteration_end_ns: int | None = None
        self.states = [(0, state)]
        self.scraped: dict[str, object] | None = None
        self._base_cost = replica.cost
        self._slowdowns = [
            (in_ns(fault.at_s), in_ns(fault.at_s) + duration_ns(fault.duration_s), fault.percent)
            for fault in listed
            if fault.kind == "slow"
        ]
        self._listed = [(in_ns(fault.at_s), duration_ns(fault.duration_s)) for fault in listed if fault.kind == "crash"]
        self._drawn = drawn
        self._next_drawn = next(drawn, None)

    def times_ns(self) -> list[int]:
        """When something of step 1 is, was or may be due."""
        times = [time for begin, end, _ in self._slowdowns for time in (begin, end)]
        times += [begin for begin, _ in self._listed]
        if self._next_drawn is not None:
            times.append(self._next_drawn[0])
        return times + [time for time in (self.ready_ns, self.repaired_ns) if time is not None]

    def set_cost(self, now_ns: int) -> None:
        """The cost of what is composed from now on."""
        self.replica.cost = self._base_cost
        for begin, end, percent in self._slowdowns:
            if begin <= now_ns < end:
                self.replica.cost = self._base_cost.scaled(percent)

    def crashes_at(self, now_ns: int) -> list[int]:
        """How long it would be down for each crash that is due: listed ones first."""
        down = [duration for begin, duration in self._listed if begin == now_ns]
        if self._next_drawn is not None and self._next_drawn[0] == now_ns:
            down.append(self._next_drawn[1])
            self._next_drawn = next(self._drawn, None)
        return down

    @property
    def state(self) -> str:
        return self.states[-1][1]

    def turn(self, state: str, now_ns: int) -> None:
        self.states.append((now_ns, state))

    def ns_in(self, state: str, end_ns: int) -> int:
        """How long it was in that state, in ns."""
        ends = [time for time, _ in self.states[1:]] + [end_ns]
        return sum(end - time for (time, each), end in zip(self.states, ends, strict=True) if each == state)

    def start(self, now_ns: int, cold_start_ns: int) -> None:
        """A cold start begins, and is over at once if it takes no time."""
        self.replica.forget_cache()
        self.turn("starting", now_ns)
        self.started_ns = now_ns
        self.ready_ns = now_ns + cold_start_ns

    def become_ready(self, now_ns: int) -> None:
        self.ready_ns = None
        self.turn("ready", now_ns)

    def turn_off(self, now_ns: int) -> None:
        self.ready_ns = None
        self.turn("off", now_ns)

    def crash(self, now_ns: int, down_ns: int) -> list[Request]:
        """The requests that were on it."""
        lost = self.replica.crash()
        self.iteration_end_ns = None
        self.ready_ns = None
        if self.state == "draining":
            self.turn("off", now_ns)
        else:
            self.turn("down", now_ns)
            self.repaired_ns = now_ns + down_ns
        return lost


def make_slots(scenario: Scenario, seed: int, scheduler: SchedulerFactory | None) -> list[Slot]:
    """All slots, ids counting through the pools."""
    slots: list[Slot] = []
    for pool_index, pool in enumerate(scenario.pools):
        cost = cost_of(pool)
        for place in range(pool.max_replicas):
            slot_id = len(slots)
            hooks = None if scheduler is None else scheduler(slot_id)
            replica = Replica(slot_id, pool.cluster, cost, scenario.engine, hooks)
            listed = [fault for fault in scenario.faults.listed if fault.replica == slot_id]
            state = "ready" if place < pool.cluster.replicas else "off"
            slots.append(Slot(pool_index, pool, replica, state, listed, _drawn_crashes(scenario, seed, slot_id)))
    return slots


def _drawn_crashes(scenario: Scenario, seed: int, slot_id: int) -> Iterator[tuple[int, int]]:
    """(time, duration) of one crash after another, in ns."""
    faults = scenario.faults
    if faults.mean_between_s is None:
        return
    generator = np.random.Generator(np.random.PCG64([CRASH_STREAM, seed, slot_id]))
    now_ns = 0
    while True:
        now_ns += duration_ns(generator.standard_exponential() * faults.mean_between_s)
        down_ns = duration_ns(generator.standard_exponential() * faults.mean_down_s)
        yield now_ns, down_ns
        now_ns += down_ns
