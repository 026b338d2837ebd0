"""One request inside the naive cluster: what it asks for, how far it is, and when things happened to it."""

from __future__ import annotations

from sim.api import NO_SLO, HeldRequest, ReplicaRequest

NEVER = -1


class Request:
    """Ids are given in order of arrival, so comparing ids is comparing (arrival, id). Times are ns; -1 means not yet.

    ``prefill_target``: tokens to prefill, ``yielded``: output tokens since then that it has and ``to_yield`` those
    that it finishes with. These differ from the workload's lengths only for a victim under ``vidur_compat``.
    ``generated_tokens`` counts every token that was ever yielded. ``blocks``: all KV blocks that it holds; ``units``:
    positions of the cached units among them.
    """

    def __init__(
        self,
        request_id: int,
        arrival_ns: int,
        prompt_tokens: int,
        output_tokens: int,
        *,
        priority: int = 0,
        session: int = -1,
        ttft_slo_ns: int = NO_SLO,
        content: tuple[int, ...] = (),
        content_block_tokens: int = 0,
    ) -> None:
        self.id = request_id
        self.arrival_ns = arrival_ns
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens
        self.priority = priority
        self.session = session
        self.ttft_slo_ns = ttft_slo_ns
        self.content = content
        self.content_block_tokens = content_block_tokens

        self.prompt = prompt_tokens
        self.to_yield = output_tokens
        self.yielded = 0
        self.prefill_target = prompt_tokens
        self.kv_tokens = 0
        self.blocks = 0
        self.units: set[int] = set()

        self.generated_tokens = 0
        self.lost_kv_tokens = 0
        self.restarts = 0
        self.crash_restarts = 0
        self.cached_tokens = NEVER
        self.replica = NEVER
        self.routed_ns = NEVER
        self.first_scheduled_ns = NEVER
        self.first_token_ns = NEVER
        self.finish_ns = NEVER
        self.outcome: str | None = None

    @property
    def decodes(self) -> bool:
        """Whether its prefill is complete."""
        return self.kv_tokens >= self.prefill_target

    def yield_token(self, now_ns: int) -> None:
        self.yielded += 1
        self.generated_tokens += 1
        if self.first_token_ns == NEVER:
            self.first_token_ns = now_ns

    def lose_cache(self) -> None:
        """Everything cached is dropped, everything generated is kept and must be prefilled too."""
        self.lost_kv_tokens = max(self.lost_kv_tokens, self.kv_tokens)
        self.kv_tokens = 0
        self.blocks = 0
        self.units.clear()
        self.restarts += 1
        self.prefill_target = self.prompt + self.yielded

    def restart_as_vidur_does(self) -> None:
        """A half-prefilled victim: what was processed becomes the prompt, all else output that is still to come."""
        whole = self.prompt + self.to_yield
        self.prompt, self.to_yield, self.yielded = self.kv_tokens, whole - self.kv_tokens, 0

    def as_held(self) -> HeldRequest:
        """What a router may see of it while it is held."""
        size = self.content_block_tokens
        return HeldRequest(
            id=self.id,
            arrival_ns=self.arrival_ns,
            prompt_tokens=self.prompt_tokens,
            priority=self.priority,
            session=self.session,
            ttft_slo_ns=self.ttft_slo_ns,
            prefix_hashes=self.content[: self.prompt_tokens // size] if size else (),
            restarts=self.restarts,
        )

    def as_placed(self) -> ReplicaRequest:
        """What a policy may see of it once it is on a replica."""
        return ReplicaRequest(
            id=self.id,
            arrival_ns=self.arrival_ns,
            prompt_tokens=self.prompt_tokens,
            processed_tokens=max(self.kv_tokens, self.lost_kv_tokens),
            restarts=self.restarts,
            priority=self.priority,
            session=self.session,
            ttft_slo_ns=self.ttft_slo_ns,
        )
