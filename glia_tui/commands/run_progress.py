"""How far several simulations are: one line with a share and an estimate, from what workers say while they run."""

from __future__ import annotations

import sys
import time

from glia_tui.commands.output import ProgressLine, narrate

_SAYS_AFTER_S = 1.0
_LOG_EVERY_S = 15.0
_NEARLY = 0.99
"""A run is no further than that until it is done: after the last arrival nobody knows how long the rest takes."""


class RunsProgress:
    """Told of runs by their index. On a terminal one line is rewritten; elsewhere a long wait gets one now and then."""

    def __init__(self, runs: int) -> None:
        self._runs = runs
        self._done = 0
        self._shares: dict[int, float] = {}
        self._line = ProgressLine()
        self._started = time.monotonic()
        self._log_at = self._started + _LOG_EVERY_S
        self._terminal = sys.stderr.isatty()

    def reached(self, run: int, simulated_s: float, of_s: float) -> None:
        """The run has simulated so many seconds; its last request arrives at ``of_s``."""
        self._shares[run] = min(simulated_s / of_s, _NEARLY) if of_s > 0 else 0.0
        self._show()

    def finished(self, run: int) -> None:
        self._shares.pop(run, None)
        self._done += 1
        self._show()

    def clear(self) -> None:
        self._line.clear()

    def text(self, elapsed_s: float) -> str:
        share = (self._done + sum(self._shares.values())) / self._runs
        runs = f"{self._done}/{self._runs} runs · " if self._runs > 1 else ""
        words = f"{runs}{share:.0%}"
        if share > 0 and elapsed_s >= _SAYS_AFTER_S:
            words += f" · about {duration(elapsed_s * (1 - share) / share)} left"
        return words

    def _show(self) -> None:
        now = time.monotonic()
        text = self.text(now - self._started)
        if self._terminal:
            self._line.update(text)
        elif now >= self._log_at:
            self._log_at = now + _LOG_EVERY_S
            narrate(text)


def duration(seconds: float) -> str:
    """A time for people: 8 s, 3 min, 1.5 h."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
