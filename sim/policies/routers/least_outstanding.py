"""Least outstanding: to the replica with the fewest waiting requests; ties to the lowest id.

Vidur's rule: requests in the running batch don't count, so while nothing waits everything goes to replica 0.
"""

from collections.abc import Iterator, Sequence

from sim.api import Cluster, HeldRequest, Replica


class LeastOutstanding:
    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        replicas = [replica for replica in cluster.replicas if replica.accepts]
        if not replicas:
            return
        waiting = {replica.id: replica.num_waiting for replica in replicas}
        for request in queue:
            chosen = min(replicas, key=lambda replica: (waiting[replica.id], replica.id))
            waiting[chosen.id] += 1
            yield request, chosen
