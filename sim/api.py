"""What a policy may see and must answer: the contract between a design and the cluster.

Standard library only, because this module is also loaded inside the process of an untrusted design. A design
is one Python file that defines exactly one policy. For the router slot that is either

* a class with ``route(self, queue, cluster)`` or ``pick(self, request, cluster)``, or
* one module-level function ``route(queue, cluster)`` or ``pick(request, cluster)``.

``route`` is asked whenever a request arrives or completes. It returns ``(request, replica)`` pairs; what it leaves
in the queue stays held at the router and is offered again at the next event. ``pick`` is the short form: one
replica for one request, or ``None`` to hold it; requests are offered in order of arrival.

If the class's ``__init__`` has a parameter named ``seed`` it is passed the simulation's seed (an int).

No view holds an output length: it does not exist on this side of the contract. Times are integer nanoseconds
of simulated time; ``*_s`` properties give the same in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class HeldRequest:
    """A request held at the router. ``priority``: lower is more urgent. ``session``: -1 if there is none."""

    id: int
    arrival_ns: int
    prompt_tokens: int
    priority: int = 0
    session: int = -1

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


class Replica(Protocol):
    """One replica as the router sees it. Aggregates are cheap; the two lists are built when asked for."""

    @property
    def id(self) -> int: ...

    @property
    def accepts(self) -> bool:
        """False while the replica starts, drains or is down: routing to it is illegal."""
        ...

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
    def replicas(self) -> Sequence[Replica]: ...


class Router(Protocol):
    """The router slot."""

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterable[tuple[HeldRequest, Replica]]:
        """Assigns held requests to replicas. ``queue`` is in order of arrival."""
        ...
