"""One replica of the naive cluster: it composes every iteration anew and touches every request in it.

:mod:`tests.sim.reference.rules` says who takes part in an iteration; this module knows what taking part, leaving and
the end of an iteration mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from sim.cost import Cost
from sim.hooks import SchedulerHooks
from sim.scenario import ClusterSpec, EngineSpec
from tests.sim.reference import rules
from tests.sim.reference.blocks import Blocks
from tests.sim.reference.request import NEVER, Request
from tests.sim.reference.scheduler import Scheduler

by_age = attrgetter("id")


@dataclass(frozen=True)
class Part:
    """A request's part in an iteration: one decode, or the next ``tokens`` of its prefill."""

    request: Request
    tokens: int
    is_decode: bool


class Replica:
    """``busy``: whether an iteration runs. ``stuck``: it found nothing to do and waits for a request to come."""

    def __init__(
        self,
        replica_id: int,
        spec: ClusterSpec,
        cost: Cost,
        engine: EngineSpec | None = None,
        hooks: SchedulerHooks | None = None,
    ) -> None:
        self.id = replica_id
        self.spec = spec
        self.engine = engine or EngineSpec()
        self.cost = cost
        self.waiting: list[Request] = []
        self.running: list[Request] = []
        """In the order of the rules."""
        self.blocks = Blocks(spec.kv_blocks, spec.block_tokens, self.running, caching=self.engine.prefix_caching)
        self.scheduler = None if hooks is None else Scheduler(hooks, self)
        self.busy = False
        self.stuck = False
        self.decisions: list[tuple[int, int, int, int]] = []
        self.outgrown: list[Request] = []
        """Requests that left in the last composition because they can never be admitted again."""
        self.preemptions = 0
        self.generated_tokens = 0
        self.prefill_tokens = 0
        self.prefix_query_tokens = 0
        self.prefix_hit_tokens = 0
        self.parts: list[Part] = []
        """Of the iteration that is being composed or runs."""

    @property
    def used_blocks(self) -> int:
        return self.blocks.used

    @property
    def total_blocks(self) -> int:
        return self.spec.kv_blocks

    @property
    def requests(self) -> int:
        return len(self.waiting) + len(self.running)

    # Coming and going

    def can_ever_admit(self, prefill_tokens: int) -> bool:
        """Whether a prefill of that many tokens could be admitted if the replica were empty (not under ``orca``)."""
        return self.blocks.needed(prefill_tokens) <= self.spec.kv_blocks - self.spec.watermark_blocks

    def can_ever_hold(self, request: Request) -> bool:
        """Whether the request as it is now could be admitted if the replica were empty."""
        if self.engine.rules == "orca":
            return self.reservation(request) <= self.spec.kv_blocks
        return self.can_ever_admit(request.prefill_target)

    def can_ever_hold_prompt(self, prompt_tokens: int) -> bool:
        """As far as a router can know that."""
        if self.engine.rules == "orca":
            return self.blocks.needed(max(self.engine.reserved_tokens, prompt_tokens)) <= self.spec.kv_blocks
        return self.can_ever_admit(prompt_tokens)

    def reservation(self, request: Request) -> int:
        """Blocks that ``orca`` sets aside for it."""
        asked = request.prompt_tokens + request.output_tokens
        return self.blocks.needed(max(self.engine.reserved_tokens, asked))

    def enqueue(self, request: Request) -> None:
        """Puts a routed request at the end of the waiting queue."""
        self.waiting.append(request)
        self.stuck = False
        self._something_changed()

    def crash(self) -> list[Request]:
        """Loses the iteration, the cache and every request; these are returned."""
        lost = sorted([*self.running, *self.waiting], key=by_age)
        for request in lost:
            request.lose_cache()
            request.crash_restarts += 1
        self.running.clear()
        self.waiting.clear()
        self.parts = []
        self.busy = self.stuck = False
        self.forget_cache()
        return lost

    def forget_cache(self) -> None:
        self.blocks.unreferenced.clear()

    # One iteration

    def start_iteration(self, now_ns: int) -> int | None:
        """Composes the next batch and returns the ns it takes, or None if there is nothing to run."""
        self.outgrown = []
        while True:
            preemptions = self.preemptions
            self.parts = []
            rules.compose(self, now_ns)
            if self.parts:
                self.busy = True
                return self._duration_ns()
            if self.preemptions == preemptions:
                self.stuck = True
                return None

    def end_iteration(self, now_ns: int) -> list[Request]:
        """Books the batch's tokens and returns the requests that finished, oldest first, their blocks freed."""
        self.busy = False
        for part in self.parts:
            self._book(part, now_ns)
        finished = [request for request in self.running if request.yielded == request.to_yield]
        finished.sort(key=by_age)
        for request in finished:
            self._leave_running(request)
            self._something_changed()
        if self.scheduler is not None:
            self.scheduler.iterations += 1
        if not all(part.is_decode for part in self.parts):
            self._something_changed()
        self.parts = []
        return finished

    def _book(self, part: Part, now_ns: int) -> None:
        request = part.request
        before = request.kv_tokens
        request.kv_tokens += part.tokens
        if not part.is_decode:
            self.prefill_tokens += part.tokens
        if request.decodes:
            request.yield_token(now_ns)
            self.generated_tokens += 1
        if request.content_block_tokens and not part.is_decode:
            size = request.content_block_tokens
            self.blocks.enter(request, before // size, min(request.kv_tokens, request.prompt_tokens) // size)

    def _duration_ns(self) -> int:
        decodes = [part.request for part in self.parts if part.is_decode]
        chunks = [part for part in self.parts if not part.is_decode]
        return self.cost.iteration_ns(
            decodes=len(decodes),
            decode_context_tokens=sum(request.kv_tokens + 1 for request in decodes),
            prefills=len(chunks),
            prefill_tokens=sum(part.tokens for part in chunks),
            prefill_half_pairs=sum(part.tokens * (2 * part.request.kv_tokens + part.tokens) for part in chunks),
        )

    # What the rules do with requests

    def place(self, request: Request, tokens: int, *, is_decode: bool) -> None:
        self.parts.append(Part(request, tokens, is_decode))

    def is_placed(self, request: Request) -> bool:
        return any(part.request is request for part in self.parts)

    def chunk(self, request: Request, tokens_left: int, now_ns: int) -> int:
        """Prefill tokens that the request gets of those left: all that it may have unless a policy says less."""
        most = max(0, min(request.prefill_target - request.kv_tokens, tokens_left))
        if most > 0 and self.scheduler is not None and self.scheduler.hooks.chunk is not None:
            return self.scheduler.chunk(request, most, tokens_left, now_ns)
        return most

    def make_room(self, request: Request, blocks: int, now_ns: int) -> bool:
        """Preempts until so many blocks are free; False if that cost the request itself its place."""
        while self.blocks.free < blocks:
            candidates = [other for other in self.running if not self.is_placed(other)]
            victim = candidates[-1]
            if self.scheduler is not None and self.scheduler.hooks.victim is not None:
                victim = self.scheduler.victim(candidates, now_ns)
            self._preempt(victim, now_ns)
            if victim is request:
                return False
        return True

    def _preempt(self, victim: Request, now_ns: int) -> None:
        self.decisions.append((now_ns, 2, victim.id, self.id))
        self.preemptions += 1
        half_prefilled = 0 < victim.kv_tokens < victim.prefill_target
        if self.engine.vidur_compat and self.engine.rules == "sarathi" and half_prefilled:
            victim.restart_as_vidur_does()
        self._leave_running(victim)
        victim.lose_cache()
        if self.can_ever_hold(victim):
            self.waiting.insert(0, victim)
        else:
            self.outgrown.append(victim)
        self._something_changed()

    def admit(self, request: Request, now_ns: int) -> None:
        """Moves a waiting request to the end of the running ones, with what the cache has for it."""
        self.decisions.append((now_ns, 1, request.id, self.id))
        self.waiting.remove(request)
        self.running.append(request)
        self.blocks.refer_to_hit(request)
        if self.engine.prefix_caching:
            self.prefix_query_tokens += request.prefill_target
            self.prefix_hit_tokens += request.kv_tokens
        if request.first_scheduled_ns == NEVER:
            request.first_scheduled_ns = now_ns
            request.cached_tokens = request.kv_tokens if self.engine.prefix_caching else NEVER

    def _leave_running(self, request: Request) -> None:
        self.blocks.release(request)
        self.running.remove(request)

    def _something_changed(self) -> None:
        if self.scheduler is not None:
            self.scheduler.changed = True
