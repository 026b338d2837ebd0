"""What a policy may see and must answer: the contract between a design and the cluster.

Standard library only, because this module is also loaded inside the process of an untrusted design. A design
is one Python file that defines exactly one policy, for one of three slots.

**Router**: a class with ``route(self, queue, cluster)`` or ``pick(self, request, cluster)``, or one module-level
function ``route(queue, cluster)`` or ``pick(request, cluster)``. ``route`` is asked whenever a request arrives or
completes and when the fleet changes. It returns ``(request, replica)`` pairs; what it leaves in the queue stays held
at the router and is offered again at the next event. ``pick`` is the short form: one replica for one request, or
``None`` to hold it; requests are offered in order of arrival. With an attribute ``timer_s`` a router is asked again
that long after it was last asked, as long as requests are held.

**Batch scheduler**: a class with at least one of ``admit(self, waiting, engine)``, ``chunk(self, request, budget,
engine)`` and ``victim(self, candidates, engine)``. Every replica has an instance of its own; what a scheduler doesn't
define is decided by the engine's rules. With an attribute ``wake_iterations`` it is asked again after that many
iterations even if nothing changed.

**Autoscaler**: a class with ``scale(self, fleet, history)``, or a function ``scale(fleet, history)``. It returns the
replicas it wants: a number if there is one pool, else a mapping from pool names. With an attribute ``interval_s`` it
is asked that often instead of at the scenario's interval.

If the class's ``__init__`` has a parameter named ``seed`` it is passed a small number (an int) that depends on the
simulation's seed.

No view holds an output length: it does not exist on this side of the contract. Times are integer nanoseconds
of simulated time; ``*_s`` properties give the same in seconds. ``docs/simulator-rules.md`` says exactly when each
policy is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

NS_PER_S = 1_000_000_000
NO_SLO = -1


@dataclass(frozen=True, slots=True)
class HeldRequest:
    """A request held at the router.

    ``priority``: lower is more urgent. ``session``: -1 if there is none. ``ttft_slo_ns``: the time to first token
    that was promised, -1 if none. ``prefix_hashes``: the ids of the prompt's full content blocks
    (:attr:`Cluster.content_block_tokens` tokens each); an id stands for its block and all before it, so two requests
    share the prefix up to the last id they have in common. ``restarts``: how often it lost its cache.
    """

    id: int
    arrival_ns: int
    prompt_tokens: int
    priority: int = 0
    session: int = -1
    ttft_slo_ns: int = NO_SLO
    prefix_hashes: tuple[int, ...] = ()
    restarts: int = 0

    @property
    def arrival_s(self) -> float:
        return self.arrival_ns / NS_PER_S


@dataclass(frozen=True, slots=True)
class ReplicaRequest:
    """A request that was given to a replica.

    ``processed_tokens``: tokens whose KV is (or was, for a request that is being restarted) in the cache: grows
    to ``prompt_tokens`` during prefill and by one per output token after it. ``restarts``: how often it was
    preempted and had to start over.
    """

    id: int
    arrival_ns: int
    prompt_tokens: int
    processed_tokens: int
    restarts: int
    priority: int = 0
    session: int = -1
    ttft_slo_ns: int = NO_SLO


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a replica runs on: public figures of one GPU, and how many of them (``tensor_parallel``) it has."""

    gpu: str
    tensor_parallel: int
    memory_gb: int
    bandwidth_gb_s: int
    dense_bf16_tflops: int
    usd_per_gpu_hour: float


class Replica(Protocol):
    """One replica as the router sees it. Aggregates are cheap; the two lists are built when asked for."""

    @property
    def id(self) -> int: ...

    @property
    def accepts(self) -> bool:
        """False while the replica starts, drains or is down: routing to it is illegal."""
        ...

    @property
    def state(self) -> str:
        """``ready``, ``starting``, ``draining`` or ``down``."""
        ...

    @property
    def pool(self) -> str:
        """The pool it belongs to."""
        ...

    @property
    def hardware(self) -> Hardware: ...

    @property
    def num_waiting(self) -> int:
        """Requests in the replica's waiting queue (vllm:num_requests_waiting)."""
        ...

    @property
    def num_running(self) -> int:
        """Requests in the running batch (vllm:num_requests_running)."""
        ...

    @property
    def kv_blocks_used(self) -> int: ...

    @property
    def kv_blocks_total(self) -> int: ...

    @property
    def waiting(self) -> Sequence[ReplicaRequest]:
        """The waiting queue, head first."""
        ...

    @property
    def running(self) -> Sequence[ReplicaRequest]:
        """The running requests, oldest arrival first."""
        ...

    def cached_tokens(self, request: HeldRequest) -> int:
        """Prompt tokens of ``request`` that this replica's prefix cache would give it now, by its id.

        0 for an id whose request hasn't arrived, or that there isn't.
        """
        ...


class Cluster(Protocol):
    """The cluster at one instant."""

    @property
    def now_ns(self) -> int: ...

    @property
    def now_s(self) -> float: ...

    @property
    def block_tokens(self) -> int:
        """Tokens per KV-cache block."""
        ...

    @property
    def content_block_tokens(self) -> int:
        """Tokens per id of :attr:`HeldRequest.prefix_hashes`; 0 if the workload names no content."""
        ...

    @property
    def replicas(self) -> Sequence[Replica]:
        """All replicas that exist, whatever their state, by id."""
        ...


class Router(Protocol):
    """The router slot."""

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterable[tuple[HeldRequest, Replica]]:
        """Assigns held requests to replicas. ``queue`` is in order of arrival."""
        ...


class Engine(Protocol):
    """One replica as its batch scheduler sees it, in the middle of composing an iteration."""

    @property
    def now_ns(self) -> int: ...

    @property
    def now_s(self) -> float: ...

    @property
    def replica(self) -> int:
        """The replica's id."""
        ...

    @property
    def block_tokens(self) -> int: ...

    @property
    def kv_blocks_total(self) -> int: ...

    @property
    def kv_blocks_used(self) -> int: ...

    @property
    def watermark_blocks(self) -> int: ...

    @property
    def max_num_seqs(self) -> int: ...

    @property
    def token_budget(self) -> int:
        """Most tokens of one iteration."""
        ...

    @property
    def tokens_left(self) -> int:
        """When ``chunk`` is asked: tokens that this iteration may still have; else all of :attr:`token_budget`."""
        ...

    @property
    def num_running(self) -> int: ...

    @property
    def running(self) -> Sequence[ReplicaRequest]:
        """The running requests in the engine's order; built when asked for."""
        ...

    def cached_tokens(self, request: ReplicaRequest) -> int:
        """Tokens that the prefix cache would give this waiting request now."""
        ...


class BatchScheduler(Protocol):
    """The batch-scheduler slot, whole. A design may leave any two of the three to the engine's rules."""

    def admit(self, waiting: Sequence[ReplicaRequest], engine: Engine) -> Iterable[ReplicaRequest]:
        """Waiting requests in the order in which admission should try them; what is left out is held back."""
        ...

    def chunk(self, request: ReplicaRequest, budget: int, engine: Engine) -> int:
        """Prefill tokens for ``request`` in this iteration: 0 to ``budget``."""
        ...

    def victim(self, candidates: Sequence[ReplicaRequest], engine: Engine) -> ReplicaRequest:
        """Whom of ``candidates`` to preempt."""
        ...


class Pool(Protocol):
    """The replicas of one hardware type as the autoscaler sees them."""

    @property
    def name(self) -> str: ...

    @property
    def hardware(self) -> Hardware: ...

    @property
    def ready(self) -> int: ...

    @property
    def starting(self) -> int: ...

    @property
    def draining(self) -> int: ...

    @property
    def down(self) -> int: ...

    @property
    def min_replicas(self) -> int: ...

    @property
    def max_replicas(self) -> int: ...

    @property
    def cold_start_s(self) -> float: ...


class Fleet(Protocol):
    """What the autoscaler is asked about."""

    @property
    def now_ns(self) -> int: ...

    @property
    def now_s(self) -> float: ...

    @property
    def pools(self) -> Sequence[Pool]: ...

    @property
    def replicas(self) -> Sequence[Replica]:
        """All replicas that exist, as the router sees them."""
        ...


@dataclass(frozen=True, slots=True)
class FleetSample:
    """The fleet at one past instant. Counters (``*_total``) are cumulative.

    ``present``: replicas ready or starting, of all pools; ``waiting`` and ``running``: sums over the replicas;
    ``held``: at the router; ``kv_usage``: mean over ready replicas of the share (0..1) of KV blocks in use.
    """

    t_ns: int
    ready: int
    present: int
    waiting: int
    running: int
    held: int
    kv_usage: float
    arrived_total: int
    finished_total: int
    prompt_tokens_total: int
    output_tokens_total: int

    @property
    def t_s(self) -> float:
        return self.t_ns / NS_PER_S


class Autoscaler(Protocol):
    """The autoscaler slot."""

    def scale(self, fleet: Fleet, history: Sequence[FleetSample]) -> int | Mapping[str, int]:
        """Replicas wanted, of the only pool or by pool name; kept within the pool's limits by the platform.

        ``history``: samples of the last minutes (the scenario's ``history_s``), oldest first, the newest of now.
        """
        ...
