"""One request inside the simulated cluster: what it asks for, how far it is, and when things happened to it.

Token accounting (the field's order of events, and Vidur's):

* ``kv_tokens`` counts tokens whose keys and values are in the replica's cache. Prefill raises it to
  ``prefill_target``; the iteration that completes the prefill also yields the next output token.
* A decode iteration feeds the newest output token: its KV is appended (``kv_tokens + 1``) and one more output
  token is yielded. So after ``k`` output tokens without a restart ``kv_tokens == prompt_tokens + k - 1``, and the
  last output token's KV is never computed.
* A preempted request loses its cache and must prefill ``prompt_tokens + generated_tokens``; the end of that
  prefill yields output token ``generated_tokens + 1``. TTFT keeps its first value.
"""

from __future__ import annotations

from typing import Literal

from sim.api import HeldRequest, ReplicaRequest

Outcome = Literal["finished", "rejected", "unfinished"]
NEVER = -1


class Request:
    """Mutable on purpose: the engine's inner loop counts tokens here. Times are ns; -1 means not yet.

    Ids are given in order of arrival, so comparing ids is comparing (arrival, id).
    """

    __slots__ = (
        "arrival_ns",
        "blocks",
        "finish_ns",
        "first_scheduled_ns",
        "first_token_ns",
        "generated_tokens",
        "id",
        "kv_tokens",
        "lost_kv_tokens",
        "outcome",
        "output_tokens",
        "prefill_target",
        "prompt_tokens",
        "replica",
        "restarts",
        "routed_ns",
    )

    def __init__(self, request_id: int, arrival_ns: int, prompt_tokens: int, output_tokens: int) -> None:
        self.id = request_id
        self.arrival_ns = arrival_ns
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens
        self.prefill_target = prompt_tokens
        self.kv_tokens = 0
        self.lost_kv_tokens = 0
        self.generated_tokens = 0
        self.blocks = 0
        self.restarts = 0
        self.replica = NEVER
        self.routed_ns = NEVER
        self.first_scheduled_ns = NEVER
        self.first_token_ns = NEVER
        self.finish_ns = NEVER
        self.outcome: Outcome | None = None

    def lose_cache(self) -> None:
        """Preemption by recompute: everything cached is dropped, everything generated is kept.

        The new target is prompt + generated also for a request caught in the middle of its prefill.
        """
        self.lost_kv_tokens = max(self.lost_kv_tokens, self.kv_tokens)
        self.kv_tokens = 0
        self.blocks = 0
        self.restarts += 1
        self.prefill_target = self.prompt_tokens + self.generated_tokens

    def as_held(self) -> HeldRequest:
        """What the router may see of it while it is held."""
        return HeldRequest(self.id, self.arrival_ns, self.prompt_tokens)

    def as_placed(self) -> ReplicaRequest:
        """What the router may see of it once it is on a replica."""
        processed = max(self.kv_tokens, self.lost_kv_tokens)
        return ReplicaRequest(self.id, self.arrival_ns, self.prompt_tokens, processed, self.restarts)
