"""LMetric: to the lowest product of prompt tokens that its cache lacks and of requests there plus one.

The policy of that name in SGLang's router (sgl-model-gateway). Requests: waiting and running. Ties to the lowest id.
"""

from collections.abc import Iterator, Sequence

from sim.api import Cluster, HeldRequest, Replica


class LMetric:
    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        replicas = [replica for replica in cluster.replicas if replica.accepts]
        if not replicas:
            return
        load = {replica.id: replica.num_waiting + replica.num_running for replica in replicas}
        for request in queue:
            metric = {
                replica.id: (request.prompt_tokens - replica.cached_tokens(request)) * (load[replica.id] + 1)
                for replica in replicas
            }
            chosen = min(replicas, key=lambda replica: (metric[replica.id], replica.id))
            load[chosen.id] += 1
            yield request, chosen
