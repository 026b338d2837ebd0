"""What every set of engine rules works on: one replica's queue, its running requests and its KV blocks.

A rule set (:mod:`sim.rules`) is a subclass that says how the next iteration is composed: who decodes, who gets a
prefill chunk, who is admitted and who is preempted, in the words of ``docs/simulator-rules.md``. It knows nothing of
how long iterations take or that several of them are run at once; that is :class:`sim.replica.Replica`.

Preemption is by recompute: the victim's blocks are freed at once, it goes to the front of the waiting queue, and it
must prefill its prompt and everything it has generated. A victim that could not be admitted even to an empty replica
has outgrown it and leaves: it would otherwise wait for ever.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque

from sim.engine_state import EngineState
from sim.request import NEVER, Request
from sim.scheduler_slot import MANY

ADMITTED = 1
PREEMPTED = 2
"""Kinds of decisions."""


class Composer(EngineState):
    """What :meth:`compose` decides for the next iteration: ``chunks``, the prefill tokens of each request in order, and
    ``decodes_run``, whether the decodes take part (all of them but the ``paused``)."""

    admits_next_time = False
    """Whether what was preempted can be admitted in the next composition though not in its own."""

    __slots__ = ()

    @abstractmethod
    def compose(self) -> None:
        """Decides the next iteration; nothing runs."""

    def blocks_to_admit(self, request: Request) -> int:
        """Blocks that must be free for ``request`` besides the watermark, without any hit."""
        return -(-request.prefill_target // self.block_tokens)

    @property
    def most_prompt_tokens(self) -> int:
        """A longer prompt could not be admitted to the replica were it empty."""
        return max(0, self.total_blocks - self.watermark_blocks) * self.block_tokens

    def can_ever_admit(self, request: Request) -> bool:
        """Whether ``request``, with what it has generated, could be admitted were the replica empty."""
        return -(-request.prefill_target // self.block_tokens) <= self.total_blocks - self.watermark_blocks

    def budget_left(self) -> bool:
        """Whether an admission step beside the present decodes has tokens to give."""
        return self.decodes.size < self.token_budget

    def could_admit(self, request: Request) -> bool:
        """Whether a composition beside the present decodes would admit ``request``, the head, or at least might."""
        blocks = self.blocks_to_admit(request)
        if self.cache is not None:
            blocks -= self.cache.shared_blocks(request)
        return self.budget_left() and self.total_blocks - self.used_blocks - blocks >= self.watermark_blocks

    def queue(self) -> deque[Request]:
        """Whom admission tries, in this order: the waiting queue itself, or whom the policy names.

        The caller stops at the first that it can't admit. Call it only if seats are free and budget is left.
        """
        if self.slot is None or not self.slot.admits:
            return self.waiting
        return self.slot.admissions()

    def admit(self, queue: deque[Request], blocks: int) -> None:
        """The first of ``queue`` runs, with its hit in the prefix cache, and takes ``blocks``."""
        request, now_ns = queue[0], self.now_ns
        request.shown = None
        if self.slot is not None:
            self.slot.left(request)
        queue.popleft()
        waiting = self.waiting
        if queue is not waiting:
            if waiting[0] is request:
                waiting.popleft()
            else:
                waiting.remove(request)
        if self.by_admission:
            request.order = self._admissions
            self._admissions += 1
        self.running.add(request)
        self.used_blocks += blocks
        self.block_ns -= blocks * now_ns
        self.running_ns -= now_ns
        if self.cache is not None:
            self.cache.board(request)
            self.cache.trim(self.total_blocks - self.used_blocks)
        if request.first_scheduled_ns == NEVER:
            request.first_scheduled_ns = now_ns
        self.decisions.extend((now_ns, ADMITTED, request.id, self.replica_id))

    def place_chunk(self, request: Request, budget: int) -> int:
        """Gives ``request`` its next prefill chunk; returns its tokens, 0 to ``budget``."""
        chunk = request.prefill_target - request.kv_tokens
        if chunk > budget:
            chunk = budget
        if self.slot is not None and chunk > 0:
            chunk = self.slot.chunk(request, chunk, budget)
        if chunk > 0:
            self.chunks.append((request, chunk))
            return chunk
        self.prefills_later(request)
        return 0

    def preempt(self, victim: Request) -> None:
        """``victim`` loses its blocks and its place, and waits before all others."""
        half_prefilled = victim.decoding_since == NEVER
        if half_prefilled:
            self.prefilling.remove(victim)
        else:
            self.decodes.leave(victim)
        self.release(victim)
        self._restart(victim, half_prefilled)
        self.preemptions += 1
        self.preempted = True
        self.decisions.extend((self.now_ns, PREEMPTED, victim.id, self.replica_id))
        if self.can_ever_admit(victim):
            self.waiting.appendleft(victim)
            if self.slot is not None:
                self.slot.returned(victim)
        else:
            self.outgrown.append(victim)
            if self.slot is not None:
                self.slot.due = True

    def place_decodes(self) -> None:
        """Gives every decode the room for its next token, in order, preempting while blocks are lacking."""
        decodes = self.decodes
        blocks = decodes.growth[decodes.steps % self.block_tokens]
        used_blocks = self.used_blocks + blocks
        if used_blocks + self.vidur_compat <= self.total_blocks:
            self.used_blocks = used_blocks
            self.block_ns -= blocks * self.now_ns
            if self.cache is not None:
                self.cache.trim(self.total_blocks - used_blocks)
        elif self.vidur_compat or self.slot is not None:
            self._place_decodes_in_order()
        else:
            self._place_decodes_from_the_end(blocks)

    def _place_decodes_from_the_end(self, blocks: int) -> None:
        """Without a policy the victim is the last in order and never one that is placed, so only the last are looked
        at: what lacks a block, ``blocks`` of the decodes at first, is the rest of those that need one."""
        running, phase = self.running, self.decodes.growing_phase()
        while True:
            taken = min(blocks, self.total_blocks - self.used_blocks)
            self.take(taken)
            blocks -= taken
            if not blocks:
                return
            blocks -= running[-1].growth_phase == phase
            self.preempt(running[-1])

    def _place_decodes_in_order(self) -> None:
        phase = self.decodes.growing_phase()
        for request in self._asking_for_blocks(phase):
            grows = request.growth_phase == phase
            if request.decoding_since != NEVER and self._free_a_block_for(request) and grows:
                self.take(1)

    def _asking_for_blocks(self, phase: int) -> list[Request]:
        """Decodes that need a free block before they are placed; under Vidur's rules also those that won't take it."""
        if self.vidur_compat:
            return [request for request in self.running if request.decoding_since != NEVER]
        return [request for request in self.running if request.growth_phase == phase]

    def victim_for(self, unplaced: list[Request]) -> Request:
        """Whom to preempt of ``unplaced``, the running requests that aren't placed yet, in running order."""
        if self.slot is None or not self.slot.picks_victims:
            return unplaced[-1]
        return self.slot.victim(unplaced)

    def most_iterations(self) -> int:
        """Decode iterations that may pass, as far as a policy or a preemption is concerned, before the next composition
        must be looked at for itself."""
        if self.preempted and self.waiting and self.admits_next_time:
            return 1
        if self.slot is None or not self.budget_left():
            return MANY
        if self.prefilling and self.slot.chunks:
            return 1
        if self.slot.admits and self.waiting and len(self.running) < self.seats and self.slot.any_fits():
            return self.slot.iterations_to_wake()
        return MANY

    def _free_a_block_for(self, request: Request) -> bool:
        """Preempts until a block is free; False if that cost ``request`` itself its place."""
        while self.used_blocks == self.total_blocks:
            place = self.running.place_of(request)
            before = [r for r in self.running[:place] if r.decoding_since == NEVER]
            victim = self.victim_for(before + self.running[place:])
            self.preempt(victim)
            if victim is request:
                return False
        return True

    def _restart(self, victim: Request, half_prefilled: bool) -> None:
        victim.lose_cache()
