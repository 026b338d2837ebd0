"""The batch-scheduler slot: when a policy is asked, what it is shown, and what it may answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sim.api import NS_PER_S, ReplicaRequest
from sim.errors import IllegalDecision
from sim.hooks import SchedulerHooks
from tests.sim.reference.request import Request

if TYPE_CHECKING:
    from tests.sim.reference.replica import Replica

SLOT = "Batch scheduler"


class Scheduler:
    """One replica's policy. ``changed``: something that may change its answer happened since ``admit`` was asked."""

    def __init__(self, hooks: SchedulerHooks, replica: Replica) -> None:
        self.hooks = hooks
        self.changed = False
        self.iterations = 0
        """Iterations that ended since it was last asked."""
        self._wake_iterations: int | None = None
        self._replica = replica
        self._view = EngineView(replica)

    def wants_to_admit(self) -> bool:
        woken = self._wake_iterations is not None and self.iterations >= self._wake_iterations
        return self.changed or woken

    def admit(self, now_ns: int) -> list[Request]:
        """Whom to try to admit, in order."""
        assert self.hooks.admit is not None
        self.changed, self.iterations = False, 0
        waiting = {request.id: request for request in self._replica.waiting}
        shown = tuple(request.as_placed() for request in self._replica.waiting)
        answer = self._listed(self.hooks.admit(shown, self._view.at(now_ns)), now_ns)
        self._wake_iterations = self.hooks.wake_iterations()
        chosen: list[Request] = []
        for item in answer:
            request = waiting.get(getattr(item, "id", None))
            if request is None or request in chosen:
                self._refuse("admits a request that doesn't wait or that it has named before", now_ns)
            chosen.append(request)
        return chosen

    def chunk(self, request: Request, budget: int, tokens_left: int, now_ns: int) -> int:
        """``budget``: the most that it may get, ``tokens_left``: what the iteration may still have."""
        assert self.hooks.chunk is not None
        view = self._view.at(now_ns)
        view.tokens_left = tokens_left
        tokens = self.hooks.chunk(request.as_placed(), budget, view)
        if type(tokens) is not int or not 0 <= tokens <= budget:
            self._refuse(f"gives {tokens!r} tokens of {budget}", now_ns)
        return tokens

    def victim(self, candidates: Sequence[Request], now_ns: int) -> Request:
        assert self.hooks.victim is not None
        shown = tuple(request.as_placed() for request in candidates)
        answer = self.hooks.victim(shown, self._view.at(now_ns))
        for request in candidates:
            if request.id == getattr(answer, "id", None):
                return request
        return self._refuse(f"preempts {answer!r}, who is no candidate", now_ns)

    def _listed(self, answer: object, now_ns: int) -> list[object]:
        """The whole answer; what the policy raises while it yields passes through."""
        try:
            items = iter(answer)
        except TypeError:
            self._refuse(f"answers {answer!r}", now_ns)
        return list(items)

    def _refuse(self, decision: str, now_ns: int) -> Request:
        raise IllegalDecision(self.hooks.name, now_ns, decision, SLOT)


class EngineView:
    """One replica as its scheduler sees it (:class:`sim.api.Engine`)."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self.now_ns = 0
        self.tokens_left = replica.spec.chunk_tokens

    def at(self, now_ns: int) -> EngineView:
        self.now_ns = now_ns
        self.tokens_left = self.token_budget
        return self

    @property
    def now_s(self) -> float:
        return self.now_ns / NS_PER_S

    @property
    def replica(self) -> int:
        return self._replica.id

    @property
    def block_tokens(self) -> int:
        return self._replica.spec.block_tokens

    @property
    def kv_blocks_total(self) -> int:
        return self._replica.spec.kv_blocks

    @property
    def kv_blocks_used(self) -> int:
        return self._replica.blocks.used

    @property
    def watermark_blocks(self) -> int:
        return self._replica.spec.watermark_blocks

    @property
    def max_num_seqs(self) -> int:
        return self._replica.spec.max_num_seqs

    @property
    def token_budget(self) -> int:
        return self._replica.spec.chunk_tokens

    @property
    def num_running(self) -> int:
        return len(self._replica.running)

    @property
    def running(self) -> Sequence[ReplicaRequest]:
        return tuple(request.as_placed() for request in self._replica.running)

    def cached_tokens(self, request: ReplicaRequest) -> int:
        for waiting in self._replica.waiting:
            if waiting.id == request.id:
                return self._replica.blocks.hit(waiting) * waiting.content_block_tokens
        return 0
