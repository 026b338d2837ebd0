"""The state of one replica's engine: its queue, its running requests and its KV blocks, and how they are booked.

Nothing here decides anything; :mod:`sim.composer` and the rule sets do. Tokens of decodes are counters
(:mod:`sim.lockstep`), blocks are numbers: which block is whose is never needed, but for those that the prefix cache
shares (:mod:`sim.prefix_cache`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import insort
from collections import deque
from operator import attrgetter

from sim.hooks import SchedulerHooks
from sim.lockstep import Lockstep
from sim.prefix_cache import PrefixCache
from sim.request import NEVER, Request
from sim.running import Running
from sim.scenario import ClusterSpec, EngineSpec
from sim.scheduler_slot import SchedulerSlot

by_order = attrgetter("order")


class EngineState(ABC):
    """Invariant: between compositions ``used_blocks`` is the sum of the running requests' blocks, those that several
    refer to counted once; waiting requests hold none.

    ``by_admission``: running requests are in order of admission, not of (arrival, id).
    ``prefilling``: between compositions, the running requests whose prefill is incomplete; all others decode, in
    ``decodes`` or, for one iteration, in ``paused``. All of these lists are in the engine's order.
    """

    orders_by_admission = False
    has_vidur_form = True
    """Whether ``vidur_compat`` makes a difference."""

    __slots__ = (
        "_admissions",
        "block_ns",
        "block_tokens",
        "by_admission",
        "cache",
        "chunks",
        "decisions",
        "decodes",
        "decodes_run",
        "forgotten_tokens",
        "generated_tokens",
        "now_ns",
        "outgrown",
        "paused",
        "preempted",
        "preemptions",
        "prefill_tokens",
        "prefilling",
        "replica_id",
        "running",
        "running_ns",
        "seats",
        "slot",
        "token_budget",
        "total_blocks",
        "used_blocks",
        "vidur_compat",
        "waiting",
        "watermark_blocks",
    )

    def __init__(
        self,
        replica_id: int,
        cluster: ClusterSpec,
        engine: EngineSpec,
        hooks: SchedulerHooks | None,
        decisions: list[int],
        content_block_tokens: int,
    ) -> None:
        self.replica_id = replica_id
        self.by_admission = self.orders_by_admission
        self.waiting: deque[Request] = deque()
        self.running = Running()
        self.prefilling: list[Request] = []
        self.paused: list[Request] = []
        self.outgrown: list[Request] = []
        self.decodes = Lockstep(cluster.block_tokens)
        self.chunks: list[tuple[Request, int]] = []
        self.decodes_run = True
        self.preempted = False
        """Whether the composition at hand has preempted anybody."""
        self.total_blocks = cluster.kv_blocks
        self.used_blocks = 0
        self.block_ns = 0
        """Sum of freed blocks times the time they were freed at, minus that of the taken ones, in block * ns."""
        self.running_ns = 0
        """Sum of the times at which requests stopped running, minus that of those at which they began, in ns."""
        self.block_tokens = cluster.block_tokens
        self.watermark_blocks = cluster.watermark_blocks
        self.seats = cluster.max_num_seqs
        self.token_budget = cluster.chunk_tokens
        self.vidur_compat = engine.vidur_compat and self.has_vidur_form
        self.preemptions = self.generated_tokens = 0
        self.prefill_tokens = 0
        """Prefill tokens that ended iterations computed."""
        self.forgotten_tokens = 0
        """Output tokens that were generated, and then not counted any more as its own by a victim."""
        self.now_ns = 0
        self.cache: PrefixCache | None = None
        if engine.prefix_caching and content_block_tokens:
            self.cache = PrefixCache(content_block_tokens, content_block_tokens // cluster.block_tokens)
        self.slot = None if hooks is None else SchedulerSlot(hooks, self)
        self.decisions = decisions
        self._admissions = 0

    @abstractmethod
    def blocks_to_admit(self, request: Request) -> int:
        """Blocks that must be free for ``request`` besides the watermark, without any hit."""

    @abstractmethod
    def blocks_of(self, request: Request) -> int:
        """Blocks that ``request`` holds, running and not decoding; those that it shares count too."""

    def take(self, blocks: int) -> None:
        self.used_blocks += blocks
        self.block_ns -= blocks * self.now_ns
        if self.cache is not None:
            self.cache.trim(self.total_blocks - self.used_blocks)

    def release(self, request: Request) -> None:
        """``request`` stops running: its blocks are freed, but for those that others use."""
        self.running.discard(request)
        blocks = self.blocks_of(request)
        if self.cache is not None:
            blocks -= self.cache.leave(request)
        self.used_blocks -= blocks
        self.block_ns += blocks * self.now_ns
        self.running_ns += self.now_ns

    def reorder(self, running: list[Request]) -> None:
        """Puts the running requests into another order."""
        self.running.renumber(running)
        self._admissions = len(running)

    def prefills_later(self, request: Request) -> None:
        """``request`` runs, its prefill incomplete, for the next composition to see."""
        if request not in self.prefilling:
            insort(self.prefilling, request, key=by_order)

    def end_chunks(self) -> list[Request]:
        """Books the chunks; a completed prefill yields a token, and its request decodes on or has finished."""
        finished: list[Request] = []
        cache = self.cache
        for request, chunk in self.chunks:
            self.prefill_tokens += chunk
            kv_tokens = request.kv_tokens + chunk
            request.kv_tokens = kv_tokens
            if cache is not None:
                cache.computed(request, kv_tokens - chunk)
            if kv_tokens < request.prefill_target:
                self.prefills_later(request)
                continue
            if self.prefilling and request in self.prefilling:
                self.prefilling.remove(request)
            request.generated_tokens += 1
            self.generated_tokens += 1
            if request.first_token_ns == NEVER:
                request.first_token_ns = self.now_ns
            if request.generated_tokens == request.output_tokens:
                finished.append(request)
            else:
                self.decodes.join(request)
        self.chunks.clear()
        return finished

    def resume_paused(self) -> None:
        """Decodes that had no place in the iteration that ended go on."""
        for request in self.paused:
            self.decodes.join(request)
        self.paused.clear()

    def lose_everything(self, ended: int) -> list[Request]:
        """A crash: the requests, restarted, in no order; ``ended``: iterations that ended and aren't booked yet."""
        for request in self.running:
            if request.decoding_since != NEVER:
                self.decodes.leave(request)
        requests = [*self.running, *self.waiting]
        self.running_ns += len(self.running) * self.now_ns
        for request in requests:
            request.lose_cache()
        for kept in (self.running, self.waiting, self.prefilling, self.paused, self.chunks):
            kept.clear()
        self.block_ns += self.used_blocks * self.now_ns
        self.used_blocks = 0
        if self.cache is not None:
            self.cache.clear()
        if self.slot is not None:
            self.slot.ended(ended, True)
        return requests

    def conserves(self) -> bool:
        """Whether the used blocks are those of the running requests; nothing must decode."""
        held = sum(self.blocks_of(request) for request in self.running)
        doubled = 0 if self.cache is None else self.cache.doubled_blocks()
        return not self.decodes.size and self.used_blocks == held - doubled
