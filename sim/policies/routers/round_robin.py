"""Round robin: to each replica in turn, in order of their ids."""

from collections.abc import Iterator, Sequence

from sim.api import Cluster, HeldRequest, Replica


class RoundRobin:
    def __init__(self) -> None:
        self._turn = 0

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        replicas = [replica for replica in cluster.replicas if replica.accepts]
        if not replicas:
            return
        for request in queue:
            yield request, replicas[self._turn % len(replicas)]
            self._turn += 1
