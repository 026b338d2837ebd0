"""What may be said after an experiment: paired comparison with an interval, pooled arms, and which seeds are whose.

Both arms run on the same seeds, so the differences are taken seed by seed and the arrivals' scatter, which is several
times the effect, cancels. A verdict needs ten seeds and an interval that leaves zero out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from statistics import fmean, stdev

from pydantic import JsonValue

from sessions import events as ev
from sessions.playground import DesignUnderTest, JobResult, find_playground
from sim.student_t import t_quantile_975

MIN_SEEDS = 10
HELD_OUT_FROM = 2**20
_ATTEMPT_BITS = 32  # of a held-out seed: attempts never share a seed, whatever their counts


def compare(
    metric: str,
    unit: str,
    baseline: Mapping[int, float],
    candidate: Mapping[int, float],
    *,
    higher_is_better: bool = False,
) -> ev.Comparison:
    """Candidate against baseline, paired by seed, on ``metric`` in ``unit``.

    ``difference`` is the mean of candidate - baseline with its 95% t interval; ``relative`` is the quotient of the
    means - 1 (0 for a baseline of 0). Better or worse only with an interval that excludes 0 and at least ten seeds.
    Raises ValueError for fewer than two seeds (no interval), other seeds in one arm, or a figure that is not finite.
    """
    if baseline.keys() != candidate.keys() or len(baseline) < 2:
        raise ValueError("both arms need the same seeds, at least two")
    seeds = sorted(baseline)
    differences = [candidate[seed] - baseline[seed] for seed in seeds]
    if not all(map(math.isfinite, differences)):
        raise ValueError("a figure is not a finite number")
    mean = fmean(differences)
    low, high = t_interval(differences)
    base, other = fmean(baseline.values()), fmean(candidate.values())
    verdict: ev.Verdict = "no difference shown"
    if len(seeds) >= MIN_SEEDS and not low <= 0.0 <= high:
        verdict = "better" if (low > 0.0) == higher_is_better else "worse"
    return ev.Comparison(
        metric=metric,
        unit=unit,
        baseline=base,
        candidate=other,
        difference=mean,
        ci95=(low, high),
        relative=other / base - 1.0 if base else 0.0,
        seeds=len(seeds),
        verdict=verdict,
        method=f"paired t, 95%, {len(seeds)} seeds",
    )


def t_interval(values: list[float]) -> tuple[float, float]:
    """The 95% interval of the mean of two or more ``values`` under Student's t (its quantile: :mod:`sim.student_t`)."""
    mean = fmean(values)
    half = t_quantile_975(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return mean - half, mean + half


def arm(design: DesignUnderTest, results: Mapping[int, JobResult]) -> ev.Arm:
    """One arm of an experiment from its results by seed; raises ValueError if any of them failed."""
    rows: list[dict[str, JsonValue]] = []
    for seed in sorted(results):
        metrics = results[seed].metrics
        if results[seed].outcome != "ok" or metrics is None:
            raise ValueError(f"seed {seed} of {design.name} has no figures: {results[seed].outcome}")
        rows.append({**metrics, "seed": seed})
    pooled = find_playground(design.playground).pool_metrics(rows)
    return ev.Arm(design=design.name, digest=design.digest, metrics=pooled, per_seed=rows)


def seed_plan(count: int) -> list[int]:
    """The seeds of an experiment that agents see: 1 to ``count``."""
    return list(range(1, count + 1))


def held_out_seeds(root: str, attempt: int, count: int) -> list[int]:
    """``count`` seeds for the ``attempt``-th acceptance (from 1) of a session, drawn by hash from ``root``.

    None is an experiment's seed (they start at 2**20) and none is of another attempt: trying again teaches nothing.
    They fit into a JSON number (below 2**53). Raises ValueError beyond that.
    """
    if not 1 <= attempt < 2**20:
        raise ValueError("an attempt is a number from 1 to 2**20 - 1")
    seeds: dict[int, None] = {}
    draw = 0
    while len(seeds) < count:
        text = f"held-out {root} {attempt} {draw}".encode()
        low = int.from_bytes(hashlib.sha256(text).digest()[: _ATTEMPT_BITS // 8], "big")
        seeds[HELD_OUT_FROM + (attempt << _ATTEMPT_BITS) + low] = None
        draw += 1
    return list(seeds)
