"""``vllm-v1``: one pass over the running requests under one budget, then admissions (current vLLM)."""

from __future__ import annotations

from sim.composer import Composer
from sim.request import NEVER, Request


class VllmV1(Composer):
    """Blocks are taken as tokens need them; running requests are in order of admission.

    Without a policy at most one request is half-prefilled and it is the last: its chunk left no budget for another. So
    the decodes, all before it, are placed at once as counters; the requests are gone through one by one only if a block
    is lacking, or where a policy's chunks left a half-prefilled request before a decode.
    """

    orders_by_admission = True
    admits_next_time = True
    has_vidur_form = False
    __slots__ = ()

    def blocks_of(self, request: Request) -> int:
        return -(-request.kv_tokens // self.block_tokens)

    def compose(self) -> None:
        budget = self._place_running()
        if self.waiting and not self.preempted and budget > 0 and len(self.running) < self.seats:
            self._admit(budget)

    def _place_running(self) -> int:
        """Step 1; returns the budget that is left."""
        prefilling = self.prefilling
        decodes_first = not prefilling or self.running[-len(prefilling) :] == prefilling
        if not decodes_first or self.decodes.size > self.token_budget:
            return self._place_in_order(list(self.running), self.token_budget, set())
        if self.decodes.size:
            self.place_decodes()
        budget = self.token_budget - self.decodes.size
        if not prefilling:
            return budget
        placed = {request for request in self.running if request.decoding_since != NEVER}
        return self._place_in_order(list(prefilling), budget, placed)

    def _place_in_order(self, requests: list[Request], budget: int, placed: set[Request]) -> int:
        """Places ``requests``, in running order, beside those that are placed; returns the budget that is left."""
        gone: set[Request] = set()
        passed_over: list[Request] = []
        for request in requests:
            if request in gone:
                continue
            decodes = request.decoding_since != NEVER
            need = min(1, budget) if decodes else self._next_chunk(request, budget)
            if need:
                if self._take_blocks_for(request, need, placed, gone):
                    placed.add(request)
                    budget -= need
                    if not decodes:
                        self.chunks.append((request, need))
            elif decodes:
                passed_over.append(request)
        for request in passed_over:
            if request not in gone:
                self.decodes.leave(request)
                self.paused.append(request)
        return budget

    def _next_chunk(self, request: Request, budget: int) -> int:
        chunk = min(request.prefill_target - request.kv_tokens, budget)
        return chunk if self.slot is None or not chunk else self.slot.chunk(request, chunk, budget)

    def _take_blocks_for(self, request: Request, need: int, placed: set[Request], gone: set[Request]) -> bool:
        """Takes the blocks for ``need`` more tokens, preempting while they are lacking; False if ``request`` went."""
        if request.decoding_since != NEVER:
            blocks = int(request.growth_phase == self.decodes.growing_phase())
        else:
            blocks = -(-(request.kv_tokens + need) // self.block_tokens) - self.blocks_of(request)
        while self.total_blocks - self.used_blocks < blocks:
            victim = self.victim_for([other for other in self.running if other not in placed])
            gone.add(victim)
            self.preempt(victim)
            if victim is request:
                return False
        self.take(blocks)
        return True

    def _admit(self, budget: int) -> None:
        queue, running = self.queue(), self.running
        while queue and budget > 0 and len(running) < self.seats:
            request = queue[0]
            shared_blocks = 0 if self.cache is None else self.cache.shared_blocks(request)
            whole_blocks = -(-request.prefill_target // self.block_tokens) - shared_blocks
            if self.total_blocks - self.used_blocks - whole_blocks < self.watermark_blocks:
                return
            self.admit(queue, 0)
            hit_blocks = request.kv_tokens // self.block_tokens
            self.take(hit_blocks - shared_blocks)
            chunk = self.place_chunk(request, budget)
            self.take(-(-(request.kv_tokens + chunk) // self.block_tokens) - hit_blocks)
            budget -= chunk
