"""A simulated predictor of output lengths, for schedulers that need one (:class:`sim.oracle.Predicted`).

What a proxy model would say of a request at its arrival: its output length times a log-normal error, drawn once per
request (SSJF, arXiv 2404.08509, is simulated so). Whole numbers of tokens: no float reaches the simulation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

PREDICTOR_STREAM = 200


def predicted_tokens(output_tokens: Sequence[int], sigma: float, seed: int) -> list[int]:
    """Per request ``output * exp(sigma * z)``, z standard normal, rounded, and at least 1 token.

    The error of a request depends on the seed and its id alone: neither on how many requests there are nor on any other
    random stream of that seed.
    """
    draws = np.random.Generator(np.random.PCG64([PREDICTOR_STREAM, seed])).standard_normal(len(output_tokens)).tolist()
    pairs = zip(output_tokens, draws, strict=True)
    return [max(1, round(tokens * math.exp(sigma * z))) for tokens, z in pairs]
