"""Power of two: of two different replicas drawn at random, to the one with fewer requests, waiting and running.

Mitzenmacher, The Power of Two Choices in Randomized Load Balancing (IEEE TPDS 12(10), 2001). Drawing two different
ones and leaving a tie to the first drawn is the rule of SGLang's router (sgl-model-gateway, power_of_two.rs).
"""

import random
from collections.abc import Iterator, Sequence

from sim.api import Cluster, HeldRequest, Replica


class PowerOfTwo:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        replicas = [replica for replica in cluster.replicas if replica.accepts]
        if not replicas:
            return
        load = {replica.id: replica.num_waiting + replica.num_running for replica in replicas}
        for request in queue:
            chosen = min(self._draw_two(replicas), key=lambda replica: load[replica.id])
            load[chosen.id] += 1
            yield request, chosen

    def _draw_two(self, replicas: Sequence[Replica]) -> tuple[Replica, ...]:
        """In the order drawn; the only replica if there is just one."""
        if len(replicas) == 1:
            return (replicas[0],)
        first = self._random.randrange(len(replicas))
        second = self._random.randrange(len(replicas) - 1)
        return replicas[first], replicas[second + (second >= first)]
