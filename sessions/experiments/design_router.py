"""A router in the process of a sealed design: what it is asked, and how its answers are packed.

Standard library only; loaded by path in the design's process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sessions.experiments import wire
from sessions.experiments.design_source import DesignError
from sessions.experiments.design_views import ClusterView, HeldQueue, Link, ReplicaViews, held
from sim.adapt.router import load_router


class RouterDesk:
    """One router and its mirror of the held queue."""

    def __init__(self, namespace: Mapping[str, object], seed: int, link: Link) -> None:
        self._router = load_router(namespace, seed)
        self._queue = HeldQueue()
        self._views = ReplicaViews(link)
        self._cluster = ClusterView(self._views)

    def loaded(self) -> list[int]:
        return [self._timer()]

    def describe(self, fields: list[str]) -> None:
        if fields[0] == "cluster":
            self._cluster._describe(fields)
        else:
            self._views.describe(fields)

    def answer(self, kind: int, numbers: tuple[int, ...]) -> list[int]:
        if kind != wire.ROUTE:
            raise wire.WireError("expected a question of the router")
        now_ns, new_count, replicas, blocks_told = numbers[:4]
        new, _ = held(numbers, 4, new_count)
        self._queue._add(new)
        self._views.move(now_ns, numbers, replicas, blocks_told)
        ids = self._assignments(self._router.route(self._queue, self._cluster))
        for request_id in ids[::2]:
            self._queue._remove(request_id)
        return [self._timer(), *ids]

    def _timer(self) -> int:
        return wire.bits(getattr(self._router, "timer_s", None))

    def _assignments(self, answer: Iterable[object]) -> list[int]:
        """Request and replica ids, one after the other. More pairs than held requests are cut off: they are illegal
        already, and an endless generator must not fill the memory."""
        ids: list[int] = []
        most = 2 * (len(self._queue) + 1)
        try:
            pairs = iter(answer)
        except TypeError as error:
            words = f"route must return (request, replica) pairs, but it returned {type(answer).__name__}."
            raise DesignError("interface", words) from error
        for pair in pairs:
            ids.extend(_ids_of(pair))
            if len(ids) >= most:
                break
        return ids


def _ids_of(pair: object) -> list[int]:
    ids = [getattr(part, "id", None) for part in pair] if isinstance(pair, tuple | list) else []
    numbers = [number for number in ids if type(number) is int and abs(number) <= wire.INT64_MAX]
    if len(ids) != 2 or len(numbers) != 2:
        raise DesignError(
            "illegal", f"The design answered with a {type(pair).__name__} that is no (request, replica) pair."
        )
    return numbers
