"""The batch-scheduler slot of one replica: when a policy is asked, what it is shown, and what it may answer.

``docs/simulator-rules.md`` says when each of its methods is asked. Answers are matched by request id, checked before
anything of them takes effect, and an illegal one stops the run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

from sim.adapt.loading import short
from sim.api import NS_PER_S, ReplicaRequest
from sim.errors import IllegalDecision
from sim.hooks import CheckedOrder, SchedulerHooks
from sim.lazy import LazyRequests, QueueChanges, WaitingRequests
from sim.lockstep import Lockstep
from sim.prefix_cache import PrefixCache
from sim.request import Request
from sim.running import Running

MANY = 1 << 62
"""More iterations than any stretch has."""


class Composition(Protocol):
    """What the slot reads of the replica's state (:class:`sim.composer.Composer`)."""

    replica_id: int
    now_ns: int
    waiting: deque[Request]
    running: Running
    decodes: Lockstep
    cache: PrefixCache | None
    used_blocks: int
    total_blocks: int
    block_tokens: int
    watermark_blocks: int
    seats: int
    token_budget: int

    def blocks_to_admit(self, request: Request) -> int: ...


class EngineView:
    """One replica in the middle of a composition (:class:`sim.api.Engine`); live, and to be looked at only then."""

    __slots__ = ("_state", "_waiting_by_id", "_watermark_blocks", "tokens_left")

    def __init__(self, state: Composition) -> None:
        self._state = state
        self.tokens_left = state.token_budget
        self._waiting_by_id: dict[int, Request] | None = None
        self._watermark_blocks = state.watermark_blocks

    @property
    def now_ns(self) -> int:
        return self._state.now_ns

    @property
    def now_s(self) -> float:
        return self._state.now_ns / NS_PER_S

    @property
    def replica(self) -> int:
        return self._state.replica_id

    @property
    def block_tokens(self) -> int:
        return self._state.block_tokens

    @property
    def kv_blocks_total(self) -> int:
        return self._state.total_blocks

    @property
    def kv_blocks_used(self) -> int:
        return self._state.used_blocks

    @property
    def watermark_blocks(self) -> int:
        return self._watermark_blocks

    @property
    def max_num_seqs(self) -> int:
        return self._state.seats

    @property
    def token_budget(self) -> int:
        return self._state.token_budget

    @property
    def num_running(self) -> int:
        return len(self._state.running)

    @property
    def running(self) -> Sequence[ReplicaRequest]:
        steps = self._state.decodes.steps
        return tuple([request.as_placed(steps) for request in self._state.running])

    def cached_tokens(self, request: ReplicaRequest) -> int:
        """0 for a request that isn't waiting here."""
        cache = self._state.cache
        if cache is None:
            return 0
        if self._waiting_by_id is None:
            self._waiting_by_id = {waiting.id: waiting for waiting in self._state.waiting}
        waiting = self._waiting_by_id.get(request.id)
        return 0 if waiting is None else cache.lookup(waiting).units * cache.unit_tokens

    def refreshed(self) -> EngineView:
        """The view for another call: what waits may have changed."""
        self._waiting_by_id = None
        return self


class SchedulerSlot:
    """``due``: something has happened since ``admit`` was last asked that makes the policy's answer worth asking for.

    ``iterations``: those that ended on this replica, for the policy's ``wake_iterations``. ``changes``: those of the
    queue since ``admit`` was last asked.
    """

    __slots__ = (
        "_asked_at",
        "_hooks",
        "_least_blocks",
        "_state",
        "_view",
        "_wake",
        "admits",
        "changes",
        "chunks",
        "due",
        "iterations",
        "picks_victims",
    )

    def __init__(self, hooks: SchedulerHooks, state: Composition) -> None:
        self.admits = hooks.admit is not None
        self.chunks = hooks.chunk is not None
        self.picks_victims = hooks.victim is not None
        self.changes = QueueChanges()
        self._least_blocks: int | None = None
        """The fewest blocks that one of those that wait needs, None if not known."""
        self.due = True
        self.iterations = 0
        self._hooks = hooks
        self._state = state
        self._view = EngineView(state)
        self._asked_at = 0
        self._wake: int | None = None

    def came(self, request: Request) -> None:
        """``request`` waits behind the others."""
        self.due = True
        if self.admits:
            self.changes.came(request)
            self._note(request)

    def returned(self, request: Request) -> None:
        """``request`` was preempted and waits before the others."""
        self.due = True
        if self.admits:
            self.changes.returned(request)
            self._note(request)

    def left(self, request: Request) -> None:
        """``request`` is about to be admitted."""
        if self.admits:
            self.changes.left(request)
            if self._least_blocks is not None and self._state.blocks_to_admit(request) == self._least_blocks:
                self._least_blocks = None

    def emptied(self) -> None:
        """Nothing waits any more."""
        self.changes.emptied()
        self._least_blocks = None

    def any_fits(self) -> bool:
        """Whether there are blocks for one of those that wait; with a prefix cache that is left to the trial."""
        state = self._state
        if state.cache is not None:
            return True
        if self._least_blocks is None:
            self._least_blocks = min(map(state.blocks_to_admit, state.waiting), default=MANY)
        return self._least_blocks <= state.total_blocks - state.used_blocks - state.watermark_blocks

    def _note(self, request: Request) -> None:
        if self._least_blocks is not None:
            self._least_blocks = min(self._least_blocks, self._state.blocks_to_admit(request))

    def iterations_to_wake(self) -> int:
        """Iterations that may end before ``admit`` is to be asked again though nothing happens."""
        return MANY if self._wake is None else max(1, self._asked_at + self._wake - self.iterations)

    def ended(self, iterations: int, with_news: bool) -> None:
        """``iterations`` ended; ``with_news``: with prefill chunks in them or requests that left."""
        self.iterations += iterations
        self.due = self.due or with_news

    def admissions(self) -> deque[Request]:
        """Whom admission tries, in this order: the policy's answer, none if it isn't due."""
        admit = self._hooks.admit
        woken = self._wake is not None and self.iterations - self._asked_at >= self._wake
        if admit is None or not (self.due or woken) or not self.any_fits():
            return deque()
        waiting = self._state.waiting
        shown = WaitingRequests(waiting, self.changes)
        answer = admit(shown, self._view.refreshed())
        self.changes = QueueChanges()
        chosen: deque[Request]
        if answer is shown:
            chosen = waiting
        elif isinstance(answer, CheckedOrder):
            chosen = self._one_by_one(answer)
        elif isinstance(answer, Iterable):
            chosen = self._checked(list(answer))
        else:
            raise self._illegal(f"admit returned {short(answer)}, which isn't a sequence of waiting requests")
        self.due = False
        self._asked_at = self.iterations
        self._wake = self._checked_wake()
        return chosen

    def chunk(self, request: Request, most: int, left: int) -> int:
        """Prefill tokens for ``request`` of the ``left`` that the iteration has: ``most`` without a policy's word."""
        ask = self._hooks.chunk
        if ask is None:
            return most
        self._view.tokens_left = left
        answer = ask(request.as_placed(self._state.decodes.steps), most, self._view.refreshed())
        self._view.tokens_left = self._state.token_budget
        if type(answer) is not int or not 0 <= answer <= most:
            raise self._illegal(f"chunk gave request {request.id} {short(answer)} tokens, not 0 to {most}")
        return answer

    def victim(self, candidates: list[Request]) -> Request:
        """Whom to preempt: the last of ``candidates`` without a policy's word."""
        ask = self._hooks.victim
        if ask is None:
            return candidates[-1]
        steps = self._state.decodes.steps
        answer = ask(LazyRequests(candidates, steps), self._view.refreshed())
        chosen = getattr(answer, "id", None)
        for request in candidates:
            if request.id == chosen:
                return request
        what = f"request {chosen}" if type(chosen) is int else short(answer)
        raise self._illegal(f"victim returned {what}, which isn't one of the candidates")

    def _one_by_one(self, order: CheckedOrder) -> deque[Request]:
        """Those that an order names first, as many as could be admitted and one more; most often the queue's own."""
        waiting, found = self._state.waiting, deque[Request]()
        named: set[int] = set()
        as_they_wait = iter(waiting)
        for request_id in islice(order.ids, self._state.seats - len(self._state.running) + 1):
            request = next(as_they_wait, None)
            if request_id in named:
                raise self._illegal(f"admit named request {request_id} twice in one answer")
            named.add(request_id)
            if request is None or request.id != request_id:
                request = next((one for one in waiting if one.id == request_id), None)
            if request is None:
                raise self._illegal(f"admit named request {request_id}, which isn't waiting at replica {self._where}")
            found.append(request)
        return found

    def _checked(self, answer: Sequence[object]) -> deque[Request]:
        """The waiting requests that were named."""
        waiting = self._state.waiting
        if len(answer) == 1 and waiting and getattr(answer[0], "id", None) == waiting[0].id:
            return deque((waiting[0],))
        by_id = {request.id: request for request in waiting}
        chosen: deque[Request] = deque()
        named: set[int] = set()
        for item in answer:
            request_id = getattr(item, "id", None)
            if type(request_id) is not int:
                raise self._illegal(f"admit named {short(item)}, which isn't a waiting request")
            if request_id in named:
                raise self._illegal(f"admit named request {request_id} twice in one answer")
            if request_id not in by_id:
                raise self._illegal(f"admit named request {request_id}, which isn't waiting at replica {self._where}")
            named.add(request_id)
            chosen.append(by_id[request_id])
        return chosen

    def _checked_wake(self) -> int | None:
        wake = self._hooks.wake_iterations()
        if wake is not None and (type(wake) is not int or wake < 1):
            raise self._illegal(f"wake_iterations is {short(wake)}, not None or a whole number from 1 up")
        return wake

    @property
    def _where(self) -> int:
        return self._state.replica_id

    def _illegal(self, decision: str) -> IllegalDecision:
        return IllegalDecision(self._hooks.name, self._state.now_ns, decision, slot="Batch scheduler")
