"""The decoding requests of one replica, as counters: a decode iteration costs the same whatever the batch.

All decoding requests advance together, one token an iteration, so nothing has to be counted per request. ``steps``
is the replica's lockstep clock: iterations ended so far. A request that starts decoding at step s

* has ``kv_tokens + (steps - s)`` tokens in the cache, so the batch's context is one sum plus ``size * steps``;
* finishes at step ``s + output tokens to go``: a bucket per step, and a heap of the steps that have one;
* needs a new block whenever its tokens fill whole blocks, which is every ``block_tokens`` steps: ``_growth`` counts
  the requests by the step, modulo ``block_tokens``, at which they do.

While a request decodes, its own ``kv_tokens`` and ``generated_tokens`` rest at what they were when it joined
(``decoding_since`` is that step); :meth:`leave` and :meth:`advance` bring them up to date.
"""

from __future__ import annotations

from bisect import bisect_right
from heapq import heappop, heappush
from itertools import accumulate

from sim.request import NEVER, Request
from sim.stretch import Stretch


class Lockstep:
    """``size`` requests decode; ``steps`` counts the replica's iterations, with or without decodes."""

    __slots__ = ("_block_tokens", "_due", "_finishing", "_growth", "_offsets", "size", "steps")

    def __init__(self, block_tokens: int) -> None:
        self.steps = 0
        self.size = 0
        self._block_tokens = block_tokens
        self._offsets = 0
        """Sum over the requests of ``kv_tokens - steps``."""
        self._growth = [0] * block_tokens
        self._finishing: dict[int, list[Request]] = {}
        self._due: list[int] = []
        """Heap of the keys of ``_finishing``, and of some that were deleted."""

    def join(self, request: Request) -> None:
        """``request`` has prefilled and has output tokens to go: it decodes from the next iteration on."""
        request.decoding_since = self.steps
        self.size += 1
        offset = request.kv_tokens - self.steps
        self._offsets += offset
        self._growth[-offset % self._block_tokens] += 1
        last = self.steps + request.output_tokens - request.generated_tokens
        bucket = self._finishing.get(last)
        if bucket is None:
            self._finishing[last] = [request]
            heappush(self._due, last)
        else:
            bucket.append(request)

    def leave(self, request: Request) -> None:
        """``request`` stops decoding before its end; its token counts are brought up to date."""
        last = request.decoding_since + request.output_tokens - request.generated_tokens
        bucket = self._finishing[last]
        bucket.remove(request)
        if not bucket:
            del self._finishing[last]
        self._settle(request)

    def context_tokens(self) -> int:
        """KV tokens the next decode iteration reads, the new ones included."""
        return self._offsets + self.size * (self.steps + 1)

    def growth(self, start: int, count: int) -> int:
        """New blocks needed by the ``count`` iterations that follow the next ``start`` ones, if nobody leaves."""
        cycles, rest = divmod(count, self._block_tokens)
        low = (self.steps + start) % self._block_tokens
        high = low + rest
        blocks = cycles * self.size + sum(self._growth[low:high])
        return blocks + sum(self._growth[: high - self._block_tokens]) if high > self._block_tokens else blocks

    def needs_block(self, request: Request) -> bool:
        """Whether ``request`` decodes and has no room in its last block for its next token."""
        since = request.decoding_since
        return since != NEVER and (request.kv_tokens + self.steps - since) % self._block_tokens == 0

    def steps_to_finish(self) -> int:
        """Iterations until the next request finishes; at least one must be decoding."""
        due = self._due
        while due[0] not in self._finishing:
            heappop(due)
        return due[0] - self.steps

    def affordable(self, most: int, blocks: int) -> int:
        """How many of the next ``most`` iterations can run with ``blocks`` more blocks, if nobody leaves."""
        cycle = self._block_tokens
        cycles, blocks = divmod(blocks, self.size)
        if most <= cycles * cycle:
            return most
        low = self.steps % cycle
        needs = accumulate(self._growth[low:] + self._growth[:low])
        return min(most, cycles * cycle + bisect_right(list(needs), blocks))

    def growth_block_ns(self, stretch: Stretch) -> int:
        """Sum, over the blocks taken after the first iteration of ``stretch``, of the times they are taken, in
        block * ns; ``stretch`` starts at the present step."""
        cycle, after_first = self._block_tokens, stretch.count - 1
        if after_first <= cycle:
            return self._growth_block_ns_within_a_cycle(stretch)
        total = 0
        for index in range(1, cycle + 1):
            blocks = self._growth[(self.steps + index) % cycle]
            if blocks:
                total += blocks * stretch.sum_of_boundaries(index, cycle, (after_first - index) // cycle + 1)
        return total

    def _growth_block_ns_within_a_cycle(self, stretch: Stretch) -> int:
        total = 0
        growth, position, cycle = self._growth, self.steps % self._block_tokens, self._block_tokens
        t_ns, duration_ns = stretch.start_ns, stretch.first_ns
        for _ in range(stretch.count - 1):
            position += 1
            if position == cycle:
                position = 0
            t_ns += duration_ns
            duration_ns += stretch.step_ns
            total += growth[position] * t_ns
        return total

    def advance(self, count: int) -> list[Request]:
        """``count`` iterations have ended, none but the last with a finish in it: those that finished with it."""
        self.steps += count
        finished = self._finishing.pop(self.steps, [])
        for request in finished:
            self._settle(request)
        return finished

    def _settle(self, request: Request) -> None:
        offset = request.kv_tokens - request.decoding_since
        self._offsets -= offset
        self._growth[-offset % self._block_tokens] -= 1
        self.size -= 1
        done = self.steps - request.decoding_since
        request.kv_tokens += done
        request.generated_tokens += done
        request.decoding_since = NEVER
