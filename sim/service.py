"""How requests were served: within their SLOs or not, by tier, and how evenly.

Columns are those of the finished requests, or of all of them where it says so: int64 arrays of one length.
"""

from __future__ import annotations

from math import floor

import numpy as np
from numpy.typing import NDArray

from sim.api import NO_SLO, NS_PER_S
from sim.scenario import SloSpec
from sim.telemetry import Json
from sim.workload import Workload

ALL = "all"
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def tpot_ns(ttft_ns: Ints, e2e_ns: Ints, output_tokens: Ints) -> Ints:
    """Time per output token after the first; 0 of requests for a single one."""
    return (e2e_ns - ttft_ns) // np.maximum(output_tokens - 1, 1)


def in_time(ttft_ns: Ints, tpot: Ints, promised_ns: Ints | None, slo: SloSpec) -> Flags:
    """Whether each met its SLO; ``promised_ns``: what was promised to each, which comes before the scenario's TTFT."""
    most_ttft_ns: Ints | int = floor(slo.ttft_s * NS_PER_S)
    if promised_ns is not None:
        most_ttft_ns = np.where(promised_ns == NO_SLO, most_ttft_ns, promised_ns)
    return np.asarray((ttft_ns <= most_ttft_ns) & (tpot <= floor(slo.tpot_s * NS_PER_S)))


def slo_attainment(workload: Workload, good: Ints) -> dict[str, Json]:
    """Share of all requests that are ``good`` (their ids): of ``all``, and of each tier if there are several.

    A tier is a priority, or a promised TTFT where all have the same priority.
    """
    shares: dict[str, Json] = {ALL: len(good) / len(workload) if len(workload) else 0.0}
    for name, tier_of in (("priority", workload.priority), ("ttft", workload.ttft_slo_ns)):
        if tier_of is None:
            continue
        tiers, sizes = np.unique(tier_of, return_counts=True)
        if len(tiers) > 1:
            met = [int(np.count_nonzero(tier_of[good] == tier)) for tier in tiers]
            named = {_tier(name, int(t)): m / int(size) for t, m, size in zip(tiers, met, sizes, strict=True)}
            return shares | {key: named[key] for key in sorted(named)}
    return shares


def _tier(name: str, value: int) -> str:
    if name == "priority":
        return f"priority_{value}"
    return "no_promise" if value == NO_SLO else f"ttft_{value / NS_PER_S:g}s"


def jain_fairness(output_tokens: Ints, e2e_ns: Ints, session: Ints | None = None) -> float | None:
    """Jain's index of the output tokens per second that sessions got, or requests that belong to none: 1 is even.

    ``(sum x)**2 / (n * sum x**2)``; R. Jain et al., DEC-TR-301, 1984. None if nothing finished.
    """
    if session is not None:
        alone = session < 0
        _, place = np.unique(session[~alone], return_inverse=True)
        tokens, ns = (_sums(column[~alone], place) for column in (output_tokens, e2e_ns))
        output_tokens = np.concatenate([output_tokens[alone], tokens])
        e2e_ns = np.concatenate([e2e_ns[alone], ns])
    rates = [tokens * NS_PER_S * 1000 // ns for tokens, ns in zip(output_tokens.tolist(), e2e_ns.tolist(), strict=True)]
    squares = sum([rate * rate for rate in rates])
    return sum(rates) ** 2 / (len(rates) * squares) if squares else None


def _sums(values: Ints, place: Ints) -> Ints:
    sums = np.zeros(int(place.max(initial=-1)) + 1, dtype=np.int64)
    np.add.at(sums, place, values)
    return sums
