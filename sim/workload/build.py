"""Builds a scenario's workload for one seed.

``trace`` replays a recorded trace that ships, and only the lengths that the record lacks depend on the seed;
``lognormal`` draws arrivals and lengths anew for every seed from the same laws, so that a design can't profit from
having learnt one trace by heart; ``generated`` does so from any of the laws of :mod:`sim.workload.spec`; ``file``
replays the user's own.

Every random stream is a PCG64 seeded with (stream number, seed): adding a stream never shifts another one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sim.api import NS_PER_S
from sim.errors import SimError
from sim.workload.arrivals import check_drawn
from sim.workload.columns import Ints, Workload, make_workload
from sim.workload.generate import from_file, generate
from sim.workload.lengths import capped, draw_pairs
from sim.workload.spec import FileWorkload, GeneratedWorkload, LogNormalWorkload, TraceWorkload
from sim.workload.streams import GAPS, generator
from sim.workload.trace import load_trace

if TYPE_CHECKING:
    from sim.scenario import Scenario

__all__ = ["Workload", "build_workload", "make_workload"]


def build_workload(scenario: Scenario, seed: int) -> Workload:
    """The requests of ``scenario`` under ``seed``; raises SimError for a negative seed or a file that has changed."""
    if seed < 0:
        raise SimError(f"A seed is a whole number from 0 up, not {seed}.")
    match scenario.workload:
        case TraceWorkload() as spec:
            return _replay(spec, seed)
        case LogNormalWorkload() as spec:
            return _lognormal(spec, seed)
        case GeneratedWorkload() as spec:
            return generate(spec, seed)
        case FileWorkload() as spec:
            return from_file(spec, seed)


def _replay(spec: TraceWorkload, seed: int) -> Workload:
    trace = load_trace(spec.trace)
    missing = len(trace.arrival_ns) - len(trace.pairs)
    pairs = np.concatenate([trace.pairs, draw_pairs(trace.pairs, missing, seed)])
    return make_workload(
        trace.arrival_ns,
        pairs[:, 0],
        pairs[:, 1],
        content=trace.content,
        content_block_tokens=trace.content_block_tokens,
    )


def _lognormal(spec: LogNormalWorkload, seed: int) -> Workload:
    """Log-normal gaps with mean 1/rate: ``exp(mu + sigma * z)``, ``mu = -ln(rate) - sigma**2 / 2``; first at 0."""
    end_ns = round(spec.duration_s * NS_PER_S)
    mu = -math.log(spec.rate_rps) - spec.sigma**2 / 2
    draws = generator(GAPS, seed)
    arrivals, now_ns = [0], 0
    while now_ns < end_ns:
        check_drawn(len(arrivals), seed)
        for z in draws.standard_normal(size=1024).tolist():
            now_ns += round(math.exp(mu + spec.sigma * z) * NS_PER_S)
            if now_ns >= end_ns:
                break
            arrivals.append(now_ns)
    pairs: Ints = draw_pairs(load_trace(spec.lengths).pairs, len(arrivals), seed)
    prompts = capped(pairs[:, 0], spec.max_prompt_tokens)
    outputs = capped(pairs[:, 1], spec.max_output_tokens)
    return make_workload(np.array(arrivals, dtype=np.int64), prompts, outputs)
