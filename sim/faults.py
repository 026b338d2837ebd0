"""What goes wrong with replicas, and when: the faults that a scenario lists, and crashes drawn from the seed.

Drawn crashes come from one generator per replica, so that a larger fleet has the same crashes and more; a replica's
timeline is the same whatever state the replica is in.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim.api import NS_PER_S
from sim.scenario import FaultsSpec

CRASHES_STREAM = 100


def to_ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def drawn_crashes(spec: FaultsSpec, replica_id: int, seed: int) -> Iterator[tuple[int, int]]:
    """When a replica crashes and how long it is down, both in ns: without end, or empty if none are drawn.

    Exponential times between the end of one (at first 0) and the next, and exponential down times; each at least 1 ns.
    """
    if spec.mean_between_s is None:
        return
    generator = np.random.Generator(np.random.PCG64([CRASHES_STREAM, seed, replica_id]))

    def draw_ns(mean_s: float) -> int:
        return max(1, to_ns(float(generator.standard_exponential()) * mean_s))

    at_ns = 0
    while True:
        at_ns += draw_ns(spec.mean_between_s)
        down_ns = draw_ns(spec.mean_down_s)
        yield at_ns, down_ns
        at_ns += down_ns
