"""What the router is shown: read-only views over the live cluster, cheap until a list is asked for.

The views implement the protocols of :mod:`sim.api` and hold no output length. They are live: a view kept beyond the
call it was given for shows the present, never the past.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import overload

from sim.api import NS_PER_S, Hardware, HeldRequest, Replica, ReplicaRequest
from sim.member import Member
from sim.replica import Replica as Machine
from sim.request import Request

_by_arrival = attrgetter("id")


class HeldQueue(Sequence[HeldRequest]):
    """The router's held queue, in order of arrival: removal by id takes constant time.

    ``new`` holds what arrived or came back since the router was last asked: a router in another process is sent only
    these.
    """

    __slots__ = ("_in_order", "_new", "by_id")

    def __init__(self) -> None:
        self.by_id: dict[int, HeldRequest] = {}
        self._in_order: tuple[HeldRequest, ...] | None = None
        self._new: list[HeldRequest] = []

    @property
    def new(self) -> tuple[HeldRequest, ...]:
        return tuple(self._new)

    def add(self, request: HeldRequest) -> None:
        """An arrival: its id is larger than those of all that are or were held."""
        self.by_id[request.id] = request
        self._new.append(request)
        self._in_order = None

    def put_back(self, requests: Sequence[HeldRequest]) -> None:
        """Requests that come back from a failed replica take their places by arrival, which is the order of ids."""
        self.by_id.update((request.id, request) for request in requests)
        self.by_id = dict(sorted(self.by_id.items()))
        self._new.extend(requests)
        self._in_order = None

    def remove(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Those of the (request id, replica id) pairs are routed."""
        for request_id, _ in pairs:
            del self.by_id[request_id]
        self._in_order = None

    def forget_new(self) -> None:
        """The router was asked: what it was shown is no longer new."""
        self._new.clear()

    def holds(self, request_id: int) -> bool:
        return request_id in self.by_id

    def __len__(self) -> int:
        return len(self.by_id)

    def __iter__(self) -> Iterator[HeldRequest]:
        return iter(self.by_id.values())

    def __reversed__(self) -> Iterator[HeldRequest]:
        return reversed(self.by_id.values())

    def __contains__(self, item: object) -> bool:
        return isinstance(item, HeldRequest) and self.by_id.get(item.id) == item

    @overload
    def __getitem__(self, index: int) -> HeldRequest: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[HeldRequest]: ...
    def __getitem__(self, index: int | slice) -> HeldRequest | Sequence[HeldRequest]:
        if self._in_order is None:
            self._in_order = tuple(self.by_id.values())
        return self._in_order[index]


class Present:
    """What time it is for the views. ``after_starts``: whether the iterations that start right then have started."""

    __slots__ = ("after_starts", "now_ns")

    def __init__(self) -> None:
        self.now_ns = 0
        self.after_starts = False


class ReplicaView:
    """One replica (:class:`sim.api.Replica`)."""

    __slots__ = ("_member", "_present", "_replica", "_requests")

    def __init__(self, replica: Machine, member: Member, present: Present, requests: Sequence[Request]) -> None:
        """``requests``: the run's, by id."""
        self._replica = replica
        self._member = member
        self._present = present
        self._requests = requests

    @property
    def id(self) -> int:
        return self._replica.id

    @property
    def accepts(self) -> bool:
        return self._member.accepts

    @property
    def state(self) -> str:
        return self._member.state

    @property
    def pool(self) -> str:
        return self._member.pool.name

    @property
    def hardware(self) -> Hardware:
        return self._member.hardware

    @property
    def num_waiting(self) -> int:
        return len(self._replica.waiting)

    @property
    def num_running(self) -> int:
        return len(self._replica.running)

    @property
    def kv_blocks_used(self) -> int:
        return self._replica.used_blocks_at(self._present.now_ns, self._present.after_starts)

    @property
    def kv_blocks_total(self) -> int:
        return self._replica.total_blocks

    @property
    def waiting(self) -> Sequence[ReplicaRequest]:
        return tuple([request.as_waiting() for request in self._replica.waiting])

    @property
    def running(self) -> Sequence[ReplicaRequest]:
        steps = self._replica.steps_at(self._present.now_ns)
        return tuple([request.as_placed(steps) for request in sorted(self._replica.running, key=_by_arrival)])

    def cached_tokens(self, request: HeldRequest) -> int:
        """By the content of the request that has that id: 0 for one that hasn't arrived, or that there isn't.

        Policies make requests of their own; what these say of themselves counts for nothing.
        """
        number, present = request.id, self._present
        if type(number) is not int or not 0 <= number < len(self._requests):
            return 0
        known = self._requests[number]
        if known.arrival_ns > present.now_ns:
            return 0
        return self._replica.cached_tokens(known, present.now_ns, present.after_starts)


class StaleReplicaView:
    """One replica with its counts and lists as they were when it was last scraped, empty before that.

    What it is (state, pool, size) is of now, and so is what its prefix cache would give a request: routers that want
    to know the latter keep an index of their own.
    """

    __slots__ = ("_fresh", "_member", "_running", "_used", "_waiting")

    def __init__(self, fresh: ReplicaView, member: Member) -> None:
        self._fresh = fresh
        self._member = member
        self._forget()

    def _forget(self) -> None:
        self._waiting: Sequence[ReplicaRequest] = ()
        self._running: Sequence[ReplicaRequest] = ()
        self._used = 0

    def scrape(self) -> None:
        """From now on it shows the present; a replica that is off has nothing to show."""
        if self._member.state == "off":
            self._forget()
            return
        self._waiting, self._running = self._fresh.waiting, self._fresh.running
        self._used = self._fresh.kv_blocks_used

    @property
    def id(self) -> int:
        return self._member.id

    @property
    def accepts(self) -> bool:
        return self._member.accepts

    @property
    def state(self) -> str:
        return self._member.state

    @property
    def pool(self) -> str:
        return self._member.pool.name

    @property
    def hardware(self) -> Hardware:
        return self._member.hardware

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def kv_blocks_used(self) -> int:
        return self._used

    @property
    def kv_blocks_total(self) -> int:
        return self._fresh.kv_blocks_total

    @property
    def waiting(self) -> Sequence[ReplicaRequest]:
        return self._waiting

    @property
    def running(self) -> Sequence[ReplicaRequest]:
        return self._running

    def cached_tokens(self, request: HeldRequest) -> int:
        return self._fresh.cached_tokens(request)


class ClusterView:
    """The cluster (:class:`sim.api.Cluster`); ``at`` moves it to the present instant, ``show`` to another fleet.

    ``by_id``: the replicas that exist, in order.
    """

    __slots__ = ("_block_tokens", "_content_block_tokens", "_present", "_replicas", "by_id")

    def __init__(self, present: Present, block_tokens: int, content_block_tokens: int) -> None:
        self._present = present
        self._replicas: tuple[Replica, ...] = ()
        self.by_id: Mapping[int, Replica] = {}
        self._block_tokens = block_tokens
        self._content_block_tokens = content_block_tokens

    def at(self, now_ns: int, after_starts: bool = False) -> ClusterView:
        self._present.now_ns = now_ns
        self._present.after_starts = after_starts
        return self

    def show(self, replicas: Sequence[Replica]) -> None:
        """From now on these are the replicas that exist."""
        self._replicas = tuple(replicas)
        self.by_id = {replica.id: replica for replica in replicas}

    @property
    def now_ns(self) -> int:
        return self._present.now_ns

    @property
    def now_s(self) -> float:
        return self._present.now_ns / NS_PER_S

    @property
    def block_tokens(self) -> int:
        return self._block_tokens

    @property
    def content_block_tokens(self) -> int:
        return self._content_block_tokens

    @property
    def replicas(self) -> Sequence[Replica]:
        return self._replicas
