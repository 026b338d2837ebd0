"""Load-aware: to the highest share of the prompt seen there before, less how far the load is above the mean.

The rule of that name in vLLM's production-stack (routing_logic.py): ``matched / prompt - (load - mean) / max(1, mean)``
with an index of its own of the prefixes sent to each replica, from which nothing is ever forgotten. Load: requests
waiting and running. Ties to the lowest id.
"""

from collections.abc import Iterator, Sequence

from sim.api import Cluster, HeldRequest, Replica

LOAD_WEIGHT = 1.0


class LoadAware:
    def __init__(self) -> None:
        self._sent: dict[int, set[int]] = {}
        """Per replica the ids of the prefixes sent to it."""

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        replicas = {replica.id: replica for replica in cluster.replicas if replica.accepts}
        if not replicas:
            return
        load = {replica.id: replica.num_waiting + replica.num_running for replica in replicas.values()}
        for request in queue:
            mean = sum(load.values()) / len(load)
            score = {
                replica: self._matched(replica, request, cluster) / request.prompt_tokens
                - LOAD_WEIGHT * (load[replica] - mean) / max(1.0, mean)
                for replica in load
            }
            chosen = min(load, key=lambda replica: (-score[replica], replica))
            self._sent.setdefault(chosen, set()).update(request.prefix_hashes)
            load[chosen] += 1
            yield request, replicas[chosen]

    def _matched(self, replica: int, request: HeldRequest, cluster: Cluster) -> int:
        """Prompt tokens, from the first, that were sent to the replica before."""
        sent, prefix = self._sent.get(replica, set()), request.prefix_hashes
        blocks = next((index for index, block in enumerate(prefix) if block not in sent), len(prefix))
        return blocks * cluster.content_block_tokens
