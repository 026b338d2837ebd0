"""KV cost: to the replica where prefill to come and memory in use, in KV blocks, are least; ties to the lowest id.

The rule of NVIDIA Dynamo's KV router (ai-dynamo 1.6, lib/kv-router, selector.rs) at its defaults, for GPU memory alone:
the tokens that the replica has still to prefill and the request's own, less those that its prefix cache holds, plus the
blocks of all requests there and of this one. The cache is known exactly, as Dynamo knows it from the engines' events.
"""

from collections.abc import Iterator, Sequence

from sim.api import Cluster, HeldRequest, Replica


class KvCost:
    def __init__(self) -> None:
        self._new_tokens: dict[int, int] = {}
        """Per request on a replica that has not been prefilled yet: the tokens that were not in the cache."""

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        block = cluster.block_tokens
        replicas = [replica for replica in cluster.replicas if replica.accepts]
        if not replicas:
            return
        unfinished = {replica.id: self._to_prefill(replica) for replica in replicas}
        self._new_tokens = {request: tokens for found in unfinished.values() for request, tokens in found.items()}
        prefill = {replica: sum(found.values()) for replica, found in unfinished.items()}
        blocks = {
            replica.id: replica.kv_blocks_used + sum(-(-waits.prompt_tokens // block) for waits in replica.waiting)
            for replica in replicas
        }
        for request in queue:
            new = {replica.id: request.prompt_tokens - replica.cached_tokens(request) for replica in replicas}
            cost = {
                replica: (prefill[replica] + tokens) / block + blocks[replica] + -(-tokens // block)
                for replica, tokens in new.items()
            }
            chosen = min(replicas, key=lambda replica: (cost[replica.id], replica.id))
            self._new_tokens[request.id] = new[chosen.id]
            prefill[chosen.id] += new[chosen.id]
            blocks[chosen.id] += -(-new[chosen.id] // block)
            yield request, chosen

    def _to_prefill(self, replica: Replica) -> dict[int, int]:
        """The requests there whose prefill isn't complete, each with the tokens that were new to the cache."""
        prefilling = [request for request in replica.running if request.processed_tokens < request.prompt_tokens]
        placed = (*replica.waiting, *prefilling)
        return {request.id: self._new_tokens.get(request.id, request.prompt_tokens) for request in placed}
