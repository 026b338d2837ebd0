"""The batch schedulers of all replicas in the process of a sealed design: questions, mirrors of the queues, answers.

Standard library only; loaded by path in the design's process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import overload

from sessions.experiments import wire
from sessions.experiments.design_source import DesignError
from sessions.experiments.design_views import Link, placed, sendable
from sim.adapt.loading import short
from sim.adapt.scheduler import load_scheduler
from sim.api import NS_PER_S, ReplicaRequest
from sim.hooks import SchedulerHooks

_MOMENT = 4


class EngineView:
    """One replica in the middle of composing an iteration (:class:`sim.api.Engine`)."""

    __slots__ = ("_limits", "_link", "_now_ns", "_num_running", "_replica", "_running", "_tokens_left", "_used")

    def __init__(self, replica: int, link: Link) -> None:
        self._replica = replica
        self._link = link
        self._limits: tuple[int, ...] = ()
        self._running: tuple[ReplicaRequest, ...] | None = None

    def _at(self, now_ns: int, used: int, num_running: int) -> None:
        self._now_ns = now_ns
        self._used = used
        self._num_running = num_running
        self._running = None
        self._tokens_left = self._limits[4]

    @property
    def now_ns(self) -> int:
        return self._now_ns

    @property
    def now_s(self) -> float:
        return self._now_ns / NS_PER_S

    @property
    def replica(self) -> int:
        return self._replica

    @property
    def block_tokens(self) -> int:
        return self._limits[0]

    @property
    def kv_blocks_total(self) -> int:
        return self._limits[1]

    @property
    def kv_blocks_used(self) -> int:
        return self._used

    @property
    def watermark_blocks(self) -> int:
        return self._limits[2]

    @property
    def max_num_seqs(self) -> int:
        return self._limits[3]

    @property
    def token_budget(self) -> int:
        return self._limits[4]

    @property
    def tokens_left(self) -> int:
        return self._tokens_left

    @property
    def num_running(self) -> int:
        return self._num_running

    @property
    def running(self) -> Sequence[ReplicaRequest]:
        if self._running is None:
            self._running = placed(self._link.want(wire.ENGINE_RUNNING)) if self._num_running else ()
        return self._running

    def cached_tokens(self, request: ReplicaRequest) -> int:
        return self._link.want(wire.ENGINE_CACHED, sendable(request.id))[0]


class Candidates(Sequence[ReplicaRequest]):
    """Those of whom one is preempted; all but the last are fetched when they are looked at."""

    __slots__ = ("_all", "_count", "_last", "_link")

    def __init__(self, count: int, last: ReplicaRequest, link: Link) -> None:
        self._count = count
        self._last = last
        self._link = link
        self._all: tuple[ReplicaRequest, ...] | None = None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[ReplicaRequest]:
        return iter(self._fetched())

    @overload
    def __getitem__(self, index: int) -> ReplicaRequest: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ReplicaRequest]: ...
    def __getitem__(self, index: int | slice) -> ReplicaRequest | Sequence[ReplicaRequest]:
        return self._last if index == -1 else self._fetched()[index]

    def _fetched(self) -> tuple[ReplicaRequest, ...]:
        if self._all is None:
            self._all = placed(self._link.want(wire.CANDIDATES))
        return self._all


class _Instance:
    """One replica's scheduler and its mirror of the waiting queue."""

    def __init__(self, hooks: SchedulerHooks, replica: int, link: Link) -> None:
        self.engine = EngineView(replica, link)
        self._hooks = hooks
        self._link = link
        self._waiting: tuple[ReplicaRequest, ...] = ()
        self._order: Sequence[ReplicaRequest] = ()

    def forms(self) -> int:
        hooks = self._hooks
        return (
            wire.ADMITS * (hooks.admit is not None)
            + wire.CHUNKS * (hooks.chunk is not None)
            + wire.PICKS * (hooks.victim is not None)
        )

    def admit(self, numbers: tuple[int, ...]) -> list[int]:
        assert self._hooks.admit is not None
        self._update(numbers)
        answer = self._hooks.admit(self._waiting, self.engine)
        order = self._waiting if answer is self._waiting else self._checked(answer)
        self._order = order
        first = [request.id for request in order[: wire.FIRST_IDS]]
        return [self._hooks.wake_iterations() or 0, len(order), *first]

    def more(self) -> list[int]:
        return [request.id for request in self._order[wire.FIRST_IDS :]]

    def chunk(self, numbers: tuple[int, ...]) -> list[int]:
        assert self._hooks.chunk is not None
        (request,) = placed(numbers[_MOMENT + 2 :])
        self.engine._tokens_left = numbers[_MOMENT + 1]
        answer = self._hooks.chunk(request, numbers[_MOMENT], self.engine)
        if type(answer) is not int or abs(answer) > wire.INT64_MAX:
            raise DesignError("illegal", f"chunk returned {short(answer)}, which is no number of tokens.")
        return [answer]

    def victim(self, numbers: tuple[int, ...]) -> list[int]:
        assert self._hooks.victim is not None
        (last,) = placed(numbers[_MOMENT + 1 :])
        answer = self._hooks.victim(Candidates(numbers[_MOMENT], last, self._link), self.engine)
        chosen = getattr(answer, "id", None)
        if type(chosen) is not int or abs(chosen) > wire.INT64_MAX:
            raise DesignError("illegal", f"victim returned {short(answer)}, which is none of the candidates.")
        return [chosen]

    def _update(self, numbers: tuple[int, ...]) -> None:
        """Brings the mirror up to date: who left, and who came before and behind those that stayed."""
        gone, before, behind = numbers[_MOMENT : _MOMENT + 3]
        start = _MOMENT + 3 + gone
        stayed = self._waiting
        if gone:
            left = set(numbers[_MOMENT + 3 : start])
            stayed = () if -1 in left else tuple([request for request in stayed if request.id not in left])
        if before or behind:
            middle = start + wire.PLACED_FIELDS * before
            stayed = placed(numbers[start:middle]) + stayed + placed(numbers[middle:])
        self._waiting = stayed

    def _checked(self, answer: object) -> Sequence[ReplicaRequest]:
        """The order as a list, of waiting requests each of which is named once."""
        if not isinstance(answer, Iterable):
            raise DesignError("illegal", f"admit returned {short(answer)}, which isn't a sequence of waiting requests.")
        order: list[ReplicaRequest] = list(islice(answer, len(self._waiting) + 1))
        objects = set(map(id, order))
        if len(objects) == len(order) and objects.issubset(map(id, self._waiting)):
            return order
        waiting = {request.id for request in self._waiting}
        named: set[int] = set()
        for item in order:
            number = getattr(item, "id", None)
            if type(number) is not int:
                raise DesignError("illegal", f"admit named {short(item)}, which isn't a waiting request.")
            if number in named:
                raise DesignError("illegal", f"admit named request {number} twice in one answer.")
            if number not in waiting:
                raise DesignError("illegal", f"admit named request {number}, which isn't waiting at the replica.")
            named.add(number)
        return order


class SchedulerDesk:
    """The instances by their numbers."""

    def __init__(self, namespace: Mapping[str, object], seed: int, link: Link) -> None:
        self._make = load_scheduler(namespace, seed)
        self._link = link
        self._instances: list[_Instance] = []

    def loaded(self) -> list[int]:
        return [0]

    def describe(self, fields: list[str]) -> None:
        raise wire.WireError("expected no fleet")

    def answer(self, kind: int, numbers: tuple[int, ...]) -> list[int]:
        if kind == wire.MAKE:
            self._instances.append(_Instance(self._make(numbers[1]), numbers[1], self._link))
            return [self._instances[-1].forms()]
        instance = self._instances[numbers[0]]
        if kind == wire.MORE:
            return instance.more()
        if kind == wire.ENGINE:
            instance.engine._limits = numbers[1:]
            return []
        instance.engine._at(*numbers[1:_MOMENT])
        if kind == wire.ADMIT:
            return instance.admit(numbers)
        if kind == wire.CHUNK:
            return instance.chunk(numbers)
        if kind == wire.VICTIM:
            return instance.victim(numbers)
        raise wire.WireError("expected a question of the scheduler")
