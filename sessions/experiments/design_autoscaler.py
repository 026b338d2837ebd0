"""An autoscaler in the process of a sealed design: what it is asked, and how its answers are packed.

Standard library only; loaded by path in the design's process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sessions.experiments import wire
from sessions.experiments.design_source import DesignError
from sessions.experiments.design_views import Link, ReplicaView, ReplicaViews, hardware
from sim.adapt.autoscaler import load_autoscaler
from sim.adapt.loading import short
from sim.api import NS_PER_S, FleetSample, Hardware


class PoolView:
    """The replicas of one hardware type (:class:`sim.api.Pool`), from its line."""

    __slots__ = ("_cold_start_s", "_counts", "_hardware", "_max", "_min", "_name")

    def __init__(self, fields: Sequence[str]) -> None:
        self._name = fields[1]
        self._min, self._max = int(fields[2]), int(fields[3])
        self._cold_start_s = float.fromhex(fields[4])
        self._hardware = hardware(fields[5:])
        self._counts: tuple[int, ...] = (0,) * wire.POOL_FIELDS

    @property
    def name(self) -> str:
        return self._name

    @property
    def hardware(self) -> Hardware:
        return self._hardware

    @property
    def ready(self) -> int:
        return self._counts[0]

    @property
    def starting(self) -> int:
        return self._counts[1]

    @property
    def draining(self) -> int:
        return self._counts[2]

    @property
    def down(self) -> int:
        return self._counts[3]

    @property
    def min_replicas(self) -> int:
        return self._min

    @property
    def max_replicas(self) -> int:
        return self._max

    @property
    def cold_start_s(self) -> float:
        return self._cold_start_s


class FleetView:
    """The fleet."""

    __slots__ = ("_pools", "_views")

    def __init__(self, views: ReplicaViews) -> None:
        self._views = views
        self._pools: tuple[PoolView, ...] = ()

    @property
    def now_ns(self) -> int:
        return self._views.moment.now_ns

    @property
    def now_s(self) -> float:
        return self._views.moment.now_ns / NS_PER_S

    @property
    def pools(self) -> Sequence[PoolView]:
        return self._pools

    @property
    def replicas(self) -> Sequence[ReplicaView]:
        return self._views.views


class AutoscalerDesk:
    """One autoscaler and its mirror of the history."""

    def __init__(self, namespace: Mapping[str, object], seed: int, link: Link) -> None:
        self._autoscaler = load_autoscaler(namespace, seed)
        self._views = ReplicaViews(link)
        self._fleet = FleetView(self._views)
        self._history: list[FleetSample] = []

    def loaded(self) -> list[int]:
        return [self._interval()]

    def describe(self, fields: list[str]) -> None:
        if fields[0] == "pool":
            self._fleet._pools = (*self._fleet._pools, PoolView(fields))
        else:
            self._views.describe(fields)

    def answer(self, kind: int, numbers: tuple[int, ...]) -> list[int]:
        if kind != wire.SCALE:
            raise wire.WireError("expected a question of the autoscaler")
        now_ns, length, samples, pools, replicas, blocks_told = numbers[:6]
        end = 6 + wire.SAMPLE_FIELDS * samples
        self._history += _samples(numbers[6:end])
        del self._history[: len(self._history) - length]
        for place, pool in enumerate(self._fleet._pools[:pools]):
            start = end + wire.POOL_FIELDS * place
            pool._counts = numbers[start : start + wire.POOL_FIELDS]
        self._views.move(now_ns, numbers, replicas, blocks_told)
        answer = self._autoscaler.scale(self._fleet, tuple(self._history))
        return [self._interval(), *self._wanted(answer)]

    def _interval(self) -> int:
        return wire.bits(getattr(self._autoscaler, "interval_s", None))

    def _wanted(self, answer: object) -> list[int]:
        if not isinstance(answer, Mapping):
            return [-1, _count(answer)]
        places = {pool.name: place for place, pool in enumerate(self._fleet.pools)}
        numbers: list[int] = []
        for name, count in answer.items():
            if len(numbers) == 2 * len(places):
                words = f"scale named more pools than the {len(places)} that there are, or one twice"
                raise DesignError("illegal", f"{words}: name each pool at most once.")
            if name not in places:
                known = ", ".join(places)
                raise DesignError("illegal", f"scale wants replicas of a pool {short(name)}; the pools are {known}.")
            numbers += places[name], _count(count)
        return numbers


def _count(value: object) -> int:
    if type(value) is not int or abs(value) > wire.INT64_MAX:
        raise DesignError("illegal", f"scale returned {short(value)}, which is no number of replicas.")
    return value


def _samples(numbers: tuple[int, ...]) -> list[FleetSample]:
    found = []
    for start in range(0, len(numbers), wire.SAMPLE_FIELDS):
        t, ready, present, waiting, running, held, usage, *totals = numbers[start : start + wire.SAMPLE_FIELDS]
        arrived, finished, prompts, outputs = totals
        kv_usage = wire.from_bits(usage) or 0.0
        found.append(
            FleetSample(t, ready, present, waiting, running, held, kv_usage, arrived, finished, prompts, outputs)
        )
    return found
