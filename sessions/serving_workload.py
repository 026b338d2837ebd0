"""The requests of one evaluation, for :mod:`sessions.serving`: the scenario's own, or those of a trace file."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sessions.errors import SessionError
from sessions.playground import Job

if TYPE_CHECKING:
    from sim.scenario import Scenario
    from sim.workload import Workload
    from sim.workload.spec import Arrivals, Shape


def workload_of(job: Job, scenario: Scenario) -> tuple[Workload, str]:
    """The requests, and a remark on what had to be done to a trace file. Raises :class:`SessionError`."""
    from sim.errors import SimError
    from sim.workload import build_workload

    try:
        if job.trace is None:
            return build_workload(scenario, job.seed), ""
        replaced, remark = _with_trace(scenario, *job.trace)
        return build_workload(replaced, job.seed), remark
    except SimError as error:
        raise SessionError(str(error)) from error


def _with_trace(scenario: Scenario, path: str, form: str) -> tuple[Scenario, str]:
    """The scenario with the file's requests, in its own classes. A file without times takes its arrivals too."""
    from sim.workload import load_workload
    from sim.workload.spec import FileWorkload, GeneratedWorkload

    trace = load_workload(path, form or None)
    block_tokens = scenario.cluster.block_tokens
    if trace.blocks is not None and trace.block_tokens % block_tokens:
        raise SessionError(
            f"{path} names prefixes of {trace.block_tokens} tokens, which isn't a multiple of the {block_tokens} of a "
            "KV block; set cluster.block_tokens to one that divides it."
        )
    arrivals, shape, notes = None, None, list(trace.notes)
    if trace.arrival_ns is None:
        arrivals, shape = _drawn_arrivals(scenario, path)
        notes.append(f"it states no times, so requests arrive as in {scenario.name}")
    own = scenario.workload
    classes = own.classes if isinstance(own, GeneratedWorkload | FileWorkload) else ()
    if classes:
        notes.append(f"it states no tiers, so requests have those of {scenario.name}")
    spec = FileWorkload(path, trace.format, trace.sha256, arrivals=arrivals, shape=shape, classes=classes)
    remark = f"{path}: {'; '.join(notes)}." if notes else ""
    return dataclasses.replace(scenario, workload=spec), remark


def _drawn_arrivals(scenario: Scenario, path: str) -> tuple[Arrivals, Shape | None]:
    """The law by which the scenario's requests arrive."""
    from sim.workload.spec import FileWorkload, GeneratedWorkload, LogNormalArrivals, LogNormalWorkload

    match scenario.workload:
        case GeneratedWorkload() as own:
            return own.arrivals, own.shape
        case LogNormalWorkload() as own:
            return LogNormalArrivals(own.rate_rps, own.duration_s, own.sigma), None
        case FileWorkload(arrivals=law, shape=shape) if law is not None:
            return law, shape
        case _:
            raise SessionError(
                f"{path} states no times, and {scenario.name} replays those of its own requests; take a scenario whose "
                "arrivals are drawn, for example smoke."
            )
