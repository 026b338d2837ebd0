"""Requests on a replica as a policy sees them, made one by one when it looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from sim.api import ReplicaRequest
from sim.request import NEVER, Request


class LazyRequests(Sequence[ReplicaRequest]):
    """``requests`` as they are at step ``steps`` of the replica's lockstep clock; without steps, waiting ones."""

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
            request = self._requests[index]
            return request.as_waiting() if self._steps == NEVER else request.as_placed(self._steps)
        return self._all()[index]

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> tuple[ReplicaRequest, ...]:
        if self._made is None:
            if self._steps == NEVER:
                self._made = tuple([request.shown or request.as_waiting() for request in self._requests])
            else:
                self._made = tuple([request.as_placed(self._steps) for request in self._requests])
        return self._made


class QueueChanges:
    """What has become of a waiting queue since a scheduler was last asked about it.

    For a scheduler in another process, which keeps a copy of the queue. Between two questions requests first leave,
    then others come: behind those that wait, or, preempted, before them (the last of ``before`` is the head). ``all``:
    the queue was emptied, before what came.
    """

    __slots__ = ("all", "before", "behind", "gone")

    def __init__(self) -> None:
        self.gone: list[int] = []
        self.before: list[Request] = []
        self.behind: list[Request] = []
        self.all = False

    def came(self, request: Request) -> None:
        self.behind.append(request)

    def returned(self, request: Request) -> None:
        self.before.append(request)

    def left(self, request: Request) -> None:
        self.gone.append(request.id)

    def emptied(self) -> None:
        self.gone, self.before, self.behind = [], [], []
        self.all = True


class WaitingRequests(LazyRequests):
    """A waiting queue, with what has become of it since the scheduler was last asked."""

    __slots__ = ("changes",)

    def __init__(self, requests: Sequence[Request], changes: QueueChanges) -> None:
        super().__init__(requests)
        self.changes = changes
