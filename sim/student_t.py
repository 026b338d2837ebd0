"""Student's t for small samples: the 97.5% quantile, computed, so that any number of seeds has its exact interval.

The distribution function for whole degrees of freedom has a closed form: Abramowitz and Stegun, Handbook of
Mathematical Functions, 26.7.3 (odd) and 26.7.4 (even). The quantile is its inverse by bisection.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence


def central_probability(t: float, degrees: int) -> float:
    """``P(|T| <= t)`` for T with ``degrees`` (>= 1) degrees of freedom and t >= 0."""
    theta = math.atan(t / math.sqrt(degrees))
    cosine_squared = math.cos(theta) ** 2
    odd = degrees % 2
    first = 2 if odd else 1
    term, total = 1.0, 0.0
    for k in range(first, degrees, 2):
        total += term
        term *= cosine_squared * k / (k + 1)
    if odd:
        return 2 / math.pi * (theta + math.sin(theta) * math.cos(theta) * total)
    return math.sin(theta) * total


@functools.cache
def t_quantile_975(degrees: int) -> float:
    """The 97.5% quantile of Student's t, to about 12 digits. Raises ValueError below one degree of freedom."""
    if degrees < 1:
        raise ValueError("Student's t needs at least one degree of freedom.")
    low, high = 1.9, 12.8
    for _ in range(60):
        middle = (low + high) / 2
        if central_probability(middle, degrees) < 0.95:
            low = middle
        else:
            high = middle
    return high


def mean_ci95(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95% t interval of the mean of independent ``values``; None for fewer than two."""
    n = len(values)
    if n < 2:
        return None
    mean = math.fsum(values) / n
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    half = t_quantile_975(n - 1) * math.sqrt(variance / n)
    return mean - half, mean + half
