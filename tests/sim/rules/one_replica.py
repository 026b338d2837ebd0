"""One replica of the product's engine, a step at a time: every token of an iteration takes 1,000 ns, blocks hold 4."""

from __future__ import annotations

from array import array

from sim.cost import IterationCost
from sim.replica import Replica
from sim.request import Request
from sim.scenario import ClusterSpec, CostSpec, EngineSpec, PoolSpec
from tests.sim.conftest import PROFILE

COST = IterationCost(PROFILE, decode_attention_ns_per_token=0, prefill_attention_ps_per_pair=0)


class OneReplica:
    """``step`` runs one iteration; ``decisions`` are (kind, request id) pairs, 1 admitted, 2 preempted."""

    def __init__(self, rules="sarathi", *, hooks=None, content_block_tokens=0, engine=None, cost=COST, **fields):
        defaults = {"kv_blocks": 100, "watermark_fraction": 0.0, "max_num_seqs": 10, "chunk_tokens": 100}
        cluster = ClusterSpec(
            replicas=1, gpu="A10", model="Llama-3-8B", block_tokens=4, usd_per_gpu_hour=1.0, **(defaults | fields)
        )
        pool = PoolSpec("main", cluster, CostSpec("made-up", 0, 0), 1, 1)
        spec = EngineSpec(rules=rules, **(engine or {}))
        self._log = array("q")
        self.replica = Replica(0, pool, spec, cost, hooks, self._log, content_block_tokens)
        self.now = 0

    def enqueue(self, *requests: Request) -> None:
        for request in requests:
            self.replica.enqueue(request)

    def step(self) -> tuple[int, list[int]] | None:
        """One iteration: the tokens in it, and who finished; None if there is nothing to run."""
        start = self.now
        if self.replica.start(start) is None:
            return None
        self.now = self.replica.cut(start + 1)
        finished = self.replica.end(self.now)
        return (self.now - start) // 1000, [request.id for request in finished]

    def steps(self, count: int) -> list[tuple[int, list[int]] | None]:
        return [self.step() for _ in range(count)]

    def processed(self, request: Request) -> int:
        """Tokens in the cache, as a policy sees them."""
        return request.as_placed(self.replica.steps_at(self.now)).processed_tokens

    @property
    def running(self) -> list[int]:
        return [request.id for request in self.replica.running]

    @property
    def waiting(self) -> list[int]:
        return [request.id for request in self.replica.waiting]

    @property
    def decisions(self) -> list[tuple[int, int]]:
        return [(self._log[i + 1], self._log[i + 2]) for i in range(0, len(self._log), 4)]


def requests(*lengths: tuple[int, int], content: dict[int, tuple[int, ...]] | None = None) -> list[Request]:
    """Requests of (prompt, output) tokens that arrived one nanosecond after the other."""
    named = content or {}
    return [Request(i, i, *pair, content=named.get(i, ())) for i, pair in enumerate(lengths)]
