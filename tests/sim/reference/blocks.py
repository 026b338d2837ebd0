"""The KV blocks of one replica and the units of its prefix cache: nothing is counted that can be looked up.

Who holds what is written down with the running requests (``blocks``, ``units``). Here is only what nobody refers to.
"""

from __future__ import annotations

from tests.sim.reference.request import Request


class Blocks:
    """``running``: the replica's own list. ``unreferenced``: ids of cached units in their order of eviction."""

    def __init__(self, total: int, block_tokens: int, running: list[Request], *, caching: bool) -> None:
        self.total = total
        self.block_tokens = block_tokens
        self.unreferenced: list[int] = []
        self._running = running
        self._caching = caching

    def needed(self, tokens: int) -> int:
        return -(-tokens // self.block_tokens)

    def referenced(self) -> set[int]:
        """Ids of the cached units that a request on the replica refers to."""
        return {request.content[unit] for request in self._running for unit in request.units}

    @property
    def used(self) -> int:
        own = sum(request.blocks - len(request.units) * self._unit_blocks(request) for request in self._running)
        shared = {
            request.content[unit]: self._unit_blocks(request) for request in self._running for unit in request.units
        }
        return own + sum(shared.values())

    @property
    def free(self) -> int:
        return self.total - self.used

    def take(self, request: Request, blocks: int) -> None:
        """Gives blocks to a running request; what nobody refers to makes room, in order, once nothing else does."""
        request.blocks += blocks
        while self.unreferenced and self.used + self._unit_blocks(request) * len(self.unreferenced) > self.total:
            self.unreferenced.pop(0)
        assert self.used <= self.total, f"request {request.id} took {blocks} blocks more than there are"

    def hit(self, request: Request) -> int:
        """The units that the request would get if it were admitted now."""
        if not self._caching or not request.content_block_tokens:
            return 0
        cached = self.referenced().union(self.unreferenced)
        units = 0
        for content in request.content[: (request.prefill_target - 1) // request.content_block_tokens]:
            if content not in cached:
                break
            units += 1
        return units

    def needed_free(self, request: Request, blocks: int) -> int:
        """Of ``blocks`` for the request's admission those that must be free: a hit that is used anyway costs none."""
        used_anyway = self.referenced().intersection(request.content[: self.hit(request)])
        return blocks - len(used_anyway) * self._unit_blocks(request)

    def refer_to_hit(self, request: Request) -> None:
        """The request, running already, starts with the units that are cached for it."""
        units = self.hit(request)
        for unit in range(units):
            request.units.add(unit)
            if request.content[unit] in self.unreferenced:
                self.unreferenced.remove(request.content[unit])
        request.blocks = units * self._unit_blocks(request)
        request.kv_tokens = units * request.content_block_tokens

    def enter(self, request: Request, first: int, end: int) -> None:
        """Caches the request's own units from ``first`` up to ``end``, unless those ids are cached already."""
        if not self._caching:
            return
        for unit in range(first, min(end, len(request.content))):
            content = request.content[unit]
            if content not in self.referenced() and content not in self.unreferenced:
                request.units.add(unit)

    def release(self, request: Request) -> None:
        """Takes everything from a request that still runs: units that have no id in the cache enter it before."""
        if request.content_block_tokens:
            size = request.content_block_tokens
            self.enter(request, request.prompt_tokens // size, request.kv_tokens // size)
        for unit in sorted(request.units, reverse=True):
            request.units.remove(unit)
            request.blocks -= self._unit_blocks(request)
            if request.content[unit] not in self.referenced():
                self.unreferenced.append(request.content[unit])
        request.blocks = 0

    def _unit_blocks(self, request: Request) -> int:
        return request.content_block_tokens // self.block_tokens
