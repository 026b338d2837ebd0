"""Puts a generated workload together, and one that comes from a file: arrivals, lengths, sessions, classes."""

from __future__ import annotations

import numpy as np

from sim.api import NO_SLO, NS_PER_S
from sim.errors import SimError
from sim.workload.arrivals import draw_arrivals
from sim.workload.columns import Content, Ints, Workload, make_workload
from sim.workload.lengths import capped, draw_lengths, draw_pairs
from sim.workload.loaders import LoadedTrace, load_workload
from sim.workload.prefixes import PrefixNames
from sim.workload.sessions import converse, mean_turns
from sim.workload.spec import FileWorkload, GeneratedWorkload, SloClass
from sim.workload.streams import CLASSES, generator

_STEPS = 2**32


def generate(spec: GeneratedWorkload, seed: int) -> Workload:
    """Conversations begin at ``rate / mean turns``, so that requests come at about the rate."""
    talk = spec.sessions
    if talk is None:
        arrival = _some(draw_arrivals(spec.arrivals, spec.shape, seed), seed)
        prompt, output = draw_lengths(spec.lengths, len(arrival), seed)
        priority, slo = _classes(spec.classes, np.arange(len(arrival)), seed)
        return make_workload(arrival, prompt, output, priority=priority, ttft_slo_ns=slo)
    begins = draw_arrivals(spec.arrivals, spec.shape, seed, thinner=mean_turns(talk))
    turns = converse(begins, spec.lengths, talk, round(spec.arrivals.duration_s * NS_PER_S), seed)
    _some(turns.arrival_ns, seed)
    priority, slo = _classes(spec.classes, turns.session, seed)
    return make_workload(
        turns.arrival_ns,
        turns.prompt_tokens,
        turns.output_tokens,
        priority=priority,
        session=turns.session,
        ttft_slo_ns=slo,
        content=turns.content,
        content_block_tokens=talk.content_block_tokens,
    )


def from_file(spec: FileWorkload, seed: int) -> Workload:
    """The file's requests, or its lengths under drawn arrivals. Raises SimError if it changed since it was checked."""
    trace = load_workload(spec.path, spec.format)
    if trace.sha256 != spec.sha256:
        raise SimError(f"{spec.path} has changed since the scenario was read; start again.")
    pairs = np.stack([trace.prompt_tokens, trace.output_tokens], axis=1)
    if spec.arrivals is not None:
        arrival = _some(draw_arrivals(spec.arrivals, spec.shape, seed)[: spec.limit], seed)
        pairs, recorded = draw_pairs(pairs, len(arrival), seed), False
    elif trace.arrival_ns is None:
        raise SimError(f"{spec.path} states no arrivals; add [workload.arrivals].")
    else:
        arrival = (trace.arrival_ns[: spec.limit] / spec.rate_scale).astype(np.int64)
        pairs, recorded = pairs[: spec.limit], True
    prompt, output = capped(pairs[:, 0], spec.max_prompt_tokens), capped(pairs[:, 1], spec.max_output_tokens)
    content = _recorded_content(trace, prompt, output) if recorded else None
    priority, slo = _classes(spec.classes, np.arange(len(arrival)), seed)
    return make_workload(
        arrival,
        prompt,
        output,
        priority=priority,
        session=trace.session[: spec.limit] if recorded and trace.session is not None else None,
        ttft_slo_ns=slo,
        content=content,
        content_block_tokens=0 if content is None else trace.block_tokens,
    )


def _recorded_content(trace: LoadedTrace, prompt: Ints, output: Ints) -> Content | None:
    """What the requests share, of the first ones and of what a cap has left of them."""
    if trace.blocks is None:
        return None
    names = PrefixNames(trace.block_tokens)
    rows = zip(trace.blocks, prompt.tolist(), output.tolist(), strict=False)
    return tuple([names.content(*row) for row in rows])


def _some(arrival_ns: Ints, seed: int) -> Ints:
    if not len(arrival_ns):
        raise SimError(
            f"Seed {seed} draws no request; raise the rate or workload.arrivals.duration_s, or, with conversations, "
            "workload.sessions.max_context_tokens."
        )
    return arrival_ns


def _classes(classes: tuple[SloClass, ...], of: Ints, seed: int) -> tuple[Ints | None, Ints | None]:
    """Priority and promised TTFT of every request; one draw for each number in ``of`` (sessions stay in a class)."""
    if not classes:
        return None, None
    whole = sum(tier.share for tier in classes)
    edges = np.cumsum([round(tier.share / whole * _STEPS) for tier in classes])
    count = int(of.max()) + 1 if len(of) else 0
    draws = generator(CLASSES, seed).integers(0, int(edges[-1]), size=count)
    tier = np.searchsorted(edges, draws, side="right")[of]
    slos = [NO_SLO if one.ttft_slo_s is None else round(one.ttft_slo_s * NS_PER_S) for one in classes]
    return np.array([one.priority for one in classes], dtype=np.int64)[tier], np.array(slos, dtype=np.int64)[tier]
