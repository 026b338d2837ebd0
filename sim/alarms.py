"""Simulated time: one kernel event per instant at which something may be due.

An alarm promises nothing: what made it necessary may be void when it rings. With each instant go the ids of the
replicas whose stretch was to end then.
"""

from __future__ import annotations

from collections.abc import Callable

import simpy
from simpy.events import Timeout

FAR = 2**62
"""An instant that never comes."""


class Alarms:
    """``now_ns``: the present instant. ``on_instant(replica ids)`` is called once for each instant with an alarm."""

    __slots__ = ("_ending", "_environment", "_on_instant", "now_ns")

    def __init__(self, on_instant: Callable[[list[int]], None]) -> None:
        self.now_ns = 0
        self._environment = simpy.Environment()
        self._ending: dict[int, list[int]] = {}
        self._on_instant = on_instant

    def at(self, t_ns: int) -> list[int]:
        """Sets an alarm if there is none; returns the replicas whose stretch ends then, to be added to."""
        ending = self._ending.get(t_ns)
        if ending is None:
            ending = self._ending[t_ns] = []
            Timeout(self._environment, t_ns - self.now_ns).callbacks.append(self._ring)
        return ending

    def run(self) -> None:
        """Until no alarm is left."""
        self._environment.run()

    def _ring(self, _event: simpy.Event) -> None:
        self.now_ns = now_ns = int(self._environment.now)
        self._on_instant(self._ending.pop(now_ns))
