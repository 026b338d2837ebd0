"""Expert: shortest prompt first, to the replica with the fewest requests among those below 15/16 of their memory.

The human expert's router of the Glia paper (arXiv 2510.27176), by the authors' baseline in github.com/mit-nms/Engram:
2,100 of 2,240 KV blocks. A replica's memory counts as committed by what each of its requests, waiting or running,
holds or will need for its prompt. Nothing is set aside for output, and a replica that is still below the limit takes
one more request of any length.
"""

import random
from collections.abc import Iterator, Sequence

from sim.api import Cluster, HeldRequest, Replica

COMMITTED_LIMIT = 2100 / 2240
"""Share of a replica's KV blocks up to which it is given another request."""


class Expert:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        block_tokens = cluster.block_tokens
        committed = {r.id: self._committed_blocks(r, block_tokens) for r in cluster.replicas if r.accepts}
        eligible = [r for r in cluster.replicas if r.accepts and self._below_limit(r, committed)]
        if not eligible:
            return
        load = {replica.id: replica.num_waiting + replica.num_running for replica in eligible}
        for request in sorted(queue, key=lambda request: (request.prompt_tokens, request.arrival_ns, request.id)):
            chosen = self._least_loaded(eligible, load)
            committed[chosen.id] += -(-request.prompt_tokens // block_tokens)
            load[chosen.id] += 1
            yield request, chosen
            eligible = [replica for replica in eligible if self._below_limit(replica, committed)]
            if not eligible:
                return

    def _committed_blocks(self, replica: Replica, block_tokens: int) -> int:
        requests = (*replica.waiting, *replica.running)
        return sum(-(-max(r.prompt_tokens, r.processed_tokens) // block_tokens) for r in requests)

    def _below_limit(self, replica: Replica, committed: dict[int, int]) -> bool:
        return committed[replica.id] <= COMMITTED_LIMIT * replica.kv_blocks_total

    def _least_loaded(self, replicas: Sequence[Replica], load: dict[int, int]) -> Replica:
        """Ties are broken at random, from the simulation's seed."""
        fewest = min(load[replica.id] for replica in replicas)
        tied = [replica for replica in replicas if load[replica.id] == fewest]
        return tied[self._random.randrange(len(tied))]
