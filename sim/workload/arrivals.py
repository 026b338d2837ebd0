"""Draws when requests arrive: a law of the gaps, under a rate that may change (:mod:`sim.workload.rate`)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sim.api import NS_PER_S
from sim.errors import SimError
from sim.workload.columns import Ints
from sim.workload.rate import UNITS_PER_REQUEST, RateProfile, rate_profile, with_bursts
from sim.workload.recorded import load_counts
from sim.workload.spec import (
    Arrivals,
    GammaArrivals,
    LogNormalArrivals,
    MmppArrivals,
    PoissonArrivals,
    ReplayArrivals,
    Shape,
)
from sim.workload.streams import GAPS, PLACES, generator

_Draw = Callable[[int], NDArray[np.float64]]
_AT_ONCE = 65_536
MOST_DRAWN = 20_000_000
"""Most arrivals that are drawn: where gaps are mostly tiny and seldom huge, many more may come than the rate says."""


def draw_arrivals(law: Arrivals, shape: Shape | None, seed: int, thinner: float = 1.0) -> Ints:
    """Sorted arrival times in ns, all before the duration's end; the rate is divided by ``thinner``."""
    if isinstance(law, ReplayArrivals):
        return _replayed(law, seed)
    profile = rate_profile(law.rate_rps / thinner, law.duration_s, shape)
    if isinstance(law, MmppArrivals):
        profile = with_bursts(profile, law, seed)
    return profile.times_ns(_operational(profile, _gaps(law, seed), seed))


def check_drawn(count: int, seed: int) -> None:
    """Raises SimError if more than that many arrivals don't fit memory."""
    if count >= MOST_DRAWN:
        raise SimError(
            f"Seed {seed} draws more than {MOST_DRAWN:,} arrivals, which don't fit memory; lower the rate, the "
            "duration or the sigma of the gaps."
        )


def expected_requests(law: Arrivals, shape: Shape | None) -> float:
    """How many requests the law gives on average (a replay: of the whole record's rate)."""
    if isinstance(law, ReplayArrivals):
        counts = load_counts(law.trace)
        return float(counts.mean()) * law.duration_s * law.rate_scale
    return rate_profile(law.rate_rps, law.duration_s, shape).expected_requests


def _gaps(law: PoissonArrivals | GammaArrivals | LogNormalArrivals | MmppArrivals, seed: int) -> _Draw:
    """Gaps of mean 1."""
    draws = generator(GAPS, seed)
    match law:
        case GammaArrivals():
            shape = 1 / law.cv**2
            return lambda count: draws.standard_gamma(shape, size=count) / shape
        case LogNormalArrivals():
            sigma = law.sigma
            return lambda count: np.array([math.exp(sigma * z - sigma**2 / 2) for z in draws.standard_normal(count)])
        case _:
            return lambda count: draws.standard_exponential(size=count)


def _operational(profile: RateProfile, gaps: _Draw, seed: int) -> Ints:
    """Operational times of all arrivals; every gap is rounded before anything is added up. Raises SimError."""
    end, now, parts = profile.units[-1], 0, list[Ints]()
    while now < end:
        units = np.rint(np.minimum(gaps(_AT_ONCE), 1e7) * UNITS_PER_REQUEST).astype(np.int64)
        parts.append(now + np.cumsum(units))
        now = int(parts[-1][-1])
        if now < end:
            check_drawn(len(parts) * _AT_ONCE, seed)
    times = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
    return times[: np.searchsorted(times, end)]


def _replayed(law: ReplayArrivals, seed: int) -> Ints:
    counts = load_counts(law.trace)
    draws = generator(PLACES, seed)
    drawn = int(draws.integers(0, len(counts)))
    start = drawn if law.start_s is None else int(law.start_s)
    seconds = math.ceil(law.duration_s * law.rate_scale)
    second = np.repeat(np.arange(seconds), counts[(start + np.arange(seconds)) % len(counts)])
    recorded_ns = second * NS_PER_S + draws.integers(0, NS_PER_S, size=len(second))
    times = np.sort((recorded_ns / law.rate_scale).astype(np.int64))
    return times[: np.searchsorted(times, round(law.duration_s * NS_PER_S))]
