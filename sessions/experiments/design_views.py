"""What sealed routers and autoscalers see: the views of :mod:`sim.api`, rebuilt in their process from packed records.

Standard library only; loaded by path in the design's process. The design's process holds nothing else of the
simulation: no output length, no clock but ``now_ns``, no object of the simulator. Views are read-only and live, as in
the simulator's own process: one kept beyond its call shows the present. What is dear to tell (a replica's two lists,
its KV blocks in use, what its cache has) is fetched when it is first asked for in a call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, overload

from sessions.experiments import wire
from sim.api import NS_PER_S, Hardware, HeldRequest, ReplicaRequest

_OFF = len(wire.STATES)
_STATES = (*wire.STATES, "off")


class Link(Protocol):
    """The way to the simulator, in the middle of a call."""

    def want(self, *wanted: int) -> tuple[int, ...]:
        """A look at something (:data:`wire.WAITING` and its like), in numbers."""
        ...


@dataclass(frozen=True, slots=True)
class ReplicaFacts:
    """What stays the same of a replica."""

    id: int
    pool: str
    kv_blocks_total: int
    hardware: Hardware


class HeldQueue(Sequence[HeldRequest]):
    """The held requests in order of arrival; ``new`` are those that came since the last call."""

    __slots__ = ("_by_id", "_last", "_list", "_new")

    def __init__(self) -> None:
        self._by_id: dict[int, HeldRequest] = {}
        self._list: list[HeldRequest] | None = None
        self._new: tuple[HeldRequest, ...] = ()
        self._last = -1

    @property
    def new(self) -> tuple[HeldRequest, ...]:
        return self._new

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[HeldRequest]:
        return iter(self._by_id.values())

    def __reversed__(self) -> Iterator[HeldRequest]:
        return reversed(self._by_id.values())

    def __contains__(self, item: object) -> bool:
        return isinstance(item, HeldRequest) and self._by_id.get(item.id) == item

    @overload
    def __getitem__(self, index: int) -> HeldRequest: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[HeldRequest]: ...
    def __getitem__(self, index: int | slice) -> HeldRequest | Sequence[HeldRequest]:
        if self._list is None:
            self._list = list(self._by_id.values())
        if isinstance(index, slice):
            return tuple(self._list[index])
        return self._list[index]

    def _add(self, new: tuple[HeldRequest, ...]) -> None:
        """What arrived, and what came back from a failed replica and takes its place by arrival again."""
        self._new = new
        self._list = None
        in_order = True
        for request in new:
            self._by_id[request.id] = request
            in_order = in_order and request.id > self._last
            self._last = max(self._last, request.id)
        if not in_order:
            self._by_id = dict(sorted(self._by_id.items()))

    def _remove(self, request_id: int) -> None:
        self._list = None
        self._by_id.pop(request_id, None)


class Moment:
    """What the simulator has told of the replicas at the present instant, and what was fetched since."""

    __slots__ = ("blocks", "cached", "link", "lists", "now_ns", "numbers")

    def __init__(self, link: Link) -> None:
        self.link = link
        self.now_ns = 0
        self.numbers: tuple[int, ...] = ()
        """The question; its last numbers are those of the replicas."""
        self.blocks: tuple[int, ...] = ()
        self.lists: dict[tuple[int, int], tuple[ReplicaRequest, ...]] = {}
        self.cached: dict[int, tuple[int, ...]] = {}

    def move(self, now_ns: int, numbers: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        self.now_ns = now_ns
        self.numbers = numbers
        self.blocks = blocks
        if self.lists:
            self.lists = {}
        if self.cached:
            self.cached = {}

    def list_of(self, place: int, which: int) -> tuple[ReplicaRequest, ...]:
        found = self.lists.get((place, which))
        if found is None:
            found = self.lists[place, which] = placed(self.link.want(which, place))
        return found

    def cached_tokens(self, request: HeldRequest) -> tuple[int, ...]:
        """On all replicas; of one that was never held it is nothing (-1 stands for what can't be an id)."""
        number = sendable(request.id)
        found = self.cached.get(number)
        if found is None:
            found = self.cached[number] = self.link.want(wire.CACHED, number)
        return found


class _Off(Moment):
    """What there is to see of a replica that is off, at any time."""

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.numbers = (0, _OFF, 0, 0, 0)
        self.blocks = (0,)

    def cached_tokens(self, request: HeldRequest) -> tuple[int, ...]:
        return (0,)


class ReplicaView:
    """One replica, wherever it stands in a question: the same view for as long as the process lives."""

    __slots__ = ("_facts", "_moment", "_offset", "_place")

    def __init__(self, facts: ReplicaFacts) -> None:
        self._facts = facts

    def _stand(self, moment: Moment, place: int, count: int) -> None:
        """From now on it is at ``place`` of the ``count`` replicas that ``moment`` tells of."""
        self._moment = moment
        self._place = place
        self._offset = wire.REPLICA_FIELDS * (place - count)

    @property
    def id(self) -> int:
        return self._facts.id

    @property
    def accepts(self) -> bool:
        return self._moment.numbers[self._offset + 1] == 0

    @property
    def state(self) -> str:
        return _STATES[self._moment.numbers[self._offset + 1]]

    @property
    def pool(self) -> str:
        return self._facts.pool

    @property
    def hardware(self) -> Hardware:
        return self._facts.hardware

    @property
    def num_waiting(self) -> int:
        return self._moment.numbers[self._offset + 2]

    @property
    def num_running(self) -> int:
        return self._moment.numbers[self._offset + 3]

    @property
    def kv_blocks_used(self) -> int:
        moment = self._moment
        if not moment.blocks:
            moment.blocks = moment.link.want(wire.BLOCKS)
        return moment.blocks[self._place]

    @property
    def kv_blocks_total(self) -> int:
        return self._facts.kv_blocks_total

    @property
    def waiting(self) -> Sequence[ReplicaRequest]:
        return self._moment.list_of(self._place, wire.WAITING) if self.num_waiting else ()

    @property
    def running(self) -> Sequence[ReplicaRequest]:
        return self._moment.list_of(self._place, wire.RUNNING) if self.num_running else ()

    def cached_tokens(self, request: HeldRequest) -> int:
        if not request.prefix_hashes and not request.restarts:
            return 0
        return self._moment.cached_tokens(request)[self._place]


class ReplicaViews:
    """Views of the replicas that exist, which are seldom others than at the last question."""

    __slots__ = ("_by_id", "_ids", "_off", "moment", "views")

    def __init__(self, link: Link) -> None:
        self.moment = Moment(link)
        self.views: tuple[ReplicaView, ...] = ()
        self._off = _Off(link)
        self._ids: tuple[int, ...] = ()
        self._by_id: dict[int, ReplicaView] = {}
        """Also those of replicas that are off: they may be started again."""

    def describe(self, fields: Sequence[str]) -> None:
        """The line of a replica."""
        number, pool, blocks = int(fields[1]), fields[2], int(fields[3])
        self._by_id[number] = ReplicaView(ReplicaFacts(number, pool, blocks, hardware(fields[4:])))

    def move(self, now_ns: int, numbers: tuple[int, ...], count: int, blocks_told: int) -> tuple[ReplicaView, ...]:
        """The views at ``now_ns``; the last numbers are those of the ``count`` replicas."""
        start, step = len(numbers) - wire.REPLICA_FIELDS * count, wire.REPLICA_FIELDS
        ids = numbers[start::step]
        if ids != self._ids:
            self._ids = ids
            for view in self.views:
                view._stand(self._off, 0, 1)
            self.views = tuple([self._by_id[id] for id in ids])
            for place, view in enumerate(self.views):
                view._stand(self.moment, place, count)
        self.moment.move(now_ns, numbers, numbers[start + 4 :: step] if blocks_told else ())
        return self.views


class ClusterView:
    """The cluster."""

    __slots__ = ("_block_tokens", "_content_block_tokens", "_views")

    def __init__(self, views: ReplicaViews) -> None:
        self._views = views
        self._block_tokens = 0
        self._content_block_tokens = 0

    def _describe(self, fields: Sequence[str]) -> None:
        self._block_tokens, self._content_block_tokens = int(fields[1]), int(fields[2])

    @property
    def now_ns(self) -> int:
        return self._views.moment.now_ns

    @property
    def now_s(self) -> float:
        return self._views.moment.now_ns / NS_PER_S

    @property
    def block_tokens(self) -> int:
        return self._block_tokens

    @property
    def content_block_tokens(self) -> int:
        return self._content_block_tokens

    @property
    def replicas(self) -> Sequence[ReplicaView]:
        return self._views.views


def sendable(request_id: object) -> int:
    """An id that a design asks about; -1, which none has, for what is no 64-bit number."""
    return request_id if type(request_id) is int and 0 <= request_id < 2**63 else -1


def placed(numbers: tuple[int, ...]) -> tuple[ReplicaRequest, ...]:
    """Requests of PLACED_FIELDS each."""
    step = wire.PLACED_FIELDS
    return tuple([ReplicaRequest(*numbers[i : i + step]) for i in range(0, len(numbers), step)])


def hardware(fields: Sequence[str]) -> Hardware:
    gpu, tensor_parallel, memory, bandwidth, tflops, usd = fields
    return Hardware(gpu, int(tensor_parallel), int(memory), int(bandwidth), int(tflops), float.fromhex(usd))


def held(numbers: tuple[int, ...], start: int, count: int) -> tuple[tuple[HeldRequest, ...], int]:
    """``count`` requests from ``start`` on, and where they end."""
    found = []
    for _ in range(count):
        end = start + wire.REQUEST_FIELDS
        number, arrival, prompt, priority, session, slo, restarts, hashes = numbers[start:end]
        start = end + hashes
        prefix = numbers[end:start] if hashes else ()
        found.append(HeldRequest(number, arrival, prompt, priority, session, slo, prefix, restarts))
    return tuple(found), start
