"""One replica: continuous batching at iteration level over a paged KV cache, by Vidur's ``sarathi`` rules.

An iteration is composed when the replica is idle and has work, its duration is known at its start, and nothing
joins or leaves until it ends. Composition, in this order:

1. **Decodes.** Running requests whose prefill is complete, oldest arrival first, one token each, always. A request
   needs a block only if its next token has no room in its last one (Vidur demands a free block for every decode,
   even if none is allocated; that rule is not copied). While no block is free, the youngest running request not yet
   placed in this batch, possibly the request itself, is preempted.
2. **Running prefills.** The next chunk of each, oldest first, as far as the token budget reaches.
3. **Admission.** The head of the waiting queue, while fewer than ``max_num_seqs`` requests run, budget is left and
   the blocks of its whole prefill fit and leave the watermark free. The head blocks those behind it.

Preemption is by recompute: the victim's blocks are freed at once, it goes to the front of the waiting queue, and it
must prefill its prompt and everything it has generated (see :mod:`sim.request` for the token accounting). The blocks
of a request that finishes are freed at the iteration's end. A preempted request whose prefill could not be admitted
even to an empty replica has outgrown the replica and is rejected: it would otherwise wait for ever.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from operator import attrgetter

from sim.cost import IterationCost
from sim.scenario import ClusterSpec
from tests.sim.reference.request import NEVER, Request

_by_age = attrgetter("id")


class Replica:
    """Invariant: ``used_blocks`` is the sum of the running requests' blocks; waiting requests hold none."""

    __slots__ = (
        "_block_ns",
        "_budget",
        "_chunks",
        "_cost",
        "_decodes",
        "_max_num_seqs",
        "_used_since_ns",
        "_watermark_blocks",
        "block_tokens",
        "busy",
        "chunk_tokens",
        "decisions",
        "generated_tokens",
        "id",
        "outgrown",
        "preemptions",
        "running",
        "total_blocks",
        "used_blocks",
        "waiting",
    )

    def __init__(self, replica_id: int, spec: ClusterSpec, cost: IterationCost) -> None:
        self.id = replica_id
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []
        """Oldest arrival first."""
        self.busy = False
        self.total_blocks = spec.kv_blocks
        self.used_blocks = 0
        self.block_tokens = spec.block_tokens
        self.chunk_tokens = spec.chunk_tokens
        self.preemptions = 0
        self.generated_tokens = 0
        self.decisions: list[tuple[int, int, int, int]] = []
        self.outgrown: list[Request] = []
        """Requests that left in the last composition because they can never be admitted again."""
        self._max_num_seqs = spec.max_num_seqs
        self._watermark_blocks = spec.watermark_blocks
        self._cost = cost
        self._decodes: list[Request] = []
        self._chunks: list[tuple[Request, int]] = []
        self._budget = 0
        self._block_ns = 0
        self._used_since_ns = 0

    def can_ever_admit(self, prefill_tokens: int) -> bool:
        """Whether a prefill of that many tokens could be admitted if the replica were empty."""
        return self._blocks_for(prefill_tokens) <= self.total_blocks - self._watermark_blocks

    def enqueue(self, request: Request) -> None:
        """Puts a routed request at the end of the waiting queue."""
        self.waiting.append(request)

    def start_iteration(self, now_ns: int) -> int | None:
        """Composes the next batch and returns the ns it takes, or None if there is nothing to run."""
        self._count_used_until(now_ns)
        self._decodes, self._chunks, self.outgrown = [], [], []
        context = self._place_decodes()
        self._budget = self.chunk_tokens - len(self._decodes)
        self._place_running_prefills()
        self._admit(now_ns)
        if not self._decodes and not self._chunks:
            return None
        self.busy = True
        tokens = sum(chunk for _, chunk in self._chunks)
        half_pairs = sum(chunk * (2 * request.kv_tokens + chunk) for request, chunk in self._chunks)
        return self._cost.iteration_ns(len(self._decodes), context, len(self._chunks), tokens, half_pairs)

    def end_iteration(self, now_ns: int) -> list[Request]:
        """Books the batch's tokens and returns the requests that finished, oldest first, their blocks freed."""
        self._count_used_until(now_ns)
        self.busy = False
        finished = []
        for request in self._decodes:
            request.kv_tokens += 1
            request.generated_tokens += 1
            if request.generated_tokens == request.output_tokens:
                finished.append(request)
        self.generated_tokens += len(self._decodes)
        for request, chunk in self._chunks:
            request.kv_tokens += chunk
            if request.kv_tokens < request.prefill_target:
                continue
            request.generated_tokens += 1
            self.generated_tokens += 1
            if request.first_token_ns == NEVER:
                request.first_token_ns = now_ns
            if request.generated_tokens == request.output_tokens:
                finished.append(request)
        for request in finished:
            self.running.remove(request)
            self._free(request)
        return sorted(finished, key=_by_age)

    def block_ns(self, now_ns: int) -> int:
        """Integral of the used blocks over time so far, in block * ns."""
        self._count_used_until(now_ns)
        return self._block_ns

    def _place_decodes(self) -> int:
        """Places the decodes and returns the KV tokens they read, their own new ones included."""
        context = 0
        index = 0
        while index < len(self.running):
            request = self.running[index]
            index += 1
            if request.kv_tokens < request.prefill_target:
                continue
            if request.kv_tokens == request.blocks * self.block_tokens:
                if not self._free_a_block_for(request):
                    break
                request.blocks += 1
                self.used_blocks += 1
            self._decodes.append(request)
            context += request.kv_tokens + 1
        return context

    def _free_a_block_for(self, request: Request) -> bool:
        """Preempts the youngest until a block is free; False if that cost ``request`` itself its place.

        The youngest running request is never one already placed: those are all older than ``request``.
        """
        while self.used_blocks == self.total_blocks:
            victim = self.running.pop()
            self.decisions.append((self._used_since_ns, 2, victim.id, self.id))
            self._preempt(victim)
            if victim is request:
                return False
        return True

    def _preempt(self, victim: Request) -> None:
        self._free(victim)
        victim.lose_cache()
        self.preemptions += 1
        if self.can_ever_admit(victim.prefill_target):
            self.waiting.appendleft(victim)
        else:
            self.outgrown.append(victim)

    def _place_running_prefills(self) -> None:
        for request in self.running:
            if request.kv_tokens < request.prefill_target and self._budget > 0:
                self._place_chunk(request)

    def _admit(self, now_ns: int) -> None:
        while self.waiting and len(self.running) < self._max_num_seqs and self._budget > 0:
            request = self.waiting[0]
            blocks = self._blocks_for(request.prefill_target)
            if self.total_blocks - self.used_blocks - blocks < self._watermark_blocks:
                return
            self.waiting.popleft()
            request.blocks = blocks
            self.decisions.append((now_ns, 1, request.id, self.id))
            self.used_blocks += blocks
            insort(self.running, request, key=_by_age)
            if request.first_scheduled_ns == NEVER:
                request.first_scheduled_ns = now_ns
            self._place_chunk(request)

    def _place_chunk(self, request: Request) -> None:
        chunk = min(request.prefill_target - request.kv_tokens, self._budget)
        self._budget -= chunk
        self._chunks.append((request, chunk))

    def _free(self, request: Request) -> None:
        self.used_blocks -= request.blocks
        request.blocks = 0

    def _blocks_for(self, tokens: int) -> int:
        return -(-tokens // self.block_tokens)

    def _count_used_until(self, now_ns: int) -> None:
        self._block_ns += self.used_blocks * (now_ns - self._used_since_ns)
        self._used_since_ns = now_ns
