"""What sealed routers and autoscalers are told of replicas: packed by this side, for both slots alike.

What stays the same of a replica (pool, hardware, blocks) is told once, in text; what changes, as numbers at every
question. KV blocks in use and the two lists are told when they are asked for; who asked for the blocks once gets them
with every question from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sessions.experiments import wire
from sessions.experiments.sealed import SealedDesign
from sim.api import Hardware, HeldRequest, Pool, Replica, ReplicaRequest

_STATE_CODES = {state: code for code, state in enumerate(wire.STATES)}


class ReplicaTelling:
    """Tells one design of replicas and answers what it wants to know of those that it was last told of."""

    def __init__(self, design: SealedDesign) -> None:
        self._design = design
        self._told: set[int] = set()
        self._shown: Sequence[Replica] = ()
        self._by_id: dict[int, Replica] = {}
        self._blocks_wanted = False

    def show(self, replicas: Sequence[Replica], more: Sequence[str] = ()) -> None:
        """From now on these are the replicas. What the design hasn't been told of them, and ``more``, it is told."""
        if replicas is self._shown and not more:
            return
        self._shown = replicas
        self._by_id = {replica.id: replica for replica in replicas}
        new = [replica for replica in replicas if replica.id not in self._told]
        if new or more:
            self._told.update(replica.id for replica in new)
            lines = [*more, *(replica_line(replica) for replica in new)]
            self._design.ask_bytes(wire.FLEET, "\n".join(lines).encode("utf-8", "surrogatepass"))

    @property
    def blocks_told(self) -> bool:
        return self._blocks_wanted

    def replica(self, replica_id: int) -> Replica | None:
        return self._by_id.get(replica_id)

    def numbers(self) -> list[int]:
        """REPLICA_FIELDS of each."""
        codes = _STATE_CODES
        if self._blocks_wanted:
            records = [(r.id, codes[r.state], r.num_waiting, r.num_running, r.kv_blocks_used) for r in self._shown]
        else:
            records = [(r.id, codes[r.state], r.num_waiting, r.num_running, 0) for r in self._shown]
        return [number for record in records for number in record]

    def serve(self, wanted: tuple[int, ...]) -> list[int]:
        """A look at replicas; raises :class:`wire.WireError` for one that there isn't.

        Of whom there are tokens in a cache, and who hasn't arrived yet, is the views' to judge.
        """
        what, *arguments = wanted or (-1,)
        if what == wire.BLOCKS:
            self._blocks_wanted = True
            return [replica.kv_blocks_used for replica in self._shown]
        if what in (wire.WAITING, wire.RUNNING) and len(arguments) == 1 and 0 <= arguments[0] < len(self._shown):
            replica = self._shown[arguments[0]]
            return placed_numbers(replica.waiting if what == wire.WAITING else replica.running)
        if what == wire.CACHED and len(arguments) == 1:
            request = HeldRequest(arguments[0], 0, 0)
            return [replica.cached_tokens(request) for replica in self._shown]
        raise wire.WireError("asked for a list that there is not")


def placed_numbers(requests: Iterable[ReplicaRequest]) -> list[int]:
    """PLACED_FIELDS of each."""
    numbers: list[int] = []
    for r in requests:
        numbers += (
            r.id,
            r.arrival_ns,
            r.prompt_tokens,
            r.processed_tokens,
            r.restarts,
            r.priority,
            r.session,
            r.ttft_slo_ns,
        )
    return numbers


def flat(records: Iterable[tuple[int, ...]]) -> list[int]:
    return [number for record in records for number in record]


def cluster_line(block_tokens: int, content_block_tokens: int) -> str:
    return _line("cluster", block_tokens, content_block_tokens)


def replica_line(replica: Replica) -> str:
    return _line("replica", replica.id, replica.pool, replica.kv_blocks_total, *_hardware(replica.hardware))


def pool_line(pool: Pool) -> str:
    limits = (pool.min_replicas, pool.max_replicas, float(pool.cold_start_s).hex())
    return _line("pool", pool.name, *limits, *_hardware(pool.hardware))


def _hardware(hardware: Hardware) -> tuple[object, ...]:
    h = hardware
    whole = (h.tensor_parallel, h.memory_gb, h.bandwidth_gb_s, h.dense_bf16_tflops)
    return (h.gpu, *whole, float(h.usd_per_gpu_hour).hex())


def _line(*fields: object) -> str:
    """A line of fields between tabs, which are in no name."""
    return "\t".join(" ".join(str(field).split()) for field in fields)
