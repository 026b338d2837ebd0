"""Builds a scenario's workload for one seed.

Two kinds: ``trace`` replays a recorded trace, and only the lengths that the record lacks depend on the seed;
``lognormal`` draws arrivals and lengths anew for every seed from the same laws, so that a design can't profit from
having learnt one trace by heart.

Every random stream is a PCG64 seeded with (stream number, seed): adding a stream never shifts another one.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.api import NS_PER_S
from sim.errors import SimError
from sim.workload.trace import load_trace

if TYPE_CHECKING:
    from sim.scenario import LogNormalWorkload, Scenario, TraceWorkload

GAPS_STREAM = 1
LENGTHS_STREAM = 2
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Workload:
    """n requests in order of arrival: int64[n] each; ``sha256`` over the columns that are there, little-endian.

    ``priority`` (lower is more urgent), ``session`` (-1: none) and ``ttft_slo_ns`` (-1: none) are None if no request
    has one. ``content``: per request the ids of the full blocks of ``content_block_tokens`` tokens of its prompt and
    output; an id stands for its block and all before it (see docs/simulator-rules.md, Prefix caching).
    """

    arrival_ns: Ints
    prompt_tokens: Ints
    output_tokens: Ints
    sha256: str
    priority: Ints | None = None
    session: Ints | None = None
    ttft_slo_ns: Ints | None = None
    content: tuple[tuple[int, ...], ...] | None = None
    content_block_tokens: int = 0

    def __len__(self) -> int:
        return len(self.arrival_ns)


def make_workload(arrival_ns: Ints, prompt_tokens: Ints, output_tokens: Ints) -> Workload:
    """A workload of the given columns, with its digest. Raises ValueError for columns that make no workload."""
    columns = [np.ascontiguousarray(c, dtype="<i8") for c in (arrival_ns, prompt_tokens, output_tokens)]
    if len({len(column) for column in columns}) != 1:
        raise ValueError("The columns of a workload must have the same length.")
    if any(len(column) and column.min() < low for column, low in zip(columns, (0, 1, 1), strict=True)):
        raise ValueError("Arrivals must not be negative, and every request needs prompt and output tokens.")
    if np.any(np.diff(columns[0]) < 0):
        raise ValueError("Requests must be in order of arrival.")
    digest = hashlib.sha256(len(columns[0]).to_bytes(8, "little"))
    for column in columns:
        digest.update(column.tobytes())
    arrival, prompt, output = (column.astype(np.int64) for column in columns)
    return Workload(arrival, prompt, output, digest.hexdigest())


def build_workload(scenario: Scenario, seed: int) -> Workload:
    """The requests of ``scenario`` under ``seed``; raises SimError for a negative seed."""
    from sim.scenario import TraceWorkload

    if seed < 0:
        raise SimError(f"A seed is a whole number from 0 up, not {seed}.")
    spec = scenario.workload
    if isinstance(spec, TraceWorkload):
        return _replay(spec, seed)
    return _lognormal(spec, seed)


def _generator(stream: int, seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([stream, seed]))


def _draw_pairs(pairs: Ints, count: int, seed: int) -> Ints:
    """``count`` (prompt, output) pairs with replacement: int64[count, 2]."""
    picks = _generator(LENGTHS_STREAM, seed).integers(0, len(pairs), size=count)
    return pairs[picks]


def _replay(spec: TraceWorkload, seed: int) -> Workload:
    trace = load_trace(spec.trace)
    missing = len(trace.arrival_ns) - len(trace.pairs)
    pairs = np.concatenate([trace.pairs, _draw_pairs(trace.pairs, missing, seed)])
    return make_workload(trace.arrival_ns, pairs[:, 0], pairs[:, 1])


def _lognormal(spec: LogNormalWorkload, seed: int) -> Workload:
    """Log-normal gaps with mean 1/rate: ``exp(mu + sigma * z)``, ``mu = -ln(rate) - sigma**2 / 2``; first at 0."""
    end_ns = round(spec.duration_s * NS_PER_S)
    mu = -math.log(spec.rate_rps) - spec.sigma**2 / 2
    generator = _generator(GAPS_STREAM, seed)
    arrivals, now_ns = [0], 0
    while now_ns < end_ns:
        for z in generator.standard_normal(size=1024).tolist():
            now_ns += round(math.exp(mu + spec.sigma * z) * NS_PER_S)
            if now_ns >= end_ns:
                break
            arrivals.append(now_ns)
    pairs = _draw_pairs(load_trace(spec.lengths).pairs, len(arrivals), seed)
    prompts = _capped(pairs[:, 0], spec.max_prompt_tokens)
    outputs = _capped(pairs[:, 1], spec.max_output_tokens)
    return make_workload(np.array(arrivals, dtype=np.int64), prompts, outputs)


def _capped(tokens: Ints, most: int | None) -> Ints:
    return tokens if most is None else np.minimum(tokens, most)
