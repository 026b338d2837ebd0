"""What policies are shown of the naive cluster: every figure is read where it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sim.api import NS_PER_S, Hardware, HeldRequest, ReplicaRequest
from sim.hardware import hardware_of
from sim.scenario import PoolSpec
from tests.sim.reference.fleet import Slot
from tests.sim.reference.request import Request

NOTHING = {"num_waiting": 0, "num_running": 0, "kv_blocks_used": 0, "waiting": (), "running": ()}


class HeldQueue(Sequence[HeldRequest]):
    """The router's held queue, in order of arrival. ``new``: what came since the router was last asked."""

    def __init__(self) -> None:
        self._requests: list[HeldRequest] = []
        self.new: tuple[HeldRequest, ...] = ()

    def add(self, request: HeldRequest) -> None:
        self._requests.append(request)
        self._requests.sort(key=lambda held: held.id)
        self.new = (*self.new, request)

    def remove(self, request_id: int) -> None:
        self._requests = [held for held in self._requests if held.id != request_id]

    def forget_new(self) -> None:
        self.new = ()

    @property
    def by_id(self) -> dict[int, HeldRequest]:
        return {held.id: held for held in self._requests}

    def holds(self, request_id: int) -> bool:
        return request_id in self.by_id

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[HeldRequest]:
        return iter(list(self._requests))

    def __getitem__(self, index):
        return self._requests[index]


FIGURES = {
    "num_waiting": lambda replica: len(replica.waiting),
    "num_running": lambda replica: len(replica.running),
    "kv_blocks_used": lambda replica: replica.blocks.used,
    "waiting": lambda replica: tuple(request.as_placed() for request in replica.waiting),
    "running": lambda replica: tuple(request.as_placed() for request in sorted(replica.running, key=lambda r: r.id)),
}


def scraped(slot: Slot) -> dict[str, object]:
    """What a scrape of the slot's replica reads."""
    return NOTHING if slot.state == "off" else {name: read(slot.replica) for name, read in FIGURES.items()}


class ReplicaView:
    """One replica (:class:`sim.api.Replica`); ``stale``: whether scrapes are all that is known of it."""

    def __init__(self, slot: Slot, requests: Sequence[Request], cluster: ClusterView, *, stale: bool) -> None:
        self._slot = slot
        self._cluster = cluster
        self._requests = requests
        self._stale = stale

    @property
    def id(self) -> int:
        return self._slot.id

    @property
    def accepts(self) -> bool:
        return self._slot.state == "ready"

    @property
    def state(self) -> str:
        return self._slot.state

    @property
    def pool(self) -> str:
        return self._slot.pool.name

    @property
    def hardware(self) -> Hardware:
        return hardware_of(self._slot.pool.cluster)

    @property
    def kv_blocks_total(self) -> int:
        return self._slot.pool.cluster.kv_blocks

    @property
    def num_waiting(self) -> int:
        return self._read("num_waiting")

    @property
    def num_running(self) -> int:
        return self._read("num_running")

    @property
    def kv_blocks_used(self) -> int:
        return self._read("kv_blocks_used")

    @property
    def waiting(self) -> Sequence[ReplicaRequest]:
        return self._read("waiting")

    @property
    def running(self) -> Sequence[ReplicaRequest]:
        return self._read("running")

    def cached_tokens(self, request: HeldRequest) -> int:
        if request.id not in range(len(self._requests)):
            return 0
        known = self._requests[request.id]
        if known.arrival_ns > self._cluster.now_ns:
            return 0
        return self._slot.replica.blocks.hit(known) * known.content_block_tokens

    def _read(self, name: str):
        if self._stale:
            return (self._slot.scraped or NOTHING)[name]
        return NOTHING[name] if self._slot.state == "off" else FIGURES[name](self._slot.replica)


class ClusterView:
    """The cluster (:class:`sim.api.Cluster`); ``at`` moves it to the present instant."""

    def __init__(
        self,
        slots: Sequence[Slot],
        requests: Sequence[Request],
        block_tokens: int,
        content_block_tokens: int,
        stale: bool,
    ) -> None:
        self.now_ns = 0
        self.block_tokens = block_tokens
        self.content_block_tokens = content_block_tokens
        self._slots = slots
        self._views = [ReplicaView(slot, requests, self, stale=stale) for slot in slots]

    def at(self, now_ns: int) -> ClusterView:
        self.now_ns = now_ns
        return self

    @property
    def now_s(self) -> float:
        return self.now_ns / NS_PER_S

    @property
    def replicas(self) -> Sequence[ReplicaView]:
        return tuple(view for view, slot in zip(self._views, self._slots, strict=True) if slot.state != "off")


class PoolView:
    """The replicas of one pool as the autoscaler sees them (:class:`sim.api.Pool`)."""

    def __init__(self, place: int, pool: PoolSpec, slots: Sequence[Slot], cold_start_s: float) -> None:
        self.name = pool.name
        self.min_replicas = pool.min_replicas
        self.max_replicas = pool.max_replicas
        self.cold_start_s = cold_start_s
        self.hardware = hardware_of(pool.cluster)
        self._slots = [slot for slot in slots if slot.pool_index == place]

    def _count(self, state: str) -> int:
        return sum(slot.state == state for slot in self._slots)

    @property
    def ready(self) -> int:
        return self._count("ready")

    @property
    def starting(self) -> int:
        return self._count("starting")

    @property
    def draining(self) -> int:
        return self._count("draining")

    @property
    def down(self) -> int:
        return self._count("down")


class FleetView:
    """What the autoscaler is asked about (:class:`sim.api.Fleet`)."""

    def __init__(
        self, pools: Sequence[PoolSpec], slots: Sequence[Slot], cluster: ClusterView, cold_start_s: float
    ) -> None:
        self.pools = tuple(PoolView(place, pool, slots, cold_start_s) for place, pool in enumerate(pools))
        self.now_ns = 0
        self._cluster = cluster

    def at(self, now_ns: int) -> FleetView:
        self.now_ns = now_ns
        self._cluster.at(now_ns)
        return self

    @property
    def now_s(self) -> float:
        return self.now_ns / NS_PER_S

    @property
    def replicas(self) -> Sequence[ReplicaView]:
        return self._cluster.replicas
