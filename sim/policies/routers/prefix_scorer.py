"""Prefix scorer: to the highest weighted sum of three scores: queue (2), free KV memory (2) and prefix (3).

The default profile of llm-d's endpoint picker (llm-d-inference-scheduler, pkg/epp). Queue: 1 for the fewest waiting
requests, 0 for the most; memory: the share of free KV blocks; prefix: the share of the prompt's blocks that the picker
remembers sending to the replica, by an index of its own with 31,250 blocks of 16 tokens a replica, the least recently
used forgotten first, and at most 256 blocks of a prompt looked at. Ties are drawn from the seed.
"""

import random
from collections import OrderedDict
from collections.abc import Sequence

from sim.api import Cluster, HeldRequest, Replica

QUEUE_WEIGHT, KV_WEIGHT, PREFIX_WEIGHT = 2, 2, 3
INDEX_TOKENS = 31_250 * 16
MATCHED_TOKENS = 256 * 16


class PrefixScorer:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._index: dict[int, OrderedDict[int, None]] = {}
        """Per replica the ids of the blocks sent to it, the least recently used first."""

    def pick(self, request: HeldRequest, cluster: Cluster) -> Replica | None:
        replicas = [replica for replica in cluster.replicas if replica.accepts]
        if not replicas:
            return None
        prefix = request.prefix_hashes[: MATCHED_TOKENS // max(cluster.content_block_tokens, 1)]
        scores = self._scores(replicas, prefix)
        best = max(scores)
        highest = [replica for replica, score in zip(replicas, scores, strict=True) if score == best]
        chosen = highest[self._random.randrange(len(highest))]
        self._remember(chosen.id, prefix, INDEX_TOKENS // max(cluster.content_block_tokens, 1))
        return chosen

    def _scores(self, replicas: Sequence[Replica], prefix: Sequence[int]) -> list[float]:
        waiting = [replica.num_waiting for replica in replicas]
        least, most = min(waiting), max(waiting)
        return [
            QUEUE_WEIGHT * ((most - count) / (most - least) if most > least else 1.0)
            + KV_WEIGHT * (1.0 - replica.kv_blocks_used / replica.kv_blocks_total)
            + PREFIX_WEIGHT * (self._matched(replica.id, prefix) / len(prefix) if prefix else 0.0)
            for replica, count in zip(replicas, waiting, strict=True)
        ]

    def _matched(self, replica: int, prefix: Sequence[int]) -> int:
        """How many of the blocks, from the first, were sent to the replica."""
        index = self._index.get(replica, ())
        return next((place for place, block in enumerate(prefix) if block not in index), len(prefix))

    def _remember(self, replica: int, prefix: Sequence[int], most: int) -> None:
        index = self._index.setdefault(replica, OrderedDict())
        for block in prefix:
            index[block] = None
            index.move_to_end(block)
        while len(index) > most:
            index.popitem(last=False)
