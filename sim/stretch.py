"""A stretch: consecutive iterations of one replica whose batch doesn't change, as one piece of simulated time.

Every decode iteration of an unchanged batch of n requests reads n more KV tokens than the one before, so with a cost
linear in the context their durations are an arithmetic progression and every question about the stretch has a closed
form: when iteration i ends, how many have ended by time t, and the sum of any evenly spaced iteration ends. All of it
is integer arithmetic (``math.isqrt``), so the answers equal those of a loop over the iterations, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt


class Stretch:
    """``count`` iterations from ``start_ns``; the first takes ``first_ns`` (at least 1), each next ``step_ns`` more.

    Boundary i (0 <= i <= count) is the end of the i-th iteration; boundary 0 is the start. A replica has one of these
    and begins it again and again; with ``count`` 0 nothing runs.
    """

    __slots__ = ("count", "first_ns", "start_ns", "step_ns")

    def __init__(self) -> None:
        self.start_ns = self.first_ns = self.step_ns = self.count = 0

    def begin(self, start_ns: int, first_ns: int, step_ns: int, count: int) -> int:
        """Starts over with these iterations; returns when the last one ends."""
        self.start_ns = start_ns
        self.first_ns = first_ns
        self.step_ns = step_ns
        self.count = count
        return start_ns + count * first_ns + step_ns * (count * (count - 1) // 2)

    def boundary_ns(self, index: int) -> int:
        """When the ``index``-th iteration ends: ``start + i * first + step * i * (i - 1) / 2``."""
        return self.start_ns + index * self.first_ns + self.step_ns * (index * (index - 1) // 2)

    def ended_by(self, t_ns: int) -> int:
        """Iterations that have ended at ``t_ns`` (not before the start), those that end at it included.

        The largest integer i with ``boundary_ns(i) <= t_ns``: ``step * i**2 + b * i <= 2 * elapsed`` with
        ``b = 2 * first - step``, so ``2 * step * i + b <= sqrt(b**2 + 8 * step * elapsed)``. The left side is an
        integer, so rounding the root down changes nothing. Needs ``b > 0``.
        """
        elapsed_ns = t_ns - self.start_ns
        step = self.step_ns
        if elapsed_ns < self.first_ns or not self.count:
            return 0
        if not step:
            return min(self.count, elapsed_ns // self.first_ns)
        b = 2 * self.first_ns - step
        return min(self.count, (isqrt(b * b + 8 * step * elapsed_ns) - b) // (2 * step))

    def sum_of_boundaries(self, weights: Sequence[int], first: int, every: int, terms: int) -> int:
        """Sum of ``weights[k]`` times the boundaries ``first + k``, ``first + k + every``, ... (``terms`` of them) over
        all k, in ns."""
        count = indices = squares = 0
        for index, weight in enumerate(weights, first):
            count += weight
            indices += weight * index
            squares += weight * index * index
        shift = every * (terms * (terms - 1) // 2)
        shift_squared = every * shift * (2 * terms - 1) // 3
        squares = terms * squares + 2 * shift * indices + shift_squared * count
        indices = terms * indices + shift * count
        return terms * count * self.start_ns + indices * self.first_ns + self.step_ns * ((squares - indices) // 2)
