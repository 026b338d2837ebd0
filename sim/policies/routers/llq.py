"""LLQ: to the replica with the fewest requests, waiting and running together; ties to the lowest id."""

from collections.abc import Iterator, Sequence

from sim.api import Cluster, HeldRequest, Replica


class LeastLoadedQueue:
    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        replicas = [replica for replica in cluster.replicas if replica.accepts]
        if not replicas:
            return
        load = {replica.id: replica.num_waiting + replica.num_running for replica in replicas}
        for request in queue:
            chosen = min(replicas, key=lambda replica: (load[replica.id], replica.id))
            load[chosen.id] += 1
            yield request, chosen
