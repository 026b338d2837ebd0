"""What a simulation yields: the per-request table, telemetry, the summary, and what identifies the run."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from sim.request import NEVER, Outcome
from sim.telemetry import Json, Telemetry

if TYPE_CHECKING:
    from sim.workload import Workload

OUTCOMES: tuple[Outcome, ...] = ("finished", "rejected", "unfinished")
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RequestTable:
    """One row per request in order of arrival. Times in ns, -1 for what did not happen; ``replica`` -1 if none.

    ``outcome`` indexes :data:`OUTCOMES`. ``finish_ns`` is when the request ended: also for a rejected one. ``restarts``
    are ``preemptions`` and ``crash_restarts``. ``replica`` is the last one, ``pool`` the place of its pool in the
    scenario; ``cached_tokens`` what the prefix cache gave at the first admission, -1 without
    one.
    """

    id: Ints
    arrival_ns: Ints
    routed_ns: Ints
    first_scheduled_ns: Ints
    first_token_ns: Ints
    finish_ns: Ints
    prompt_tokens: Ints
    output_tokens: Ints
    restarts: Ints
    replica: Ints
    outcome: Ints
    preemptions: Ints
    crash_restarts: Ints
    cached_tokens: Ints
    pool: Ints

    def __len__(self) -> int:
        return len(self.id)


class Ended(Protocol):
    """A request at the end of a run, in whichever engine."""

    id: int
    routed_ns: int
    first_scheduled_ns: int
    first_token_ns: int
    finish_ns: int
    restarts: int
    replica: int
    cached_tokens: int
    outcome: Outcome | None


def request_table(
    workload: Workload, requests: Sequence[Ended], crashes: Mapping[int, int], pool_of: Sequence[int]
) -> RequestTable:
    """The table of requests that have all ended, those of ``workload`` in its order. ``crashes``: restarts after
    crashes by request id; ``pool_of``: the place of every replica's pool."""

    def column(name: str) -> Ints:
        return np.fromiter(map(attrgetter(name), requests), dtype=np.int64, count=len(requests))

    code = {outcome: index for index, outcome in enumerate(OUTCOMES)}
    outcomes = [code[r.outcome] for r in requests if r.outcome is not None]
    restarts = column("restarts")
    crash_restarts = np.zeros_like(restarts)
    crash_restarts[list(crashes)] = list(crashes.values())
    replica = column("replica")
    return RequestTable(
        id=np.arange(len(requests), dtype=np.int64),
        arrival_ns=workload.arrival_ns,
        routed_ns=column("routed_ns"),
        first_scheduled_ns=column("first_scheduled_ns"),
        first_token_ns=column("first_token_ns"),
        finish_ns=column("finish_ns"),
        prompt_tokens=workload.prompt_tokens,
        output_tokens=workload.output_tokens,
        restarts=restarts,
        replica=replica,
        outcome=np.array(outcomes, dtype=np.int64),
        preemptions=restarts - crash_restarts,
        crash_restarts=crash_restarts,
        cached_tokens=column("cached_tokens"),
        pool=np.where(replica == NEVER, NEVER, np.array(pool_of, dtype=np.int64)[replica]),
    )


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a run was computed: a policy's own floating-point arithmetic may differ elsewhere."""

    python: str
    numpy: str
    machine: str
    byte_order: str


def this_environment() -> Environment:
    return Environment(platform.python_version(), np.__version__, platform.machine(), sys.byteorder)


@dataclass(frozen=True, slots=True)
class Result:
    """``summary`` has the keys of ``glia simulate --json`` for one seed, but for the wall-clock ones.

    ``decisions_sha256``: over (time ns, kind, and two numbers) of every decision in order, as little-endian int64 (see
    ``docs/simulator-rules.md``). ``workload_sha256``: of the workload (:mod:`sim.workload`).
    """

    requests: RequestTable
    telemetry: Telemetry
    summary: dict[str, Json]
    decisions_sha256: str
    workload_sha256: str
    environment: Environment
