"""Least KV: to the replica with the fewest KV blocks in use; ties to the lowest id.

The rule of AIBrix's least-kv-cache (vllm-project/aibrix, gateway algorithms), on block counts. A waiting request holds
no block, so a backlog goes unseen; only this call's own assignments count, with the blocks of their prompts.
"""

from collections.abc import Iterator, Sequence

from sim.api import Cluster, HeldRequest, Replica


class LeastKv:
    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        replicas = [replica for replica in cluster.replicas if replica.accepts]
        if not replicas:
            return
        blocks = {replica.id: replica.kv_blocks_used for replica in replicas}
        for request in queue:
            chosen = min(replicas, key=lambda replica: (blocks[replica.id], replica.id))
            blocks[chosen.id] += -(-request.prompt_tokens // cluster.block_tokens)
            yield request, chosen
