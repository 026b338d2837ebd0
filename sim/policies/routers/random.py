"""Random: to a replica drawn uniformly, from the simulation's seed."""

import random
from collections.abc import Iterator, Sequence

from sim.api import Cluster, HeldRequest, Replica


class Random:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        replicas = [replica for replica in cluster.replicas if replica.accepts]
        if not replicas:
            return
        for request in queue:
            yield request, replicas[self._random.randrange(len(replicas))]
