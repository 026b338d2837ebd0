"""The rate of arrivals over time, piecewise constant and in integers, and the clock that runs with it.

Whatever its law, an arrival process is drawn at one request per unit of its own time, *operational time*; the rate
says how much of that passes in a second of simulated time. So every law can be had under every shape of the rate.
Operational time is in billionths of an expected request, rates in millionths of a request per second.

Exact on every machine: shapes are rounded to such rates once, what follows adds and compares integers, and the
one division is IEEE's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from sim.api import NS_PER_S
from sim.workload.columns import Ints
from sim.workload.spec import DiurnalShape, MmppArrivals, ProfileShape, RampShape, Shape, StepsShape
from sim.workload.streams import BURSTS, generator

UNITS_PER_REQUEST = 10**9
_MICRO = 10**6
_CELLS = 10_000
"""Pieces that a smooth shape is cut into, over the whole duration."""


@dataclass(frozen=True, slots=True)
class RateProfile:
    """``micro_rps[i]`` from ``edges_ns[i]`` to ``edges_ns[i + 1]``; the first edge is 0, the last one the end."""

    edges_ns: tuple[int, ...]
    micro_rps: tuple[int, ...]

    @property
    def units(self) -> list[int]:
        """Operational time that has passed at every edge."""
        spans = zip(pairwise(self.edges_ns), self.micro_rps, strict=True)
        return [0, *accumulate((end - start) * rate // _MICRO for (start, end), rate in spans)]

    @property
    def expected_requests(self) -> float:
        return self.units[-1] / UNITS_PER_REQUEST

    def times_ns(self, operational: Ints) -> Ints:
        """Simulated times of sorted operational times, all before the end."""
        units = np.array(self.units, dtype=np.int64)
        edges = np.array(self.edges_ns, dtype=np.int64)
        piece = np.searchsorted(units, operational, side="right") - 1
        into = (operational - units[piece]) * ((edges[1:] - edges[:-1]) / np.maximum(np.diff(units), 1))[piece]
        return np.minimum(edges[piece] + into.astype(np.int64), edges[piece + 1] - 1)


def rate_profile(rate_rps: float, duration_s: float, shape: Shape | None) -> RateProfile:
    """The rate over the duration: constant without a shape."""
    end_ns = round(duration_s * NS_PER_S)
    match shape:
        case None:
            pieces = [(0, 1.0)]
        case StepsShape():
            pieces = _started([(round(at_s * NS_PER_S), factor) for at_s, factor in shape.steps])
        case ProfileShape():
            pieces = _profile(shape, end_ns)
        case RampShape():
            pieces = [(at, 1 + (shape.end_factor - 1) * middle / end_ns) for at, middle in _cells(end_ns)]
        case DiurnalShape():
            pieces = [(at, _sinusoid(shape, middle / NS_PER_S)) for at, middle in _cells(end_ns)]
    inside = [(at, factor) for at, factor in pieces if at < end_ns]
    return RateProfile(
        (*(at for at, _ in inside), end_ns), tuple(round(rate_rps * factor * _MICRO) for _, factor in inside)
    )


def _started(steps: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return steps if steps and steps[0][0] == 0 else [(0, 1.0), *steps]


def _cells(end_ns: int) -> Iterable[tuple[int, float]]:
    """Start and middle of equal pieces."""
    count = min(_CELLS, end_ns)
    edges = [end_ns * i // count for i in range(count + 1)]
    return ((start, (start + end) / 2) for start, end in pairwise(edges))


def _sinusoid(shape: DiurnalShape, t_s: float) -> float:
    """``1 + a * cos(2 pi (t - peak) / period)``, ``a = (R - 1) / (R + 1)`` for a peak R times the trough."""
    amplitude = (shape.peak_to_trough - 1) / (shape.peak_to_trough + 1)
    return 1 + amplitude * math.cos(2 * math.pi * (t_s - shape.peak_at_s) / shape.period_s)


def _profile(shape: ProfileShape, end_ns: int) -> list[tuple[int, float]]:
    parts, period_ns = len(shape.weights), round(shape.period_s * NS_PER_S)
    mean = sum(shape.weights) / parts
    periods = -(-end_ns // period_ns)
    return [
        (period_ns * period + period_ns * part // parts, weight / mean)
        for period in range(periods)
        for part, weight in enumerate(shape.weights)
    ]


def with_bursts(profile: RateProfile, law: MmppArrivals, seed: int) -> RateProfile:
    """The profile in alternating bursts and calms, whose mean factor is 1.

    It begins in either with the share of time that they have.
    """
    share = law.mean_burst_s / (law.mean_burst_s + law.mean_calm_s)
    calm = 1 / (1 - share + share * law.burst_factor)
    factors = (round(calm * _MICRO), round(calm * law.burst_factor * _MICRO))
    switches, bursting = _sojourns(law, profile.edges_ns[-1], seed)
    edges, rates, turn = [0], [], 0
    for (_, end), rate in zip(pairwise(profile.edges_ns), profile.micro_rps, strict=True):
        while switches[turn] < end:
            edges.append(switches[turn])
            rates.append(rate * factors[bursting] // _MICRO)
            turn, bursting = turn + 1, not bursting
        edges.append(end)
        rates.append(rate * factors[bursting] // _MICRO)
    return RateProfile(tuple(edges), tuple(rates))


def _sojourns(law: MmppArrivals, end_ns: int, seed: int) -> tuple[list[int], bool]:
    """When bursts and calms end, up to the first end after ``end_ns``, and whether it begins with a burst."""
    draws = generator(BURSTS, seed)
    first = bool(draws.random() < law.mean_burst_s / (law.mean_burst_s + law.mean_calm_s))
    switches, now_ns, bursting = list[int](), 0, first
    while now_ns <= end_ns:
        mean_s = law.mean_burst_s if bursting else law.mean_calm_s
        now_ns += max(1, round(draws.standard_exponential() * mean_s * NS_PER_S))
        switches.append(now_ns)
        bursting = not bursting
    return switches, first
