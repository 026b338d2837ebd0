"""An iteration's time as a sum of integer terms, each rounded once.

========================  ============================================================================================
tokens                    by the tokens in the batch: a table, and a rule for more tokens than it has
decodes                   once if any request decodes, and for each that does
decode attention          per KV token that the decoding requests read
prefills                  once if there is any, for each, and for each of their tokens
prefill attention         per pair of a chunk's token with one before it (half of its own chunk on average)
========================  ============================================================================================

Linear in the context although the price of a KV token need be no whole number of ns: a batch of n decodes has a *step*,
n times that price, rounded, in ns, by which every next iteration is longer, and reads K tokens in ``step * K // n`` ns.
K + n tokens then take exactly one step more, whatever K is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

FS_PER_NS = 10**6


@dataclass(frozen=True, slots=True)
class Terms:
    """What isn't the table: ns, or femtoseconds (fs) where a ns would be too coarse; 0 leaves a term out."""

    decodes_ns: int = 0
    each_decode_ns: int = 0
    decode_fs_per_kv_token: int = 0
    prefills_ns: int = 0
    each_prefill_ns: int = 0
    prefill_fs_per_token: int = 0
    prefill_fs_per_pair: int = 0

    def scaled(self, percent: int) -> Terms:
        """Each at ``percent`` of itself, rounded down."""
        return Terms(*(getattr(self, name) * percent // 100 for name in self.__slots__))


class TermsCost:
    """The iteration time of one GPU and model; always the same answers.

    ``tokens_ns[n]``: time of the tokens term for n tokens, n from 1; ``beyond(n)`` the same for those the table lacks.
    """

    __slots__ = ("_beyond", "_only_decodes", "_terms", "_tokens_ns")

    def __init__(self, tokens_ns: Sequence[int], beyond: Callable[[int], int], terms: Terms) -> None:
        self._tokens_ns = tokens_ns
        self._beyond = beyond
        self._terms = terms
        self._only_decodes: dict[int, tuple[int, int]] = {}
        """By number of decodes, as far as it was asked for: what an iteration of nothing but them takes whatever their
        context, and the step."""

    @property
    def linear(self) -> bool:
        return True

    def linear_ns(self, tokens: int) -> int:
        """The tokens term for a batch of ``tokens`` tokens (at least 1), in ns."""
        table = self._tokens_ns
        return table[tokens] if tokens < len(table) else self._beyond(tokens)

    def decodes_ns(self, decodes: int, context_tokens: int) -> tuple[int, int]:
        """Times of consecutive iterations of the same decodes (:class:`sim.cost.Cost`)."""
        alone = self._only_decodes.get(decodes)
        if alone is None:
            fixed_ns, step_ns = self._priced(decodes)
            alone = self._only_decodes[decodes] = self.linear_ns(decodes) + fixed_ns, step_ns
        fixed_ns, step_ns = alone
        return fixed_ns + step_ns * context_tokens // decodes, step_ns

    def iteration_ns(
        self,
        decodes: int,
        decode_context_tokens: int,
        prefills: int,
        prefill_tokens: int,
        prefill_half_pairs: int,
    ) -> int:
        """Time of one iteration in ns (:class:`sim.cost.Cost`)."""
        tokens, table = decodes + prefill_tokens, self._tokens_ns
        total_ns = table[tokens] if tokens < len(table) else self._beyond(tokens)
        if decodes:
            fixed_ns, step_ns = self._priced(decodes)
            total_ns += fixed_ns + step_ns * decode_context_tokens // decodes
        if prefills:
            terms = self._terms
            total_ns += terms.prefills_ns + terms.each_prefill_ns * prefills
            total_ns += terms.prefill_fs_per_token * prefill_tokens // FS_PER_NS
            total_ns += terms.prefill_fs_per_pair * prefill_half_pairs // (2 * FS_PER_NS)
        return total_ns

    def scaled(self, percent: int) -> TermsCost:
        """Every term at ``percent`` of its time, each rounded down by itself: the whole stays linear."""
        beyond = self._beyond
        tokens_ns = [max(1, ns * percent // 100) for ns in self._tokens_ns]
        return TermsCost(tokens_ns, lambda n: max(1, beyond(n) * percent // 100), self._terms.scaled(percent))

    def _priced(self, decodes: int) -> tuple[int, int]:
        terms = self._terms
        step_ns = (terms.decode_fs_per_kv_token * decodes + FS_PER_NS // 2) // FS_PER_NS
        return terms.decodes_ns + terms.each_decode_ns * decodes, step_ns
