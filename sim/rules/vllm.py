"""``vllm``: prefill first, whole prompts, while decodes wait (vLLM before its chunked prefill, as Vidur has it)."""

from __future__ import annotations

from sim.composer import Composer
from sim.request import Request


class Vllm(Composer):
    """An iteration either prefills what was just admitted or decodes everything that runs."""

    admits_next_time = True
    __slots__ = ()

    def blocks_of(self, request: Request) -> int:
        kv_tokens, target = request.kv_tokens, request.prefill_target
        return -(-(kv_tokens if kv_tokens > target else target) // self.block_tokens)

    def budget_left(self) -> bool:
        return True

    def compose(self) -> None:
        if self.waiting and len(self.running) < self.seats:
            self._admit()
        self.decodes_run = not self.chunks
        if self.decodes_run and self.decodes.size:
            self.place_decodes()

    def _admit(self) -> None:
        longest = 0
        queue = self.queue()
        while queue and len(self.running) < self.seats:
            request = queue[0]
            target = request.prefill_target
            if self._too_many_tokens(max(longest, target)):
                return
            blocks = -(-target // self.block_tokens)
            if self.cache is not None:
                blocks -= self.cache.shared_blocks(request)
            if self.total_blocks - self.used_blocks - blocks < self.watermark_blocks:
                return
            self.admit(queue, blocks)
            self.chunks.append((request, target - request.kv_tokens))
            longest = max(longest, target)

    def _too_many_tokens(self, longest: int) -> bool:
        """Whether one more prompt makes the batch too large, padded to ``longest``; to Vidur even one alone may be."""
        if not self.chunks and not self.vidur_compat:
            return False
        return (len(self.chunks) + 1) * longest > self.token_budget
