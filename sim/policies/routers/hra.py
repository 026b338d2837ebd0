"""HRA, head-room admission: shortest prompt first, and only to a replica with memory left for its output.

The design the Glia paper reports (arXiv 2510.27176). A replica that looks free at admission runs out of KV blocks as
its requests decode and then restarts the youngest of them, which costs more than waiting at the router does. So a
request is held until some replica can take its prompt and an allowance for its output and still keep a margin.
"""

import heapq
import math
from collections.abc import Iterator, Sequence

from sim.api import Cluster, HeldRequest, Replica

OUTPUT_PER_PROMPT = 0.6
"""Output tokens allowed for per prompt token."""
MARGIN = 0.03
"""Share of a replica's KV blocks that an admission must leave free."""


class HeadRoomAdmission:
    def __init__(self) -> None:
        self._known: set[int] = set()
        """Ids of the requests that are held, as far as it was told."""
        self._shortest_first: list[tuple[int, int, int, HeldRequest]] = []

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        self._remember_new(queue)
        replicas = [replica for replica in cluster.replicas if replica.accepts]
        committed = {replica.id: self._committed_blocks(replica, cluster) for replica in replicas}
        load = {replica.id: replica.num_waiting + replica.num_running for replica in replicas}
        while self._shortest_first:
            request = self._shortest_first[0][-1]
            need = self._blocks(request.prompt_tokens, cluster)
            admissible = [replica for replica in replicas if self._fits(replica, committed[replica.id] + need)]
            if not admissible:
                return
            chosen = min(admissible, key=lambda replica: (committed[replica.id], load[replica.id], replica.id))
            committed[chosen.id] += need
            load[chosen.id] += 1
            heapq.heappop(self._shortest_first)
            self._known.remove(request.id)
            yield request, chosen

    def _remember_new(self, queue: Sequence[HeldRequest]) -> None:
        """What arrived is at the end of the queue; what came back from a failed replica is where it was."""
        for request in reversed(queue):
            if len(self._known) == len(queue):
                return
            if request.id in self._known:
                continue
            self._known.add(request.id)
            entry = (request.prompt_tokens, request.arrival_ns, request.id, request)
            heapq.heappush(self._shortest_first, entry)

    def _committed_blocks(self, replica: Replica, cluster: Cluster) -> int:
        """KV blocks in use, and those that the replica's waiting requests are going to need."""
        waiting_tokens = sum(request.prompt_tokens for request in replica.waiting)
        return replica.kv_blocks_used + self._blocks(waiting_tokens, cluster)

    def _blocks(self, prompt_tokens: int, cluster: Cluster) -> int:
        return math.ceil(prompt_tokens * (1 + OUTPUT_PER_PROMPT) / cluster.block_tokens)

    def _fits(self, replica: Replica, blocks: int) -> bool:
        return replica.kv_blocks_total - blocks >= math.floor(MARGIN * replica.kv_blocks_total)
