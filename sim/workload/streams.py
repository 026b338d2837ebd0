"""The random streams of workloads: each a PCG64 seeded with (stream number, seed), so that adding a stream never
shifts another one."""

from __future__ import annotations

import numpy as np

GAPS = 1
LENGTHS = 2
BURSTS = 3
PLACES = 4
OUTPUTS = 5
TURNS = 6
TURN_GAPS = 7
SYSTEM_PROMPTS = 8
CLASSES = 9


def generator(stream: int, seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([stream, seed]))
