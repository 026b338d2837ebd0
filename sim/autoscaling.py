"""The autoscaler's turns: what it is shown, when it is asked, and how what it wants becomes replicas."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from sim.adapt.loading import plain_seconds, short
from sim.alarms import FAR, Alarms
from sim.api import Autoscaler, FleetSample, Hardware, Replica
from sim.decisions import WANTED, checked_wanted
from sim.errors import IllegalDecision
from sim.faults import to_ns
from sim.lifecycle import Lifecycle
from sim.machines import Machines
from sim.member import Member, State
from sim.scenario import AutoscalerSpec, PoolSpec
from sim.tally import Tally
from sim.views import ClusterView, HeldQueue


class PoolView:
    """One pool (:class:`sim.api.Pool`)."""

    __slots__ = ("_cold_start_s", "_members", "_spec")

    def __init__(self, spec: PoolSpec, members: Sequence[Member], cold_start_s: float) -> None:
        self._spec = spec
        self._members = members
        self._cold_start_s = cold_start_s

    @property
    def name(self) -> str:
        return self._spec.name

    @property
    def hardware(self) -> Hardware:
        return self._members[0].hardware

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

    @property
    def min_replicas(self) -> int:
        return self._spec.min_replicas

    @property
    def max_replicas(self) -> int:
        return self._spec.max_replicas

    @property
    def cold_start_s(self) -> float:
        return self._cold_start_s

    def _count(self, state: State) -> int:
        return sum(member.state == state for member in self._members)


class FleetView:
    """The fleet (:class:`sim.api.Fleet`): the pools, and the replicas as the router sees them."""

    __slots__ = ("_cluster", "_pools")

    def __init__(self, pools: Sequence[PoolView], cluster: ClusterView) -> None:
        self._pools = tuple(pools)
        self._cluster = cluster

    @property
    def now_ns(self) -> int:
        return self._cluster.now_ns

    @property
    def now_s(self) -> float:
        return self._cluster.now_s

    @property
    def pools(self) -> Sequence[PoolView]:
        return self._pools

    @property
    def replicas(self) -> Sequence[Replica]:
        return self._cluster.replicas


class Scaling:
    """``due_ns``: when the next sample or question is due; ``ask_ns``: the next question."""

    def __init__(
        self,
        autoscaler: Autoscaler,
        name: str,
        spec: AutoscalerSpec,
        pools: Sequence[PoolSpec],
        lifecycle: Lifecycle,
        machines: Machines,
        cluster: ClusterView,
        held: HeldQueue,
        tally: Tally,
        decisions: list[int],
        alarms: Alarms,
    ) -> None:
        self._interval_ns = to_ns(_interval_s(autoscaler, name, spec))
        self._sample_interval_ns = to_ns(spec.sample_interval_s)
        self._history_ns = to_ns(spec.history_s)
        self._history: deque[FleetSample] = deque()
        self._autoscaler = autoscaler
        self._name = name
        self._pools = pools
        self._wanted = [pool.cluster.replicas for pool in pools]
        self._lifecycle = lifecycle
        self._machines = machines
        self._cluster = cluster
        views = [
            PoolView(pool, [m for m in lifecycle.members if m.pool_index == index], spec.cold_start_s)
            for index, pool in enumerate(pools)
        ]
        self._fleet = FleetView(views, cluster)
        self._held = held
        self._tally = tally
        self._decisions = decisions
        self._alarms = alarms
        self._sample_ns = 0
        self.ask_ns = self._interval_ns
        self.due_ns = FAR
        self._expect()

    def happen(self, now_ns: int) -> None:
        """A sample of the fleet as it is now, and the question if it is due."""
        self._cluster.at(now_ns)
        oldest_ns = now_ns - self._history_ns
        while self._history and self._history[0].t_ns < oldest_ns:
            self._history.popleft()
        self._history.append(self._sample(now_ns))
        if now_ns == self._sample_ns:
            self._sample_ns += self._sample_interval_ns
        if now_ns == self.ask_ns:
            self.ask_ns += self._interval_ns
            self._ask(now_ns)
        self._expect()

    def _expect(self) -> None:
        self.due_ns = min(self._sample_ns, self.ask_ns)
        self._alarms.at(self.due_ns)

    def _ask(self, now_ns: int) -> None:
        answer = self._autoscaler.scale(self._fleet, tuple(self._history))
        named = checked_wanted(answer, [pool.name for pool in self._pools], self._name, now_ns)
        for index, pool in enumerate(self._pools):
            wanted = named.get(index, self._wanted[index])
            wanted = min(max(wanted, pool.min_replicas), pool.max_replicas)
            if wanted != self._wanted[index]:
                self._wanted[index] = wanted
                self._decisions.extend((now_ns, WANTED, index, wanted))
            self._lifecycle.scale(index, wanted, now_ns)

    def _sample(self, now_ns: int) -> FleetSample:
        ready = [member for member in self._lifecycle.members if member.accepts]
        starting = sum(member.state == "starting" for member in self._lifecycle.members)
        replicas, tally = self._machines.replicas, self._tally
        usage = [replicas[m.id].used_blocks_at(now_ns, False) / replicas[m.id].total_blocks for m in ready]
        return FleetSample(
            t_ns=now_ns,
            ready=len(ready),
            present=len(ready) + starting,
            waiting=sum(len(replica.waiting) for replica in replicas),
            running=sum(len(replica.running) for replica in replicas),
            held=len(self._held),
            kv_usage=sum(usage) / len(usage) if usage else 0.0,
            arrived_total=tally.arrived,
            finished_total=tally.finished,
            prompt_tokens_total=tally.prompt_tokens,
            output_tokens_total=sum(replica.generated_tokens_at(now_ns) for replica in replicas),
        )


def _interval_s(autoscaler: Autoscaler, name: str, spec: AutoscalerSpec) -> float:
    """The autoscaler's own interval if it states one, else the scenario's."""
    value: object = getattr(autoscaler, "interval_s", None)
    if value is None:
        return spec.interval_s
    interval_s = plain_seconds(value)
    if interval_s is None:
        words = f"interval_s is {short(value)}, not a number of seconds above 0"
        raise IllegalDecision(name, 0, words, slot="Autoscaler")
    return max(interval_s, MIN_INTERVAL_S)


MIN_INTERVAL_S = 0.1
"""Least interval of an autoscaler, as in a scenario."""
