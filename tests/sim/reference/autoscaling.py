"""The autoscaler slot of the naive cluster: when it is asked, what it is shown, and how its answer is carried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sim.api import Autoscaler, FleetSample
from sim.decisions import checked_wanted
from sim.scenario import Scenario
from tests.sim.reference.fleet import Slot, duration_ns, in_ns
from tests.sim.reference.views import FleetView


class Scaling:
    """``wanted``: replicas last wanted of each pool."""

    def __init__(
        self, scenario: Scenario, autoscaler: Autoscaler, name: str, slots: Sequence[Slot], fleet: FleetView
    ) -> None:
        spec = scenario.autoscaling
        assert spec is not None
        own_s = getattr(autoscaler, "interval_s", None)
        self.interval_ns = duration_ns(spec.interval_s if own_s is None else own_s)
        self.sample_interval_ns = duration_ns(spec.sample_interval_s)
        self.cold_start_ns = in_ns(spec.cold_start_s)
        self.wanted = [pool.cluster.replicas for pool in scenario.pools]
        self._history_ns = duration_ns(spec.history_s)
        self._history: list[FleetSample] = []
        self._autoscaler = autoscaler
        self._name = name
        self._pools = scenario.pools
        self._slots = slots
        self._fleet = fleet

    def next_ask_ns(self, now_ns: int) -> int:
        return (now_ns // self.interval_ns + 1) * self.interval_ns

    def next_sample_ns(self, now_ns: int) -> int:
        return (now_ns // self.sample_interval_ns + 1) * self.sample_interval_ns

    def step(self, now_ns: int, sample: Callable[[], FleetSample]) -> list[tuple[int, int]]:
        """Step 3 of an instant. Returns the (place of a pool, replicas) whose number wanted has changed."""
        asked = now_ns > 0 and now_ns % self.interval_ns == 0
        if asked or now_ns % self.sample_interval_ns == 0:
            self._history.append(sample())
        if not asked:
            return []
        self._history = [old for old in self._history if now_ns - old.t_ns <= self._history_ns]
        answer = self._autoscaler.scale(self._fleet.at(now_ns), tuple(self._history))
        named = checked_wanted(answer, [pool.name for pool in self._pools], self._name, now_ns)
        changed = []
        for place, pool in enumerate(self._pools):
            wanted = self.wanted[place]
            if place in named:
                wanted = min(max(named[place], pool.min_replicas), pool.max_replicas)
            if wanted != self.wanted[place]:
                self.wanted[place] = wanted
                changed.append((place, wanted))
        self._carry_out(now_ns)
        return changed

    def _carry_out(self, now_ns: int) -> None:
        """Makes what is there what is wanted, pool by pool."""
        for place, wanted in enumerate(self.wanted):
            slots = [slot for slot in self._slots if slot.pool_index == place]
            present = [slot for slot in slots if slot.state in ("starting", "ready", "down")]
            for _ in range(wanted - len(present)):
                self._add_one(slots, now_ns)
            for _ in range(len(present) - wanted):
                self._remove_one(slots, now_ns)

    def _add_one(self, slots: Sequence[Slot], now_ns: int) -> None:
        draining = [slot for slot in slots if slot.state == "draining"]
        if draining:
            draining[0].become_ready(now_ns)
            return
        slot = next(slot for slot in slots if slot.state == "off")
        slot.start(now_ns, self.cold_start_ns)
        if self.cold_start_ns == 0:
            slot.become_ready(now_ns)

    def _remove_one(self, slots: Sequence[Slot], now_ns: int) -> None:
        starting = [slot for slot in slots if slot.state == "starting"]
        ready = [slot for slot in slots if slot.state == "ready"]
        if starting:
            max(starting, key=lambda slot: (slot.started_ns, slot.id)).turn_off(now_ns)
        elif ready:
            slot = min(ready, key=lambda slot: (slot.replica.requests, -slot.id))
            if slot.replica.requests:
                slot.turn("draining", now_ns)
            else:
                slot.turn_off(now_ns)
