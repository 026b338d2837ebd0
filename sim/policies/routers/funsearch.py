"""FunSearch: shortest predicted total first, to the replica of least composite cost with memory for it.

The best router that FunSearch found in the Glia paper's comparison (Fig. 13 there), written from its description in
github.com/ronyw7/glia-repro; the constants named below are the described ones. Output lengths are predicted by a
moving average for each of three classes of prompts. What the description leaves open is filled like this:

* a request that has left its replica has finished, with as many output tokens as it had when last seen;
* a replica's projected memory is what all its requests, and the new one, hold at their predicted ends;
* each term of the cost is a share: the prompt tokens still to be prefilled of the KV capacity in tokens, the requests
  of all the cluster's, the blocks that are not free now of the capacity; the penalty is times the excess above it;
* a replica that holds nothing takes any request.

Its rules for restarted requests (first in order, a discount, a higher limit) are left out: they could never act,
since a preempted request restarts on its replica and doesn't come back to the router.
"""

import heapq
import math
from collections.abc import Iterator, Sequence

from sim.api import Cluster, HeldRequest, Replica, ReplicaRequest

SMOOTHING = 0.1
FIRST_PREDICTION, LEAST_PREDICTION, GREATEST_PREDICTION = 96.0, 32.0, 1024.0
SHORT_PROMPT, LONG_PROMPT = 128, 512
MEMORY_WEIGHT, PREFILL_WEIGHT, QUEUE_WEIGHT, DEFICIT_WEIGHT = 0.55, 0.25, 0.10, 0.10
OVERCOMMIT_PENALTY = 12.0
UTILISATION_LIMIT = 1.03


class OutputPredictor:
    """Output tokens by class of prompt length, learnt from what has been seen to finish."""

    def __init__(self) -> None:
        self._average = [FIRST_PREDICTION] * 3
        self._output_tokens = [math.ceil(FIRST_PREDICTION)] * 3
        self._seen: dict[int, ReplicaRequest] = {}

    def learn(self, present: dict[int, ReplicaRequest]) -> None:
        """``present``: all requests on the replicas, by id."""
        for request in self._seen.values():
            if request.id not in present:
                self._finished(request)
        self._seen = present
        bounded = (min(max(average, LEAST_PREDICTION), GREATEST_PREDICTION) for average in self._average)
        self._output_tokens = [math.ceil(tokens) for tokens in bounded]

    def total_tokens(self, prompt_tokens: int) -> int:
        return prompt_tokens + self._output_tokens[prompt_class(prompt_tokens)]

    def _finished(self, request: ReplicaRequest) -> None:
        index = prompt_class(request.prompt_tokens)
        output_tokens = max(0, request.processed_tokens - request.prompt_tokens)
        self._average[index] += SMOOTHING * (output_tokens - self._average[index])


def prompt_class(prompt_tokens: int) -> int:
    return 0 if prompt_tokens < SHORT_PROMPT else 1 if prompt_tokens <= LONG_PROMPT else 2


class ReplicaLoad:
    """What a replica has to do, counted on with every assignment of the same call."""

    def __init__(
        self, replica: Replica, requests: Sequence[ReplicaRequest], predictor: OutputPredictor, block_tokens: int
    ) -> None:
        totals = (max(r.processed_tokens, predictor.total_tokens(r.prompt_tokens)) for r in requests)
        self.replica = replica
        self.requests = len(requests)
        self._block_tokens = block_tokens
        self._projected_blocks = sum(-(-tokens // block_tokens) for tokens in totals)
        self._prefill_tokens = sum(max(0, r.prompt_tokens - r.processed_tokens) for r in requests)
        self._free_blocks = replica.kv_blocks_total - replica.kv_blocks_used

    def admits(self, total_tokens: int) -> bool:
        return not self.requests or self._utilisation(total_tokens) <= UTILISATION_LIMIT

    def cost(self, prompt_tokens: int, total_tokens: int, requests_in_cluster: int) -> float:
        capacity = self.replica.kv_blocks_total
        utilisation = self._utilisation(total_tokens)
        prefill = (self._prefill_tokens + prompt_tokens) / (capacity * self._block_tokens)
        queue = self.requests / max(1, requests_in_cluster)
        deficit = max(0, self._blocks(total_tokens) - self._free_blocks) / capacity
        weighed = (MEMORY_WEIGHT * utilisation**2, PREFILL_WEIGHT * prefill, QUEUE_WEIGHT * queue)
        return sum(weighed) + DEFICIT_WEIGHT * deficit + OVERCOMMIT_PENALTY * max(0.0, utilisation - 1)

    def assign(self, prompt_tokens: int, total_tokens: int) -> None:
        self.requests += 1
        self._projected_blocks += self._blocks(total_tokens)
        self._prefill_tokens += prompt_tokens
        self._free_blocks -= self._blocks(prompt_tokens)

    def _utilisation(self, total_tokens: int) -> float:
        return (self._projected_blocks + self._blocks(total_tokens)) / self.replica.kv_blocks_total

    def _blocks(self, tokens: int) -> int:
        return -(-tokens // self._block_tokens)


class FunSearch:
    def __init__(self) -> None:
        self._predictor = OutputPredictor()
        self._known: set[int] = set()
        """Ids of the requests that are held, as far as it was told."""
        self._classes: tuple[list[tuple[int, int, int, HeldRequest]], ...] = ([], [], [])

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        self._remember_new(queue)
        placed = [(replica, (*replica.waiting, *replica.running)) for replica in cluster.replicas]
        self._predictor.learn({request.id: request for _, requests in placed for request in requests})
        predictor, block_tokens = self._predictor, cluster.block_tokens
        loads = [
            ReplicaLoad(replica, requests, predictor, block_tokens) for replica, requests in placed if replica.accepts
        ]
        while any(self._classes):
            total, prompt_tokens, heap = self._shortest()
            admitting = [load for load in loads if load.admits(total)]
            if not admitting:
                return
            in_cluster = sum(load.requests for load in loads)
            chosen = min(admitting, key=lambda load: (load.cost(prompt_tokens, total, in_cluster), load.replica.id))
            chosen.assign(prompt_tokens, total)
            request = heapq.heappop(heap)[-1]
            self._known.remove(request.id)
            yield request, chosen.replica

    def _shortest(self) -> tuple[int, int, list[tuple[int, int, int, HeldRequest]]]:
        """Predicted total, prompt tokens and class of the next request; ties to the earlier arrival.

        Within a class the order of prompts is the order of totals, so only the three heads need comparing.
        """
        heads = [(self._predictor.total_tokens(heap[0][0]), *heap[0][1:3], heap) for heap in self._classes if heap]
        total, _, _, heap = min(heads, key=lambda head: head[:3])
        return total, heap[0][0], heap

    def _remember_new(self, queue: Sequence[HeldRequest]) -> None:
        """What arrived is at the end of the queue; what came back from a failed replica is where it was."""
        for request in reversed(queue):
            if len(self._known) == len(queue):
                return
            if request.id in self._known:
                continue
            self._known.add(request.id)
            entry = (request.prompt_tokens, request.arrival_ns, request.id, request)
            heapq.heappush(self._classes[prompt_class(request.prompt_tokens)], entry)
