"""Cache-aware: to the replica that got most of this prefix before, unless the load is too uneven; then to the emptiest.

The rule of SGLang's router (sgl-model-gateway, cache_aware.rs; defaults of sglang_router 0.3.2). It knows no engine's
cache: it remembers which prefixes it sent where, and every 60 s forgets the least recently used of what exceeds the
size it may have for a replica. Load: requests waiting and running. Ties to the emptier replica, then to the lowest id.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from sim.api import NS_PER_S, Cluster, HeldRequest, Replica

MATCH_THRESHOLD = 0.3
"""Share of the prompt that must have been seen for the prefix to decide."""
BALANCE_ABS, BALANCE_REL = 64, 1.5
"""Too uneven: the most loaded replica has over 64 requests more than the least loaded, and over 1.5 times as many."""
EVICTION_INTERVAL_S = 60
MAX_TREE_TOKENS = 2**26 // 4
"""Of a replica; the original counts 2**26 characters, here four to a token."""


class CacheAware:
    def __init__(self) -> None:
        self._trees: dict[int, OrderedDict[int, None]] = {}
        """Per replica the ids of the prefixes sent to it, the least recently used first."""
        self._evicted_ns = 0

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        replicas = {replica.id: replica for replica in cluster.replicas if replica.accepts}
        if not replicas:
            return
        self._evict(cluster)
        load = {replica.id: replica.num_waiting + replica.num_running for replica in replicas.values()}
        for request in queue:
            chosen = self._choose(request, load, cluster.content_block_tokens)
            self._remember(chosen, request.prefix_hashes)
            load[chosen] += 1
            yield request, replicas[chosen]

    def _choose(self, request: HeldRequest, load: dict[int, int], block_tokens: int) -> int:
        least, most = min(load.values()), max(load.values())
        emptiest = min(load, key=lambda replica: (load[replica], replica))
        if most - least > BALANCE_ABS and most > BALANCE_REL * least:
            return emptiest
        matched = {replica: self._matched(replica, request.prefix_hashes) * block_tokens for replica in load}
        best = min(load, key=lambda replica: (-matched[replica], load[replica], replica))
        return best if matched[best] > MATCH_THRESHOLD * request.prompt_tokens else emptiest

    def _matched(self, replica: int, prefix: Sequence[int]) -> int:
        """How many of the prefix's blocks, from the first, were sent to the replica."""
        tree = self._trees.get(replica, ())
        return next((index for index, block in enumerate(prefix) if block not in tree), len(prefix))

    def _remember(self, replica: int, prefix: Sequence[int]) -> None:
        """A prefix's end is less recent than its beginning, so that it is forgotten from its end."""
        tree = self._trees.setdefault(replica, OrderedDict())
        for block in reversed(prefix):
            tree[block] = None
            tree.move_to_end(block)

    def _evict(self, cluster: Cluster) -> None:
        if cluster.now_ns - self._evicted_ns < EVICTION_INTERVAL_S * NS_PER_S:
            return
        self._evicted_ns = cluster.now_ns
        for tree in self._trees.values():
            while len(tree) * cluster.content_block_tokens > MAX_TREE_TOKENS:
                tree.popitem(last=False)
