"""``orca``: whole prompts beside decodes, and every request's memory reserved when it is admitted."""

from __future__ import annotations

from sim.composer import Composer
from sim.hooks import SchedulerHooks
from sim.lockstep import ReservedLockstep
from sim.request import Request
from sim.scenario import ClusterSpec, EngineSpec


class Orca(Composer):
    """A request holds its reservation while it runs, whatever it needs; nothing is ever preempted."""

    orders_by_admission = True
    __slots__ = ("_reserved_tokens",)

    def __init__(
        self,
        replica_id: int,
        cluster: ClusterSpec,
        engine: EngineSpec,
        hooks: SchedulerHooks | None,
        decisions: list[int],
        content_block_tokens: int,
    ) -> None:
        super().__init__(replica_id, cluster, engine, hooks, decisions, content_block_tokens)
        self._reserved_tokens = engine.reserved_tokens
        self.decodes = ReservedLockstep(cluster.block_tokens)
        self.watermark_blocks = 0

    def blocks_of(self, request: Request) -> int:
        tokens = max(self._reserved_tokens, request.prompt_tokens + request.output_tokens)
        return -(-tokens // self.block_tokens)

    def blocks_to_admit(self, request: Request) -> int:
        return self.blocks_of(request)

    def can_ever_admit(self, request: Request) -> bool:
        return self.blocks_of(request) <= self.total_blocks

    @property
    def most_prompt_tokens(self) -> int:
        tokens = super().most_prompt_tokens
        return tokens if tokens >= self._reserved_tokens else 0

    def budget_left(self) -> bool:
        return True

    def compose(self) -> None:
        if not self.waiting or len(self.running) >= self.seats:
            return
        queue = self.queue()
        while queue and len(self.running) < self.seats:
            request = queue[0]
            blocks = self.blocks_of(request)
            if self.cache is not None:
                blocks -= self.cache.shared_blocks(request)
            if self.total_blocks - self.used_blocks < blocks:
                return
            self.admit(queue, blocks)
            self.chunks.append((request, request.prefill_target - request.kv_tokens))
