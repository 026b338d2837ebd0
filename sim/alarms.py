"""Simulated time: one kernel event per instant at which something may be due.

An alarm promises nothing: what made it necessary may be void when it rings. With each instant go the ids of the
replicas whose stretch was to end then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import simpy
from simpy.events import NORMAL, Event

FAR = 2**62
"""An instant that never comes."""


class Alarm(Event):
    """``ending``: ids of the replicas whose stretch was to end at ``t_ns``. One that has rung is set again."""

    def __init__(self, environment: simpy.Environment) -> None:
        super().__init__(environment)
        self._ok, self._value = True, None
        self.t_ns = 0
        self.ending: list[int] = []


class Alarms:
    """``now_ns``: the present instant. ``on_instant(replica ids)`` is called once for each instant with an alarm."""

    __slots__ = ("_callbacks", "_environment", "_on_instant", "_rung", "_set", "now_ns")

    def __init__(self, on_instant: Callable[[list[int]], None]) -> None:
        self.now_ns = 0
        self._environment = simpy.Environment()
        self._set: dict[int, Alarm] = {}
        self._rung: list[Alarm] = []
        self._callbacks: list[Callable[[Any], None]] = [self._ring]
        self._on_instant = on_instant

    def at(self, t_ns: int) -> list[int]:
        """Sets an alarm if there is none; returns the replicas whose stretch ends then, to be added to."""
        alarm = self._set.get(t_ns)
        if alarm is None:
            alarm = self._rung.pop() if self._rung else Alarm(self._environment)
            alarm.t_ns = t_ns
            alarm.callbacks = self._callbacks
            self._set[t_ns] = alarm
            self._environment.schedule(alarm, NORMAL, t_ns - self.now_ns)
        return alarm.ending

    def run(self) -> None:
        """Until no alarm is left."""
        self._environment.run()

    def _ring(self, alarm: Alarm) -> None:
        self.now_ns = alarm.t_ns
        del self._set[alarm.t_ns]
        self._on_instant(alarm.ending)
        alarm.ending.clear()
        self._rung.append(alarm)
