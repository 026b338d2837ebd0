"""Draws how long prompts and outputs are, in whole tokens from 1 up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.workload.columns import Ints
from sim.workload.recorded import load_pairs
from sim.workload.spec import Lengths, LogNormalLengths, PairLengths, QuantileLengths
from sim.workload.streams import LENGTHS, OUTPUTS, generator

LONGEST_TOKENS = 10_000_000
"""No model reads more; a log-normal tail is cut here."""

_STEPS = 2**32


def draw_pairs(pairs: Ints, count: int, seed: int) -> Ints:
    """``count`` of the (prompt, output) pairs with replacement: int64[count, 2]."""
    return pairs[generator(LENGTHS, seed).integers(0, len(pairs), size=count)]


def capped(tokens: Ints, most: int | None) -> Ints:
    return tokens if most is None else np.minimum(tokens, most)


def draw_lengths(law: Lengths, count: int, seed: int) -> tuple[Ints, Ints]:
    """Prompt and output tokens of ``count`` requests."""
    match law:
        case PairLengths():
            pairs = draw_pairs(load_pairs(law.source), count, seed)
            prompts, outputs = pairs[:, 0], pairs[:, 1]
        case QuantileLengths():
            prompts = _by_quantiles(law.prompt_quantiles, count, LENGTHS, seed)
            outputs = _by_quantiles(law.output_quantiles, count, OUTPUTS, seed)
        case LogNormalLengths():
            prompts = _log_normal(law.prompt_median_tokens, law.prompt_sigma, count, LENGTHS, seed)
            outputs = _log_normal(law.output_median_tokens, law.output_sigma, count, OUTPUTS, seed)
    return capped(prompts, law.max_prompt_tokens), capped(outputs, law.max_output_tokens)


def _by_quantiles(rows: Sequence[tuple[float, int]], count: int, stream: int, seed: int) -> Ints:
    """Inverse of the piecewise linear distribution function, in integers but for one IEEE division."""
    shares = np.array([round(share * _STEPS) for share, _ in rows], dtype=np.int64)
    tokens = np.array([tokens for _, tokens in rows], dtype=np.int64)
    draws = generator(stream, seed).integers(0, _STEPS, size=count)
    piece = np.clip(np.searchsorted(shares, draws, side="right") - 1, 0, len(rows) - 2)
    width = np.maximum(np.diff(shares), 1)
    into = (draws - shares[piece]) * np.diff(tokens)[piece] / width[piece]
    return np.maximum(tokens[piece] + np.rint(into).astype(np.int64), 1)


def _log_normal(median: float, sigma: float, count: int, stream: int, seed: int) -> Ints:
    """A last bit of ``exp`` that differs between machines moves a whole token once in some 10**12 draws."""
    draws = generator(stream, seed).standard_normal(count)
    tokens = median * np.exp(np.minimum(sigma * draws, 50.0))
    return np.rint(np.clip(tokens, 1, LONGEST_TOKENS)).astype(np.int64)
