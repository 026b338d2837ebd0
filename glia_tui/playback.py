"""Recorded telemetry, played at a pace that can be watched.

A simulation takes a fraction of a second and people don't: computing and showing are apart. :class:`Player` knows
where in simulated time the show is; it is advanced by wall time, and knows nothing of timers or widgets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from glia_tui.ports import StudySession
from sessions.state import Experiment

Array = NDArray[np.float64]
WATCH_S = 20.0
"""Seconds the whole run takes at the default speed."""
_FACTORS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_RATE_WINDOW_S = 10.0


class BadRecording(ValueError):
    """Telemetry that lacks a series or has one of the wrong shape; the sentence names it."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One run's telemetry. ``t_s``: simulated time of each sample, rising.

    ``mean_completion_s`` is NaN before the first request finished. ``waiting`` counts requests held at the router
    and waiting at replicas. ``kv_usage``: samples × replicas, 0..1. ``preemptions`` and ``tokens`` are cumulative.
    """

    t_s: Array
    mean_completion_s: Array
    waiting: Array
    running: Array
    held: Array
    kv_usage: Array
    preemptions: Array
    tokens: Array

    @classmethod
    def from_json(cls, telemetry: Mapping[str, JsonValue]) -> Recording:
        """Reads the simulator's telemetry (``{"t_s": [...], "series": {NAME: {"values": [...]}}}``)."""
        t_s = _array("t_s", telemetry.get("t_s"))
        count = len(t_s)
        if count == 0:
            raise BadRecording("The recorded telemetry has no samples.")
        held = _series(telemetry, "router:held_requests", count)
        return cls(
            t_s=t_s,
            mean_completion_s=_series(telemetry, "cluster:mean_completion_s", count),
            waiting=_total(telemetry, "vllm:num_requests_waiting", count) + held,
            running=_total(telemetry, "vllm:num_requests_running", count),
            held=held,
            kv_usage=_series(telemetry, "vllm:kv_cache_usage_perc", count).reshape(count, -1),
            preemptions=_total(telemetry, "vllm:num_preemptions_total", count),
            tokens=_total(telemetry, "vllm:generation_tokens_total", count),
        )

    @property
    def end_s(self) -> float:
        return float(self.t_s[-1])

    def at(self, t_s: float) -> int:
        """The index of the last sample at or before ``t_s``."""
        return max(int(np.searchsorted(self.t_s, t_s, side="right")) - 1, 0)

    def tokens_per_s(self, t_s: float) -> float:
        """Output tokens per simulated second over the ten seconds before ``t_s``."""
        now = self.at(t_s)
        then = self.at(self.t_s[now] - _RATE_WINDOW_S)
        span = float(self.t_s[now] - self.t_s[then])
        return float(self.tokens[now] - self.tokens[then]) / span if span > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Film:
    """What is played: the candidate's run in front, the baseline's on the same seed behind."""

    experiment: str
    seed: int | None
    candidate_name: str
    candidate: Recording
    baseline_name: str = ""
    baseline: Recording | None = None

    @property
    def end_s(self) -> float:
        """Simulated seconds until both runs are over."""
        return max(self.candidate.end_s, self.baseline.end_s if self.baseline else 0.0)


def film_of(session: StudySession, experiment: Experiment) -> Film | None:
    """The recorded runs of a finished experiment, or ``None`` where nothing was recorded. Blocks on files.

    Raises :class:`BadRecording`, or the session's error where a record is missing or damaged.
    """
    result = experiment.result
    if result is None:
        return None
    arms = {name: Recording.from_json(session.telemetry(digest)) for name, digest in result.telemetry.items()}
    front = arms.get("candidate") or arms.get("baseline")
    if front is None:
        return None
    behind = arms.get("baseline") if "candidate" in arms else None
    baseline = experiment.proposal.baseline
    return Film(experiment.id, result.telemetry_seed, experiment.design, front, baseline, behind)


class Player:
    """Where the show is. ``position_s`` never leaves 0..``end_s``."""

    def __init__(self, end_s: float) -> None:
        self.end_s = end_s
        self.position_s = 0.0
        self.playing = True
        self._factor = _FACTORS.index(1.0)

    @property
    def speed(self) -> float:
        """Simulated seconds per second of watching."""
        return max(self.end_s, 1e-9) / WATCH_S * _FACTORS[self._factor]

    @property
    def at_end(self) -> bool:
        return self.position_s >= self.end_s

    def advance(self, wall_s: float) -> None:
        """Lets ``wall_s`` seconds of watching pass; stops at the end."""
        if not self.playing:
            return
        self.position_s = min(self.position_s + wall_s * self.speed, self.end_s)
        if self.at_end:
            self.playing = False

    def toggle(self) -> None:
        """Plays or pauses; at the end it starts over."""
        if self.at_end:
            self.replay()
        else:
            self.playing = not self.playing

    def faster(self) -> None:
        self._factor = min(self._factor + 1, len(_FACTORS) - 1)

    def slower(self) -> None:
        self._factor = max(self._factor - 1, 0)

    def skip(self) -> None:
        """Jumps to the end."""
        self.position_s = self.end_s
        self.playing = False

    def replay(self) -> None:
        """Starts over from the beginning."""
        self.position_s = 0.0
        self.playing = True

    def seek(self, share: float) -> None:
        """Moves by ``share`` of the whole run, -1..1; goes on as it was."""
        self.position_s = min(max(self.position_s + share * self.end_s, 0.0), self.end_s)
        if self.at_end:
            self.playing = False


def _array(name: str, values: JsonValue) -> Array:
    if not isinstance(values, list):
        raise BadRecording(f"The recorded telemetry has no {name!r}.")
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadRecording(f"The recorded telemetry's {name!r} is not a table of numbers.") from error


def _series(telemetry: Mapping[str, JsonValue], name: str, count: int) -> Array:
    series = telemetry.get("series")
    entry = series.get(name) if isinstance(series, dict) else None
    values = _array(name, entry.get("values") if isinstance(entry, dict) else None)
    if len(values) != count:
        raise BadRecording(f"The recorded telemetry's {name!r} has {len(values)} samples, not {count}.")
    return values


def _total(telemetry: Mapping[str, JsonValue], name: str, count: int) -> Array:
    """A per-replica series summed over replicas; a cluster-wide one as it is."""
    total: Array = _series(telemetry, name, count).reshape(count, -1).sum(axis=1)
    return total
