"""The prefix cache of one replica: which units of content are there, who refers to them, and which goes next.

A unit is the KV blocks of one content id (``docs/simulator-rules.md``, Prefix caching). An id stands for its block *and
all before it*, so a prefix is found by looking up ids one after the other, without any chain of hashes. Work is
proportional to the units of a request, at its admission, when prefill chunks end and when it leaves; decodes cost
nothing.

Invariant: a unit is idle, in the order of eviction, exactly while no request refers to it. Idle units count as free
blocks; :meth:`PrefixCache.trim` evicts those for which too few unused blocks are left.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import NamedTuple

from sim.request import NEVER, Request


class Hit(NamedTuple):
    """``units`` at the head of a request's content are there; somebody refers to ``shared`` of these."""

    units: int
    shared: int


class _Aboard(NamedTuple):
    """A request on the replica: the units it was given, and all that it refers to, by position."""

    hit_units: int
    refers: list[int]


class PrefixCache:
    """``unit_tokens`` (G) tokens and ``unit_blocks`` blocks make a unit."""

    __slots__ = ("_aboard", "_idle", "_referrers", "hit_tokens", "query_tokens", "unit_blocks", "unit_tokens")

    def __init__(self, unit_tokens: int, unit_blocks: int) -> None:
        self.unit_tokens = unit_tokens
        self.unit_blocks = unit_blocks
        self.query_tokens = self.hit_tokens = 0
        self._referrers: dict[int, int] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._aboard: dict[int, _Aboard] = {}

    def lookup(self, request: Request) -> Hit:
        """The hit that ``request`` would get: whole units of at most its prefill less one token."""
        referrers = self._referrers
        units = shared = 0
        for unit in islice(request.content, (request.prefill_target - 1) // self.unit_tokens):
            count = referrers.get(unit)
            if count is None:
                break
            units += 1
            if count:
                shared += 1
        return Hit(units, shared)

    def shared_blocks(self, request: Request) -> int:
        """Blocks of its hit that need not be free for ``request`` to be admitted, because they are in use."""
        return self.lookup(request).shared * self.unit_blocks

    def board(self, request: Request) -> None:
        """``request`` is admitted: it refers to the units of its hit and begins with their tokens."""
        hit = self.lookup(request)
        refers = list(request.content[: hit.units])
        referrers = self._referrers
        for unit in refers:
            count = referrers[unit]
            if not count:
                del self._idle[unit]
            referrers[unit] = count + 1
        self._aboard[request.id] = _Aboard(hit.units, refers)
        request.kv_tokens = hit.units * self.unit_tokens
        self.query_tokens += request.prefill_target
        self.hit_tokens += request.kv_tokens
        if request.cached_tokens == NEVER:
            request.cached_tokens = request.kv_tokens

    def computed(self, request: Request, before_tokens: int) -> None:
        """A chunk of ``request`` ended that began at ``before_tokens``: the prompt's units that it completed enter."""
        end_tokens = min(request.kv_tokens, request.prompt_tokens)
        self._enter(request, before_tokens // self.unit_tokens, end_tokens // self.unit_tokens)

    def leave(self, request: Request) -> int:
        """``request`` ends or is preempted: its other units enter, then all are released, tail first.

        Returns how many of its blocks stay in use, because others refer to them.
        """
        hit_units = self._aboard[request.id].hit_units
        first = max(hit_units, request.prompt_tokens // self.unit_tokens)
        self._enter(request, first, request.kv_tokens // self.unit_tokens)
        still_used = 0
        referrers = self._referrers
        for unit in reversed(self._aboard.pop(request.id).refers):
            count = referrers[unit] = referrers[unit] - 1
            if count:
                still_used += 1
            else:
                self._idle[unit] = None
        return still_used * self.unit_blocks

    def trim(self, unused_blocks: int) -> None:
        """Evicts, in order, what doesn't fit into the blocks that no request uses."""
        most = unused_blocks // self.unit_blocks
        while len(self._idle) > most:
            unit, _ = self._idle.popitem(last=False)
            del self._referrers[unit]

    def clear(self) -> None:
        """Nothing is cached any more, and nobody refers to anything."""
        self._referrers.clear()
        self._idle.clear()
        self._aboard.clear()

    def doubled_blocks(self) -> int:
        """Blocks that several requests use, counted once for every request after the first."""
        return self.unit_blocks * sum(count - 1 for count in self._referrers.values() if count)

    def _enter(self, request: Request, first: int, end: int) -> None:
        """Units ``first`` to ``end`` of ``request`` enter; where the id is there already, its copy stays its own."""
        if first >= end:
            return
        referrers, refers = self._referrers, self._aboard[request.id].refers
        for unit in request.content[first:end]:
            if unit not in referrers:
                referrers[unit] = 1
                refers.append(unit)
