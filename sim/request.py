"""One request inside the simulated cluster: what it asks for, how far it is, and when things happened to it.

Token accounting (the field's order of events, and Vidur's):

* ``kv_tokens`` counts tokens whose keys and values are in the replica's cache. Prefill raises it to
  ``prefill_target``; the iteration that completes the prefill also yields the next output token.
* A decode iteration feeds the newest output token: its KV is appended (``kv_tokens + 1``) and one more output
  token is yielded. So after ``k`` output tokens without a restart ``kv_tokens == prompt_tokens + k - 1``, and the
  last output token's KV is never computed.
* A preempted request loses its cache and must prefill ``prompt_tokens + generated_tokens``; the end of that
  prefill yields output token ``generated_tokens + 1``. TTFT keeps its first value.

While a request decodes, ``kv_tokens`` and ``generated_tokens`` rest at what they were when it began to: the tokens
since then follow from its replica's lockstep clock (see :mod:`sim.lockstep`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Literal

from sim.api import NO_SLO, HeldRequest, ReplicaRequest

if TYPE_CHECKING:
    from sim.workload import Workload

Outcome = Literal["finished", "rejected", "unfinished"]
NEVER = -1


class Request:
    """Mutable on purpose: the engine keeps its state here. Times are ns; -1 means not yet.

    Ids are given in order of arrival, so comparing ids is comparing (arrival, id). ``decoding_since`` and
    ``growth_phase`` belong to :mod:`sim.lockstep`; they are -1 while the request doesn't decode. ``order``: its place
    among the running requests of a replica, a smaller number before a larger one. ``content``: the ids of the full
    content blocks of prompt and output. ``cached_tokens``: what the prefix cache gave it when it was first admitted,
    -1 before and without a cache. ``shown``: what policies were shown of it since it waits, None if nothing.
    """

    __slots__ = (
        "arrival_ns",
        "cached_tokens",
        "content",
        "decoding_since",
        "finish_ns",
        "first_scheduled_ns",
        "first_token_ns",
        "generated_tokens",
        "growth_phase",
        "id",
        "kv_tokens",
        "lost_kv_tokens",
        "order",
        "outcome",
        "output_tokens",
        "prefill_target",
        "priority",
        "prompt_tokens",
        "replica",
        "restarts",
        "routed_ns",
        "session",
        "shown",
        "ttft_slo_ns",
    )

    def __init__(
        self,
        request_id: int,
        arrival_ns: int,
        prompt_tokens: int,
        output_tokens: int,
        priority: int = 0,
        session: int = -1,
        ttft_slo_ns: int = NO_SLO,
        content: Sequence[int] = (),
    ) -> None:
        self.id = self.order = request_id
        self.arrival_ns = arrival_ns
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens
        self.priority = priority
        self.session = session
        self.ttft_slo_ns = ttft_slo_ns
        self.content = content
        self.cached_tokens = NEVER
        self.prefill_target = prompt_tokens
        self.kv_tokens = 0
        self.lost_kv_tokens = 0
        self.generated_tokens = 0
        self.decoding_since = NEVER
        self.growth_phase = NEVER
        self.restarts = 0
        self.replica = NEVER
        self.routed_ns = NEVER
        self.first_scheduled_ns = NEVER
        self.first_token_ns = NEVER
        self.finish_ns = NEVER
        self.outcome: Outcome | None = None
        self.shown: ReplicaRequest | None = None

    def lose_cache(self) -> None:
        """Preemption by recompute: everything cached is dropped, everything generated is kept.

        The new target is prompt + generated also for a request caught in the middle of its prefill.
        """
        self.lost_kv_tokens = max(self.lost_kv_tokens, self.kv_tokens)
        self.kv_tokens = 0
        self.shown = None
        self.restarts += 1
        self.prefill_target = self.prompt_tokens + self.generated_tokens

    def as_held(self, content_block_tokens: int = 0) -> HeldRequest:
        """What the router may see of it while it is held; ``content_block_tokens``: tokens per id of the content."""
        prefix: tuple[int, ...] = ()
        if self.content:
            prefix = tuple(self.content[: self.prompt_tokens // content_block_tokens])
        return HeldRequest(
            self.id,
            self.arrival_ns,
            self.prompt_tokens,
            self.priority,
            self.session,
            self.ttft_slo_ns,
            prefix,
            self.restarts,
        )

    def as_waiting(self) -> ReplicaRequest:
        """What a policy may see of it while it waits on a replica: that stays the same, so it is made once."""
        if self.shown is None:
            self.shown = self.as_placed()
        return self.shown

    def as_placed(self, steps: int = NEVER) -> ReplicaRequest:
        """What a policy may see of it once it is on a replica; ``steps``: the replica's lockstep clock."""
        since = self.decoding_since
        cached = self.kv_tokens if since == NEVER else self.kv_tokens + steps - since
        return ReplicaRequest(
            self.id,
            self.arrival_ns,
            self.prompt_tokens,
            max(cached, self.lost_kv_tokens),
            self.restarts,
            self.priority,
            self.session,
            self.ttft_slo_ns,
        )


def requests_of(workload: Workload) -> list[Request]:
    """The requests of ``workload``, their ids counting from 0."""
    must = (workload.arrival_ns, workload.prompt_tokens, workload.output_tokens)
    may = ((workload.priority, 0), (workload.session, -1), (workload.ttft_slo_ns, NO_SLO))
    columns = [column.tolist() for column in must]
    columns += [repeat(default, len(workload)) if column is None else column.tolist() for column, default in may]
    content = repeat((), len(workload)) if workload.content is None else workload.content
    return [Request(index, *row) for index, row in enumerate(zip(*columns, content, strict=True))]
