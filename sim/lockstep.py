"""The decoding requests of one replica, as counters: a decode iteration costs the same whatever the batch.

All decoding requests advance together, one token an iteration, so nothing has to be counted per request. ``steps``
is the replica's lockstep clock: iterations ended so far. A request that starts decoding at step s

* has ``kv_tokens + (steps - s)`` tokens in the cache, so the batch's context is one sum plus ``size * steps``;
* finishes at step ``s + output tokens to go``: a bucket per step, and a heap of the steps that have one;
* needs a new block whenever its tokens fill whole blocks, which is every ``block_tokens`` steps: ``growth`` counts
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

    __slots__ = ("_block_tokens", "_due", "_finishing", "_offsets", "growth", "size", "steps")

    def __init__(self, block_tokens: int) -> None:
        self.steps = 0
        self.size = 0
        self._block_tokens = block_tokens
        self._offsets = 0
        """Sum over the requests of ``kv_tokens - steps``."""
        self.growth = [0] * block_tokens
        """Blocks needed by the iteration after ``steps`` of them, by ``steps % block_tokens``."""
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
        self.growth[phase] += 1
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

    def growth_in(self, count: int) -> int:
        """Blocks that the ``count`` iterations after the next one need, if nobody leaves."""
        cycle = self._block_tokens
        cycles, rest = divmod(count, cycle)
        low = (self.steps + 1) % cycle
        high = low + rest
        blocks = cycles * self.size + sum(self.growth[low:high])
        return blocks + sum(self.growth[: high - cycle]) if high > cycle else blocks

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
        growth, position = self.growth, self.steps % self._block_tokens
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
        low = (self.steps + 1) % cycle
        if after_first > cycle:
            return _grown_in_cycles(self.growth[low:] + self.growth[:low], after_first, stretch)
        taken = self.growth[low : low + after_first]
        if len(taken) < after_first:
            taken += self.growth[: after_first - len(taken)]
        block_ns = elapsed_ns = 0
        duration_ns, step_ns = stretch.first_ns, stretch.step_ns
        for blocks in taken:
            elapsed_ns += duration_ns
            duration_ns += step_ns
            block_ns += blocks * elapsed_ns
        blocks = sum(taken)
        return blocks, block_ns + blocks * stretch.start_ns

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
        since, kv_tokens = request.decoding_since, request.kv_tokens
        self.size -= 1
        self._offsets -= kv_tokens - since
        self.growth[request.growth_phase] -= 1
        done = self.steps - since
        request.kv_tokens = kv_tokens + done
        request.generated_tokens += done
        request.decoding_since = request.growth_phase = NEVER


def _grown_in_cycles(cycle: list[int], after_first: int, stretch: Stretch) -> tuple[int, int]:
    """As :meth:`Lockstep.grown`; ``cycle``: the blocks taken by the iterations of each cycle of that many."""
    cycles, rest = divmod(after_first, len(cycle))
    longer, shorter = cycle[:rest], cycle[rest:]
    blocks = sum(longer) * (cycles + 1) + sum(shorter) * cycles
    block_ns = stretch.sum_of_boundaries(longer, 1, len(cycle), cycles + 1)
    return blocks, block_ns + stretch.sum_of_boundaries(shorter, 1 + rest, len(cycle), cycles)


class ReservedLockstep(Lockstep):
    """Decodes whose blocks were all taken before: they never need another."""

    __slots__ = ()

    def growth_in(self, count: int) -> int:
        return 0

    def unchanged(self, free_blocks: int) -> int:
        return self.to_finish()

    def grown(self, stretch: Stretch) -> tuple[int, int]:
        return 0, 0
