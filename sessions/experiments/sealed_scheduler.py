"""A sealed design as the batch schedulers of the simulator's process: one process for the instances of all replicas.

What waits at a replica is mirrored in the design's process: a question tells only who left and who came
(:class:`sim.lazy.QueueChanges`). Of an order the first few ids are sent, the others if admission gets that far; the
design's process has then checked the whole order as the engine would, which where it cheats is to its own harm only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sessions.experiments import wire
from sessions.experiments.sealed import SealedDesign, nothing
from sessions.experiments.sealed_views import placed_numbers
from sim.api import Engine, ReplicaRequest
from sim.hooks import CheckedOrder, SchedulerHooks
from sim.lazy import WaitingRequests


class SealedScheduler:
    """Makes the hooks of every replica's scheduler (:data:`sim.hooks.SchedulerFactory`). ``called``: for messages."""

    def __init__(self, design: SealedDesign, called: str) -> None:
        self._design = design
        self._called = called
        self._instances = 0

    def __call__(self, replica: int) -> SchedulerHooks:
        number = self._instances
        self._instances += 1
        (forms,) = self._design.ask(0, wire.MAKE, [number, replica], nothing, 1, 1)
        instance = _Instance(self._design, number)
        return SchedulerHooks(
            name=self._called,
            admit=instance.admit if forms & wire.ADMITS else None,
            chunk=instance.chunk if forms & wire.CHUNKS else None,
            victim=instance.victim if forms & wire.PICKS else None,
            wake_iterations=instance.wake_iterations,
        )


class _Instance:
    """One replica's scheduler."""

    def __init__(self, design: SealedDesign, number: int) -> None:
        self._design = design
        self._number = number
        self._described = False
        self._wake: int | None = None
        """Its ``wake_iterations`` when it was last asked whom to admit."""

    def wake_iterations(self) -> int | None:
        return self._wake

    def admit(self, waiting: Sequence[ReplicaRequest], engine: Engine) -> CheckedOrder:
        gone, before, behind = _changes(waiting)
        numbers = [*self._moment(engine), len(gone), len(before), len(behind), *gone]
        if before:
            numbers += placed_numbers(before)
        if behind:
            numbers += placed_numbers(behind)

        def serve(wanted: tuple[int, ...]) -> Sequence[int]:
            return _of_engine(wanted, engine, waiting)

        answer = self._design.ask(engine.now_ns, wire.ADMIT, numbers, serve, 2, 2 + wire.FIRST_IDS)
        if not answer[1] <= len(waiting) or len(answer) - 2 != min(answer[1], wire.FIRST_IDS):
            raise self._design.broke("sent an order of others than those that wait")
        self._wake = answer[0] or None
        return CheckedOrder(self._order(answer, engine.now_ns))

    def chunk(self, request: ReplicaRequest, budget: int, engine: Engine) -> int:
        numbers = [*self._moment(engine), budget, engine.tokens_left, *placed_numbers([request])]

        def serve(wanted: tuple[int, ...]) -> Sequence[int]:
            return _of_engine(wanted, engine, ())

        return self._design.ask(engine.now_ns, wire.CHUNK, numbers, serve, 1, 1)[0]

    def victim(self, candidates: Sequence[ReplicaRequest], engine: Engine) -> ReplicaRequest:
        last = candidates[-1]
        numbers = [*self._moment(engine), len(candidates), *placed_numbers([last])]

        def serve(wanted: tuple[int, ...]) -> Sequence[int]:
            return placed_numbers(candidates) if wanted == (wire.CANDIDATES,) else _of_engine(wanted, engine, ())

        (chosen,) = self._design.ask(engine.now_ns, wire.VICTIM, numbers, serve, 1, 1)
        return last if chosen == last.id else _unknown(chosen)

    def _moment(self, engine: Engine) -> tuple[int, int, int, int]:
        if not self._described:
            self._described = True
            sizes = (engine.block_tokens, engine.kv_blocks_total, engine.watermark_blocks)
            limits = (engine.max_num_seqs, engine.token_budget)
            self._design.ask(engine.now_ns, wire.ENGINE, [self._number, *sizes, *limits], nothing, 0, 0)
        return self._number, engine.now_ns, engine.kv_blocks_used, engine.num_running

    def _order(self, answer: tuple[int, ...], now_ns: int) -> Iterator[int]:
        yield from answer[2:]
        rest = answer[1] - (len(answer) - 2)
        if rest > 0:
            yield from self._design.ask(now_ns, wire.MORE, [self._number], nothing, rest, rest)


def _changes(
    waiting: Sequence[ReplicaRequest],
) -> tuple[Sequence[int], Sequence[ReplicaRequest], Sequence[ReplicaRequest]]:
    """The ids of those that left, and who came before and behind those that stayed; a lone -1: all have left."""
    if not isinstance(waiting, WaitingRequests):
        return [-1], (), waiting
    changes = waiting.changes
    gone = [-1] if changes.all else changes.gone
    before = [request.as_waiting() for request in reversed(changes.before)]
    return gone, before, [request.as_waiting() for request in changes.behind]


def _of_engine(wanted: tuple[int, ...], engine: Engine, waiting: Sequence[ReplicaRequest]) -> Sequence[int]:
    if wanted == (wire.ENGINE_RUNNING,):
        return placed_numbers(engine.running)
    if len(wanted) == 2 and wanted[0] == wire.ENGINE_CACHED:
        found = next((request for request in waiting if request.id == wanted[1]), None)
        return [engine.cached_tokens(_unknown(wanted[1]) if found is None else found)]
    raise wire.WireError("asked for a list that there is not")


def _unknown(request_id: int) -> ReplicaRequest:
    """Stands for an id; whether there is such a request is the engine's to judge."""
    return ReplicaRequest(request_id, 0, 0, 0, 0)
