"""Oracle (knows output lengths, no design): fewest tokens to process first, where memory suffices to the last token.

What a router could gain from knowing the future: shortest remaining processing at the router (Schrage, Operations
Research 16(3), 1968), with its input given instead of guessed. Requests on a replica decode in lockstep, one token
an iteration, so the memory they will need is known in advance, and a request is held until it fits without any
preemption. A reference point and no proven optimum: it neither preempts what runs nor trades order for packing.
"""

from bisect import insort
from collections.abc import Callable, Iterator, Sequence

from sim.api import Cluster, HeldRequest, Replica, ReplicaRequest


class ShortestRemainingProcessing:
    def __init__(self, output_tokens: Callable[[int], int]) -> None:
        self._output_tokens = output_tokens

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        futures = [MemoryFuture(r, self._growth, cluster.block_tokens) for r in cluster.replicas if r.accepts]
        for request in sorted(queue, key=self._processing):
            growth = self._output_tokens(request.id) - 1
            peaks = [(future.peak_blocks(request.prompt_tokens, growth), future) for future in futures]
            fitting = [(peak, future) for peak, future in peaks if future.fits(peak)]
            if not fitting:
                return
            _, chosen = min(fitting, key=lambda entry: (entry[0], entry[1].replica.id))
            chosen.add(request.prompt_tokens, growth)
            yield request, chosen.replica

    def _processing(self, request: HeldRequest) -> tuple[int, int, int]:
        """Prompt and output tokens; ties to the earlier arrival."""
        return request.prompt_tokens + self._output_tokens(request.id), request.arrival_ns, request.id

    def _growth(self, request: ReplicaRequest) -> int:
        """Tokens that its context will still grow by after its prefill (the last output token is never cached)."""
        decoded = max(0, request.processed_tokens - request.prompt_tokens)
        return max(0, self._output_tokens(request.id) - 1 - decoded)


class MemoryFuture:
    """The memory that a replica's requests will need until they end: their contexts, and what these grow by."""

    def __init__(self, replica: Replica, growth_of: Callable[[ReplicaRequest], int], block_tokens: int) -> None:
        self.replica = replica
        self._block_tokens = block_tokens
        requests = (*replica.waiting, *replica.running)
        contexts = ((growth_of(r), max(r.prompt_tokens, r.processed_tokens)) for r in requests)
        self._last_to_end_first = sorted((-growth, context) for growth, context in contexts)

    def peak_blocks(self, context_tokens: int, growth: int) -> float:
        """The most KV blocks in use from now on if a request of that context and growth joined.

        Use peaks when a request is about to end: those that outlast it have then grown as much as it has. Every
        request counts one block more than its tokens fill, so the bound is never too low.
        """
        requests = [*self._last_to_end_first]
        insort(requests, (-growth, context_tokens))
        tokens, peak = 0, 0.0
        for alive, (negative_growth, context) in enumerate(requests, start=1):
            tokens += context
            peak = max(peak, (tokens - alive * negative_growth) / self._block_tokens + alive)
        return peak

    def fits(self, peak_blocks: float) -> bool:
        """An idle replica takes any request: what is too large for it will be no smaller later."""
        return not self._last_to_end_first or peak_blocks <= self.replica.kv_blocks_total

    def add(self, context_tokens: int, growth: int) -> None:
        insort(self._last_to_end_first, (-growth, context_tokens))
