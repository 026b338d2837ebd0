"""Conversations: requests whose prompts contain what was said before, and the names of what they share.

The text of a conversation only grows, so its blocks are numbered once: those of its opening system prompt are common
to all that begin with it, the rest is its own. A request's content is the beginning of its conversation's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.api import NS_PER_S
from sim.workload.columns import Content, Ints
from sim.workload.lengths import draw_lengths
from sim.workload.spec import Lengths, Sessions
from sim.workload.streams import SYSTEM_PROMPTS, TURN_GAPS, TURNS, generator

_LONGEST_GAP_S = 1e6
_STEPS = 2**32


@dataclass(frozen=True, slots=True)
class Turns:
    """Requests in order of arrival; ``session`` numbers the conversations in order of their beginning."""

    arrival_ns: Ints
    prompt_tokens: Ints
    output_tokens: Ints
    session: Ints
    content: Content


def mean_turns(spec: Sessions) -> float:
    """Mean number of turns under ``max_turns``: sum over k of the probability of a k-th turn."""
    going_on = 1 - 1 / spec.mean_turns
    return sum(going_on**turn for turn in range(spec.max_turns))


def converse(begins_ns: Ints, lengths: Lengths, spec: Sessions, end_ns: int, seed: int) -> Turns:
    """The turns before ``end_ns`` of the conversations that begin at ``begins_ns``."""
    turns = _turn_counts(len(begins_ns), spec, seed)
    session = np.repeat(np.arange(len(begins_ns)), turns)
    first = np.repeat(np.cumsum(turns) - turns, turns)
    new, output = draw_lengths(lengths, len(session), seed)
    gaps = _turn_gaps(len(session), spec, seed)
    is_first = np.arange(len(session)) == first
    arrival = begins_ns[session] + _running_sum(np.where(is_first, 0, gaps), first)
    said = _running_sum(new + output, first)
    opening = _openings(len(begins_ns), spec, seed)
    total = said + (spec.system_prompt_tokens if spec.system_prompts else 0)
    keep = (total <= spec.max_context_tokens) & (arrival < end_ns)
    order = np.lexsort((session[keep], arrival[keep]))
    session, total, output, arrival = (column[keep][order] for column in (session, total, output, arrival))
    content = _content(session, total // spec.content_block_tokens, opening, spec)
    return Turns(arrival, total - output, output, session, content)


def _turn_counts(count: int, spec: Sessions, seed: int) -> Ints:
    """Geometric from 1 up, by comparing integers: a conversation goes on after a turn with probability 1 - 1/mean."""
    drawn = generator(TURNS, seed).geometric(1 / spec.mean_turns, size=count)
    return np.minimum(drawn, spec.max_turns).astype(np.int64)


def _turn_gaps(count: int, spec: Sessions, seed: int) -> Ints:
    """Whole milliseconds: what ``exp`` does to a last bit on another machine is rounded away."""
    draws = generator(TURN_GAPS, seed).standard_normal(count)
    seconds = np.minimum(spec.turn_gap_median_s * np.exp(spec.turn_gap_sigma * draws), _LONGEST_GAP_S)
    milliseconds: Ints = np.rint(seconds * 1000).astype(np.int64)
    return milliseconds * (NS_PER_S // 1000)


def _running_sum(values: Ints, first: Ints) -> Ints:
    """Sums of the conversation so far; ``first``: place of every value's conversation's first value."""
    sums = np.cumsum(values)
    return sums - sums[first] + values[first]


def _openings(count: int, spec: Sessions, seed: int) -> Ints:
    """Which system prompt every conversation begins with; Zipf-like weights, rounded to integers once."""
    if not spec.system_prompts:
        return np.zeros(count, dtype=np.int64)
    weights = [rank**-spec.system_prompt_zipf for rank in range(1, spec.system_prompts + 1)]
    whole = sum(weights)
    edges = np.cumsum(np.array([round(weight / whole * _STEPS) for weight in weights], dtype=np.int64))
    draws = generator(SYSTEM_PROMPTS, seed).integers(0, int(edges[-1]), size=count)
    return np.searchsorted(edges, draws, side="right")


def _content(session: Ints, blocks: Ints, opening: Ints, spec: Sessions) -> Content:
    """Ids count from 0: first the blocks of the system prompts, then every conversation's own."""
    shared = spec.system_prompt_tokens // spec.content_block_tokens if spec.system_prompts else 0
    longest = np.zeros(len(opening), dtype=np.int64)
    np.maximum.at(longest, session, blocks)
    own = np.maximum(longest - shared, 0)
    begins = spec.system_prompts * shared + np.cumsum(own) - own
    whole: list[tuple[int, ...]] = [
        (*range(which * shared, (which + 1) * shared), *range(begin, begin + count))
        for which, begin, count in zip(opening.tolist(), begins.tolist(), own.tolist(), strict=True)
    ]
    return tuple([whole[which][:count] for which, count in zip(session.tolist(), blocks.tolist(), strict=True)])
