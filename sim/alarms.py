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
    """``now_ns``: the present instant. ``on_alarm`` is called once for each instant with an alarm; it has to
    :meth:`pop` it."""

    __slots__ = ("_ending", "_environment", "_on_alarm", "now_ns")

    def __init__(self, on_alarm: Callable[[simpy.Event], None]) -> None:
        self.now_ns = 0
        self._environment = simpy.Environment()
        self._ending: dict[int, list[int]] = {}
        self._on_alarm = on_alarm

    def at(self, t_ns: int) -> list[int]:
        """Sets an alarm if there is none; returns the replicas whose stretch ends then, to be added to."""
        ending = self._ending.get(t_ns)
        if ending is None:
            ending = self._ending[t_ns] = []
            Timeout(self._environment, t_ns - self.now_ns).callbacks.append(self._on_alarm)
        return ending

    def run(self) -> None:
        """Until no alarm is left."""
        self._environment.run()

    def pop(self) -> list[int]:
        """Moves the present to the instant whose alarm rings; returns the replicas whose stretch ends then."""
        self.now_ns = now_ns = int(self._environment.now)
        return self._ending.pop(now_ns)
