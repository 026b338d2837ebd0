"""What a replica asks of an iteration's cost."""

from __future__ import annotations

from typing import Protocol


class Cost(Protocol):
    """How long iterations take, as a replica asks it."""

    @property
    def linear(self) -> bool:
        """Whether :meth:`decodes_ns` holds: iterations are asked for one by one otherwise."""
        ...

    def decodes_ns(self, decodes: int, context_tokens: int) -> tuple[int, int]:
        """Times of consecutive iterations of the same decodes: the first, and how much each next one adds, in ns.

        ``context_tokens``: KV tokens that the first of them reads; every next one reads ``decodes`` more. Equal to
        :meth:`iteration_ns` of each.
        """
        ...

    def iteration_ns(
        self,
        decodes: int,
        decode_context_tokens: int,
        prefills: int,
        prefill_tokens: int,
        prefill_half_pairs: int,
    ) -> int:
        """Time of one iteration in ns, at least 1.

        ``decodes`` requests decode one token each and read ``decode_context_tokens`` KV tokens; ``prefills`` requests
        compute ``prefill_tokens`` tokens of their prompts. ``prefill_half_pairs``: twice the token pairs of these
        chunks, sum of ``chunk * (2*kv_before + chunk)``, doubled so that it stays an integer.
        """
        ...

    def scaled(self, percent: int) -> Cost:
        """The same with every iteration at ``percent`` of its time, still exact in closed form."""
        ...
