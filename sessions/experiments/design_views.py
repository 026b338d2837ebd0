"""What a sealed design sees: the views of :mod:`sim.api`, rebuilt in its process from packed records.

Standard library only; loaded by path in the design's process. The design's process holds nothing else of the
simulation: no output length, no clock but ``now_ns``, no object of the simulator. Views are read-only and live, as in
the simulator's own process: one kept beyond its call shows the present. A replica's two lists are fetched when they
are first asked for in a call, unless their length says that they are empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from sim.api import NS_PER_S, HeldRequest, ReplicaRequest


class HeldQueue(Sequence[HeldRequest]):
    """The held requests in order of arrival; ``new`` are those that came since the last call."""

    __slots__ = ("_by_id", "_list", "_new")

    def __init__(self) -> None:
        self._by_id: dict[int, HeldRequest] = {}
        self._list: list[HeldRequest] | None = None
        self._new: tuple[HeldRequest, ...] = ()

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
        self._new = new
        self._list = None
        for request in new:
            self._by_id[request.id] = request

    def _remove(self, request_id: int) -> None:
        self._list = None
        self._by_id.pop(request_id, None)


class ReplicaView:
    """One replica; ``fetch(replica id, which)`` gets one of its lists."""

    __slots__ = (
        "_accepts",
        "_fetch",
        "_id",
        "_running",
        "_running_list",
        "_total",
        "_used",
        "_waiting",
        "_waiting_list",
    )

    def __init__(self, fetch: Callable[[int, int], tuple[ReplicaRequest, ...]]) -> None:
        self._fetch = fetch

    def _at(self, id: int, accepts: int, waiting: int, running: int, used: int, total: int) -> None:
        """Moves the view to the present instant."""
        self._id = id
        self._accepts = accepts
        self._waiting = waiting
        self._running = running
        self._used = used
        self._total = total
        self._waiting_list: tuple[ReplicaRequest, ...] | None = None
        self._running_list: tuple[ReplicaRequest, ...] | None = None

    @property
    def id(self) -> int:
        return self._id

    @property
    def accepts(self) -> bool:
        return self._accepts != 0

    @property
    def num_waiting(self) -> int:
        return self._waiting

    @property
    def num_running(self) -> int:
        return self._running

    @property
    def kv_blocks_used(self) -> int:
        return self._used

    @property
    def kv_blocks_total(self) -> int:
        return self._total

    @property
    def waiting(self) -> Sequence[ReplicaRequest]:
        if self._waiting_list is None:
            self._waiting_list = self._fetch(self._id, 0) if self._waiting else ()
        return self._waiting_list

    @property
    def running(self) -> Sequence[ReplicaRequest]:
        if self._running_list is None:
            self._running_list = self._fetch(self._id, 1) if self._running else ()
        return self._running_list


class ClusterView:
    """The cluster."""

    __slots__ = ("_block_tokens", "_now_ns", "_replicas")

    def __init__(self) -> None:
        self._now_ns = 0
        self._block_tokens = 0
        self._replicas: tuple[ReplicaView, ...] = ()

    def _at(self, now_ns: int, block_tokens: int, replicas: tuple[ReplicaView, ...]) -> None:
        """Moves the view to the present instant."""
        self._now_ns = now_ns
        self._block_tokens = block_tokens
        self._replicas = replicas

    @property
    def now_ns(self) -> int:
        return self._now_ns

    @property
    def now_s(self) -> float:
        return self._now_ns / NS_PER_S

    @property
    def block_tokens(self) -> int:
        return self._block_tokens

    @property
    def replicas(self) -> Sequence[ReplicaView]:
        return self._replicas
