"""What can't be in a scenario's workload although every value is possible by itself; names that must exist.

Every complaint is one sentence that names the field and what to do; the caller puts the file before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from sim.errors import ScenarioError
from sim.workload.arrivals import expected_requests
from sim.workload.loaders import LoadedTrace, load_workload
from sim.workload.loaders.rows import LATEST_NS
from sim.workload.recorded import load_counts, load_pairs
from sim.workload.sessions import mean_turns
from sim.workload.spec import (
    Arrivals,
    FileWorkload,
    GeneratedWorkload,
    Lengths,
    LogNormalWorkload,
    MmppArrivals,
    PairLengths,
    ProfileShape,
    QuantileLengths,
    ReplayArrivals,
    Sessions,
    Shape,
    StepsShape,
    TraceWorkload,
    WorkloadSpec,
)
from sim.workload.tables import FileTable, WorkloadTable
from sim.workload.trace import load_trace

MAX_REQUESTS = 10_000_000
"""Most requests that a drawn workload may have on average: more don't fit the memory of one evaluation."""

MAX_PIECES = 1_000_000
"""Most changes of the rate of arrivals."""

MAX_CONTENT_IDS = 200_000_000
"""The same for the blocks that conversations name."""


def workload_spec(table: WorkloadTable, folder: Path, block_tokens: int, metric: str) -> WorkloadSpec:
    """The workload that ``[workload]`` asks for, checked. Raises ScenarioError, without the file's name.

    ``folder``: where a trace file's relative path begins. ``block_tokens``: of the cluster; ``metric``: to minimise.
    """
    if isinstance(table, FileTable):
        trace = load_workload(str(folder / table.path), table.format)
        spec = table.spec(trace)
        _check_file(table, trace, block_tokens)
    else:
        spec = table.spec()
    _check(spec, block_tokens)
    if _most_output_tokens(spec) == 1 and metric.startswith("tpot_s."):
        raise ScenarioError(
            "scenario.metric: no request has a second output token (workload.max_output_tokens = 1), so "
            f"{metric} is undefined; choose another metric or raise the limit."
        )
    return spec


def _check(spec: WorkloadSpec, block_tokens: int) -> None:
    match spec:
        case TraceWorkload():
            load_trace(spec.trace)
        case LogNormalWorkload():
            load_trace(spec.lengths)
            _check_count(spec.rate_rps * spec.duration_s, "workload.duration_s")
        case GeneratedWorkload():
            _check_arrivals(spec.arrivals, spec.shape)
            _check_lengths(spec.lengths)
            if spec.sessions is not None:
                _check_sessions(spec.sessions, spec, block_tokens)
        case FileWorkload():
            if spec.arrivals is not None:
                _check_arrivals(spec.arrivals, spec.shape)


def _check_file(table: FileTable, trace: LoadedTrace, block_tokens: int) -> None:
    if trace.arrival_ns is None and table.arrivals is None:
        raise ScenarioError(
            f"workload.path: {table.path} ({trace.format}) states no times; add [workload.arrivals], for example "
            'process = "poisson" with rate_rps and duration_s.'
        )
    if table.shape is not None and table.arrivals is None:
        raise ScenarioError(
            "workload.shape: the file's own times have their shape; remove it, or add [workload.arrivals]."
        )
    if table.rate_scale != 1 and table.arrivals is not None:
        raise ScenarioError(
            "workload.rate_scale: speeds up the file's own times, and [workload.arrivals] takes their place; remove "
            "one of the two."
        )
    latest = 0 if trace.arrival_ns is None else int(trace.arrival_ns[: table.limit].max())
    if table.arrivals is None and latest / table.rate_scale > LATEST_NS:
        raise ScenarioError(
            f"workload.rate_scale: at {table.rate_scale:g} times its pace, {table.path} lasts longer than 31 years; "
            "raise it."
        )
    if trace.block_tokens % block_tokens and table.arrivals is None:
        raise ScenarioError(
            f"cluster.block_tokens: {table.path} names prefixes of {trace.block_tokens} tokens, which isn't a multiple "
            f"of {block_tokens}; choose one that divides it."
        )


def _check_count(requests: float, field: str) -> None:
    if requests > MAX_REQUESTS:
        raise ScenarioError(
            f"{field}: {requests:,.0f} requests on average are more than {MAX_REQUESTS:,} requests; lower it or the "
            "rate."
        )


def _check_arrivals(arrivals: Arrivals, shape: Shape | None) -> None:
    if isinstance(arrivals, ReplayArrivals):
        if shape is not None:
            raise ScenarioError("workload.shape: a replay has the shape that was recorded; remove one of the two.")
        recorded = len(load_counts(arrivals.trace))
        if arrivals.start_s is not None and arrivals.start_s >= recorded:
            raise ScenarioError(
                f"workload.arrivals.start_s: the record {arrivals.trace!r} has {recorded:,} s; lower it."
            )
    else:
        _check_count(arrivals.rate_rps * arrivals.duration_s, "workload.arrivals.duration_s")
    _check_shape(shape, arrivals.duration_s)
    if isinstance(arrivals, MmppArrivals):
        _check_pieces(arrivals.duration_s / (arrivals.mean_burst_s + arrivals.mean_calm_s), "arrivals.mean_calm_s")
    _check_count(expected_requests(arrivals, shape), "workload.arrivals.duration_s")


def _check_pieces(count: float, key: str) -> None:
    if count > MAX_PIECES:
        raise ScenarioError(
            f"workload.{key}: the rate would change more than {MAX_PIECES:,} times; raise it or lower the duration."
        )


def _check_shape(shape: Shape | None, duration_s: float) -> None:
    if isinstance(shape, ProfileShape):
        _check_pieces(duration_s / shape.period_s * len(shape.weights), "shape.period_s")
    match shape:
        case ProfileShape() if not any(shape.weights):
            raise ScenarioError("workload.shape.weights: all are 0, so nothing would arrive; raise one.")
        case StepsShape():
            times = [at_s for at_s, _ in shape.steps]
            if any(first >= second for first, second in pairwise(times)):
                raise ScenarioError("workload.shape.steps: times must rise; order the steps.")
        case _:
            pass


def _check_lengths(lengths: Lengths) -> None:
    match lengths:
        case PairLengths():
            load_pairs(lengths.source)
        case QuantileLengths():
            _check_quantiles(lengths.prompt_quantiles, "prompt_quantiles")
            _check_quantiles(lengths.output_quantiles, "output_quantiles")
        case _:
            pass


def _check_quantiles(rows: Sequence[tuple[float, int]], key: str) -> None:
    shares, tokens = [share for share, _ in rows], [count for _, count in rows]
    if (shares[0], shares[-1]) != (0, 1) or any(first >= second for first, second in pairwise(shares)):
        raise ScenarioError(f"workload.lengths.{key}: shares must rise from 0 to 1: [[0, 10], [0.5, 120], [1, 900]].")
    if tokens[0] < 1 or any(first > second for first, second in pairwise(tokens)):
        raise ScenarioError(f"workload.lengths.{key}: tokens must be 1 or more and not fall from a row to the next.")


def _check_sessions(talk: Sessions, spec: GeneratedWorkload, block_tokens: int) -> None:
    if isinstance(spec.arrivals, ReplayArrivals):
        raise ScenarioError(
            "workload.sessions: recorded arrivals are of requests, not of conversations; choose another "
            "workload.arrivals.process."
        )
    if talk.system_prompt_tokens >= talk.max_context_tokens:
        raise ScenarioError(
            f"workload.sessions.max_context_tokens: {talk.max_context_tokens} tokens leave nothing behind a system "
            f"prompt of {talk.system_prompt_tokens}; raise it."
        )
    if bool(talk.system_prompts) != bool(talk.system_prompt_tokens):
        key = "system_prompt_tokens" if talk.system_prompts else "system_prompts"
        raise ScenarioError(f"workload.sessions.{key}: system prompts need both a number and tokens; state it.")
    if talk.content_block_tokens % block_tokens:
        raise ScenarioError(
            f"workload.sessions.content_block_tokens: {talk.content_block_tokens} isn't a multiple of "
            f"cluster.block_tokens {block_tokens}; choose one."
        )
    requests = expected_requests(spec.arrivals, spec.shape) * max(1.0, talk.mean_turns / mean_turns(talk))
    if requests * talk.max_context_tokens / talk.content_block_tokens > MAX_CONTENT_IDS:
        raise ScenarioError(
            f"workload.sessions.content_block_tokens: {requests:,.0f} requests of up to {talk.max_context_tokens:,} "
            "tokens may name more blocks than fit memory; raise it, or lower max_context_tokens or the duration."
        )


def _most_output_tokens(spec: WorkloadSpec) -> int | None:
    match spec:
        case LogNormalWorkload() | FileWorkload():
            return spec.max_output_tokens
        case GeneratedWorkload():
            return spec.lengths.max_output_tokens
        case TraceWorkload():
            return None
