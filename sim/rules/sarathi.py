"""``sarathi``: all decodes, then running prefills, then admissions, as far as the token budget reaches (Vidur's)."""

from __future__ import annotations

from sim.composer import Composer
from sim.request import NEVER, Request


class Sarathi(Composer):
    """The blocks of a whole prefill are taken at admission."""

    __slots__ = ()

    def blocks_of(self, request: Request) -> int:
        kv_tokens, target = request.kv_tokens, request.prefill_target
        return -(-(kv_tokens if kv_tokens > target else target) // self.block_tokens)

    def compose(self) -> None:
        if self.decodes.size:
            self.place_decodes()
        budget = self.token_budget - self.decodes.size
        if self.prefilling:
            budget = self._place_prefills(budget)
        if self.waiting and budget > 0 and len(self.running) < self.seats:
            self._admit(budget)

    def _place_prefills(self, budget: int) -> int:
        for request in self.prefilling:
            budget -= self.place_chunk(request, budget)
        return budget

    def _admit(self, budget: int) -> None:
        queue, running = self.queue(), self.running
        while queue and budget > 0 and len(running) < self.seats:
            request = queue[0]
            blocks = -(-request.prefill_target // self.block_tokens)
            if self.cache is not None:
                blocks -= self.cache.shared_blocks(request)
            if self.total_blocks - self.used_blocks - blocks < self.watermark_blocks:
                return
            self.admit(queue, blocks)
            budget -= self.place_chunk(request, budget)


class VidurSarathi(Sarathi):
    """``sarathi`` as Vidur has it: running requests in the order of the last batch, half a prompt as a whole one."""

    orders_by_admission = True
    __slots__ = ()

    def _place_prefills(self, budget: int) -> int:
        """The batch's order is decodes, prefills, admissions; prefills that the budget didn't reach come before."""
        budget = super()._place_prefills(budget)
        placed = [request for request, _ in self.chunks]
        skipped = sorted((r for r in self.prefilling if r not in placed), key=lambda request: request.id)
        if skipped or self.running[-len(placed) :] != placed:
            decoding = [request for request in self.running if request.decoding_since != NEVER]
            self.prefilling[:] = skipped + placed
            self.reorder(skipped + decoding + placed)
        return budget

    def _restart(self, victim: Request, half_prefilled: bool) -> None:
        """What was processed becomes the prompt, the rest of the prompt output: as if that had been generated less."""
        processed = victim.kv_tokens
        victim.lose_cache()
        if half_prefilled and processed:
            own_tokens = processed - victim.prompt_tokens
            self.forgotten_tokens += victim.generated_tokens - own_tokens
            victim.generated_tokens = own_tokens
            victim.prefill_target = processed
