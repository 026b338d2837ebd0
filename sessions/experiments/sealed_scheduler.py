"""A sealed design as the batch schedulers of the simulator's process: one process for the instances of all replicas.

What waits at a replica is mirrored in the design's process: a question tells only who left and who came. Of an order
the first few ids are sent, the others if admission gets that far; the design's process has then checked the whole
order as the engine would (:class:`sim.hooks.CheckedOrder`), which is to the design's own harm only where it cheats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sessions.experiments import wire
from sessions.experiments.sealed import SealedDesign
from sessions.experiments.sealed_views import placed_numbers
from sim.api import Engine, ReplicaRequest
from sim.hooks import CheckedOrder, SchedulerHooks


class SealedScheduler:
    """Makes the hooks of every replica's scheduler (:data:`sim.hooks.SchedulerFactory`). ``called``: for messages."""

    def __init__(self, design: SealedDesign, called: str) -> None:
        self._design = design
        self._called = called
        self._instances = 0

    def __call__(self, replica: int) -> SchedulerHooks:
        number = self._instances
        self._instances += 1
        (forms,) = self._design.ask(0, wire.MAKE, [number, replica], _nothing, 1)
        instance = _Instance(self._design, number)
        return SchedulerHooks(
            name=self._called,
            admit=instance.admit if forms & wire.ADMITS else None,
            chunk=instance.chunk if forms & wire.CHUNKS else None,
            victim=instance.victim if forms & wire.PICKS else None,
            wake_iterations=lambda: instance.wake,
        )


class _Instance:
    """One replica's scheduler. ``wake``: its ``wake_iterations`` when it was last asked whom to admit."""

    def __init__(self, design: SealedDesign, number: int) -> None:
        self._design = design
        self._number = number
        self._described = False
        self._waiting: list[int] = []
        """Ids of those that wait, as the design's process knows them."""
        self._restarts: dict[int, int] = {}
        self.wake: int | None = None

    def admit(self, waiting: Sequence[ReplicaRequest], engine: Engine) -> CheckedOrder:
        gone, before, behind = self._changes(waiting)
        numbers = [*self._moment(engine), len(gone), len(before), len(behind), *gone]
        numbers += placed_numbers(before)
        numbers += placed_numbers(behind)
        most = 2 + min(len(waiting), wire.FIRST_IDS)

        def serve(wanted: tuple[int, ...]) -> list[int]:
            return _of_engine(wanted, engine, waiting)

        wake, count, *first = self._design.ask(engine.now_ns, wire.ADMIT, numbers, serve, most)
        self.wake = wake or None
        if not len(first) <= count <= len(waiting):
            raise self._design.broke("sent an order that can't be one")
        return CheckedOrder(self._order(first, count, engine.now_ns))

    def chunk(self, request: ReplicaRequest, budget: int, engine: Engine) -> int:
        numbers = [*self._moment(engine), budget, engine.tokens_left, *placed_numbers([request])]

        def serve(wanted: tuple[int, ...]) -> list[int]:
            return _of_engine(wanted, engine, ())

        (tokens,) = self._design.ask(engine.now_ns, wire.CHUNK, numbers, serve, 1)
        return tokens

    def victim(self, candidates: Sequence[ReplicaRequest], engine: Engine) -> ReplicaRequest:
        last = candidates[-1]
        numbers = [*self._moment(engine), len(candidates), *placed_numbers([last])]

        def serve(wanted: tuple[int, ...]) -> list[int]:
            if wanted == (wire.CANDIDATES,):
                return placed_numbers(candidates)
            return _of_engine(wanted, engine, ())

        (chosen,) = self._design.ask(engine.now_ns, wire.VICTIM, numbers, serve, 1)
        if chosen == last.id:
            return last
        return next((request for request in candidates if request.id == chosen), _unknown(chosen))

    def _moment(self, engine: Engine) -> tuple[int, int, int, int]:
        if not self._described:
            self._described = True
            sizes = (engine.block_tokens, engine.kv_blocks_total, engine.watermark_blocks)
            limits = (engine.max_num_seqs, engine.token_budget)
            self._design.ask(engine.now_ns, wire.ENGINE, [self._number, *sizes, *limits], _nothing, 0)
        return self._number, engine.now_ns, engine.kv_blocks_used, engine.num_running

    def _order(self, first: list[int], count: int, now_ns: int) -> Iterator[int]:
        yield from first
        if count > len(first):
            rest = self._design.ask(now_ns, wire.MORE, [self._number], _nothing, count - len(first))
            if len(rest) != count - len(first):
                raise self._design.broke("sent an order that can't be one")
            yield from rest

    def _changes(
        self, waiting: Sequence[ReplicaRequest]
    ) -> tuple[list[int], Sequence[ReplicaRequest], Sequence[ReplicaRequest]]:
        """Who left the queue since the last question, and who came before and behind those that stayed.

        Requests join a queue at its end, or, preempted, at its front; one that was preempted since has left and come.
        """
        ids = _ids_of(waiting)
        known = self._waiting
        self._waiting = ids
        at_front = self._restarted(waiting)
        if not at_front and ids[: len(known)] == known:
            came = waiting[len(known) :]
            self._restarts.update((request.id, request.restarts) for request in came)
            return [], (), came
        front = set(ids[:at_front])
        here = set(ids)
        stayed = [number for number in known if number in here and number not in front]
        end = at_front + len(stayed)
        if ids[at_front:end] != stayed:
            stayed, at_front, end = [], 0, 0
        staying = set(stayed)
        gone = [number for number in known if number not in staying]
        for number in gone:
            self._restarts.pop(number, None)
        before, behind = waiting[:at_front], waiting[end:]
        self._restarts.update((request.id, request.restarts) for request in (*before, *behind))
        return gone, before, behind

    def _restarted(self, waiting: Sequence[ReplicaRequest]) -> int:
        """How many at the front of the queue were preempted since the last question."""
        for place in range(len(waiting)):
            request = waiting[place]
            if not request.restarts or self._restarts.get(request.id) == request.restarts:
                return place
        return len(waiting)


def _ids_of(waiting: Sequence[ReplicaRequest]) -> list[int]:
    """Their ids; without making the requests, where they are made one by one."""
    ids: Callable[[], list[int]] | None = getattr(waiting, "ids", None)
    return [request.id for request in waiting] if ids is None else ids()


def _of_engine(wanted: tuple[int, ...], engine: Engine, waiting: Sequence[ReplicaRequest]) -> list[int]:
    if wanted == (wire.ENGINE_RUNNING,):
        return placed_numbers(engine.running)
    if len(wanted) == 2 and wanted[0] == wire.ENGINE_CACHED:
        found = next((request for request in waiting if request.id == wanted[1]), None)
        return [engine.cached_tokens(_unknown(wanted[1]) if found is None else found)]
    raise wire.WireError("asked for a list that there is not")


def _nothing(_wanted: tuple[int, ...]) -> list[int]:
    raise wire.WireError("asked for a look at what it was not asked about")


def _unknown(request_id: int) -> ReplicaRequest:
    """Stands for an id that the engine itself is to refuse."""
    return ReplicaRequest(request_id, 0, 0, 0, 0)
