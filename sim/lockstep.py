"""The decoding requests of one replica, as counters: a decode iteration costs the same whatever the batch.

All decoding requests advance together, one token an iteration, so nothing has to be counted per request. ``steps``
is the replica's lockstep clock: iterations ended so far. A request that starts decoding at step s

* has ``kv_tokens + (steps - s)`` tokens in the cache, so the batch's context is one sum plus ``size * steps``;
* finishes at step ``s + output tokens to go``: a bucket per step, and a heap of the steps that have one;
* needs a new block whenever its tokens fill whole blocks, which is every ``block_tokens`` steps: ``_growth`` counts
  the requests by the step, modulo ``block_tokens``, at which they do.

While a request decodes, its own ``kv_tokens`` and ``generated_tokens`` rest at what they were when it joined
(``decoding_since`` is that step, ``growth_phase`` the step, modulo ``block_tokens``, before which it needs a block);
:meth:`leave` and :meth:`advance` bring them up to date.
"""

from __future__ import annotations

from heapq import heappop, heappush

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
        steps = self.steps
        offset = request.kv_tokens - steps
        phase = -offset % self._block_tokens
        request.decoding_since, request.growth_phase = steps, phase
        self.size += 1
        self._offsets += offset
        self._growth[phase] += 1
        last = steps + request.output_tokens - request.generated_tokens
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

    def growth(self, count: int) -> int:
        """Blocks that the ``count`` iterations after the next one need, if nobody leaves."""
        cycle = self._block_tokens
        cycles, rest = divmod(count, cycle)
        low = (self.steps + 1) % cycle
        high = low + rest
        blocks = cycles * self.size + sum(self._growth[low:high])
        return blocks + sum(self._growth[: high - cycle]) if high > cycle else blocks

    def growth_now(self) -> int:
        """Blocks that the next iteration needs."""
        return self._growth[self.steps % self._block_tokens]

    def growing_phase(self) -> int:
        """The ``growth_phase`` of those that have no room in their last block for their next token."""
        return self.steps % self._block_tokens

    def to_finish(self) -> int:
        """Iterations until a request finishes; at least one must decode."""
        due = self._due
        while due[0] not in self._finishing:
            heappop(due)
        return due[0] - self.steps

    def unchanged(self, free_blocks: int) -> int:
        """Iterations until the batch can change, if nothing joins it: until a request finishes or lacks a block.

        The next iteration counts, and its blocks are no longer among the free ones. At least one request must decode.
        """
        due = self._due
        while due[0] not in self._finishing:
            heappop(due)
        to_finish = due[0] - self.steps
        cycles, free_blocks = divmod(free_blocks, self.size)
        count = 1 + cycles * self._block_tokens
        if count >= to_finish:
            return to_finish
        growth, position = self._growth, self.steps % self._block_tokens
        while count < to_finish:
            position += 1
            if position == self._block_tokens:
                position = 0
            free_blocks -= growth[position]
            if free_blocks < 0:
                break
            count += 1
        return count

    def grown(self, stretch: Stretch) -> tuple[int, int]:
        """The blocks taken by the iterations of ``stretch`` after its first, and the sum of the times they were taken
        at, in block * ns; ``stretch`` starts at the present step."""
        cycle, after_first = self._block_tokens, stretch.count - 1
        if after_first > cycle:
            return self._grown_in_cycles(stretch)
        low = (self.steps + 1) % cycle
        taken = self._growth[low : low + after_first]
        if len(taken) < after_first:
            taken += self._growth[: after_first - len(taken)]
        block_ns = 0
        t_ns, duration_ns, step_ns = stretch.start_ns, stretch.first_ns, stretch.step_ns
        for blocks in taken:
            t_ns += duration_ns
            duration_ns += step_ns
            block_ns += blocks * t_ns
        return sum(taken), block_ns

    def _grown_in_cycles(self, stretch: Stretch) -> tuple[int, int]:
        cycle, after_first = self._block_tokens, stretch.count - 1
        blocks = block_ns = 0
        for index in range(1, cycle + 1):
            taken = self._growth[(self.steps + index) % cycle]
            if taken:
                times = (after_first - index) // cycle + 1
                blocks += taken * times
                block_ns += taken * stretch.sum_of_boundaries(index, cycle, times)
        return blocks, block_ns

    def advance(self, count: int) -> list[Request]:
        """``count`` iterations have ended, none but the last with a finish in it: those that finished with it."""
        self.steps += count
        finished = self._finishing.pop(self.steps, None)
        if finished is None:
            return []
        for request in finished:
            self._settle(request)
        return finished

    def _settle(self, request: Request) -> None:
        since = request.decoding_since
        self.size -= 1
        self._offsets -= request.kv_tokens - since
        self._growth[request.growth_phase] -= 1
        done = self.steps - since
        request.kv_tokens += done
        request.generated_tokens += done
        request.decoding_since = request.growth_phase = NEVER


class ReservedLockstep(Lockstep):
    """Decodes whose blocks were all taken before: they never need another."""

    __slots__ = ()

    def growth(self, count: int) -> int:
        return 0

    def growth_now(self) -> int:
        return 0

    def unchanged(self, free_blocks: int) -> int:
        return self.to_finish()

    def grown(self, stretch: Stretch) -> tuple[int, int]:
        return 0, 0
