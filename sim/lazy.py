"""Requests on a replica as a policy sees them, made one by one when it looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from sim.api import ReplicaRequest
from sim.request import NEVER, Request


class LazyRequests(Sequence[ReplicaRequest]):
    """``requests``, ``count`` of them, as they are at step ``steps`` of the replica's lockstep clock."""

    __slots__ = ("_made", "_requests", "_steps")

    def __init__(self, requests: Sequence[Request], steps: int = NEVER) -> None:
        self._requests = requests
        self._steps = steps
        self._made: tuple[ReplicaRequest, ...] | None = None

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[ReplicaRequest]:
        return iter(self._all())

    @overload
    def __getitem__(self, index: int) -> ReplicaRequest: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ReplicaRequest]: ...
    def __getitem__(self, index: int | slice) -> ReplicaRequest | Sequence[ReplicaRequest]:
        if index == 0 or index == -1:  # what a scheduler asks for most: O(1), whatever the queue's length
            return self._requests[index].as_placed(self._steps)
        return self._all()[index]

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> tuple[ReplicaRequest, ...]:
        if self._made is None:
            self._made = tuple([request.as_placed(self._steps) for request in self._requests])
        return self._made
