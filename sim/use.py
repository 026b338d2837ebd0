"""What a run used of its fleet, and the figures that follow: hours, dollars, balance, batches, prefix hits.

Every figure is computed from integers and divided once, so it has the same digits on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sim.api import NS_PER_S
from sim.member import PAID, Member, State
from sim.scenario import PoolSpec
from sim.telemetry import Json

NS_PER_H = 3600 * NS_PER_S
SERVING: tuple[State, ...] = ("ready", "draining")
"""States in which a replica has requests."""


class Counters(Protocol):
    """What a replica counts."""

    @property
    def generated_tokens(self) -> int: ...

    @property
    def prefix_query_tokens(self) -> int: ...

    @property
    def prefix_hit_tokens(self) -> int: ...


@dataclass(frozen=True, slots=True)
class FleetUse:
    """One entry per replica that there could be: the place of its pool, how long it was in each state by the last
    event, and the output tokens that it generated.

    ``block_ns`` and ``running_ns``: integrals over the run of all KV blocks in use and of all running requests.
    ``crashes``: by request id, how often a crash took it off its replica.
    """

    pools: tuple[PoolSpec, ...]
    pool_of: tuple[int, ...]
    ns_in: tuple[Mapping[State, int], ...]
    generated_tokens: tuple[int, ...]
    prefix_query_tokens: int
    prefix_hit_tokens: int
    replicas_max: int
    block_ns: int
    running_ns: int
    crashes: Mapping[int, int]

    def paid_ns(self, replica_id: int) -> int:
        return sum(self.ns_in[replica_id][state] for state in PAID)

    def serving_ns(self, replica_id: int) -> int:
        return sum(self.ns_in[replica_id][state] for state in SERVING)


def fleet_use(
    pools: tuple[PoolSpec, ...],
    members: Sequence[Member],
    replicas: Sequence[Counters],
    end_ns: int,
    *,
    replicas_max: int,
    block_ns: int,
    running_ns: int,
    crashes: Mapping[int, int],
) -> FleetUse:
    """The use of a run that ended at ``end_ns``."""
    return FleetUse(
        pools=pools,
        pool_of=tuple(member.pool_index for member in members),
        ns_in=tuple({state: member.ns_in(state, end_ns) for state in PAID} for member in members),
        generated_tokens=tuple(replica.generated_tokens for replica in replicas),
        prefix_query_tokens=sum(replica.prefix_query_tokens for replica in replicas),
        prefix_hit_tokens=sum(replica.prefix_hit_tokens for replica in replicas),
        replicas_max=replicas_max,
        block_ns=block_ns,
        running_ns=running_ns,
        crashes=crashes,
    )


def cost_usd(prices: Sequence[tuple[int, float]], paid_ns: Sequence[int]) -> float:
    """Dollars for ``paid_ns`` of all replicas of each pool; ``prices``: GPUs of a replica, dollars of one per hour."""
    return sum([ns * gpus * usd for (gpus, usd), ns in zip(prices, paid_ns, strict=True)]) / NS_PER_H


def prices_of(pools: Iterable[PoolSpec]) -> list[tuple[int, float]]:
    return [(pool.cluster.tensor_parallel, pool.cluster.usd_per_gpu_hour) for pool in pools]


def use_figures(use: FleetUse, end_ns: int) -> dict[str, Json]:
    """The figures of a summary that are about the fleet."""
    pools, ids = use.pools, range(len(use.pool_of))
    gpus = [pools[index].cluster.tensor_parallel for index in use.pool_of]
    by_pool = [sum(use.paid_ns(i) for i in ids if use.pool_of[i] == index) for index in range(len(pools))]
    gpu_ns = [ns * pool.cluster.tensor_parallel for pool, ns in zip(pools, by_pool, strict=True)]
    blocks = [pools[index].cluster.kv_blocks for index in use.pool_of]
    capacity = sum(blocks[i] * use.serving_ns(i) for i in ids)
    serving = sum(use.serving_ns(i) for i in ids)
    queried = use.prefix_query_tokens
    names, prices = [pool.name for pool in pools], prices_of(pools)
    return {
        "gpu_hours": sum(gpu_ns) / NS_PER_H,
        "cost_usd": cost_usd(prices, by_pool),
        "gpu_hours_by_state": {state: sum(use.ns_in[i][state] * gpus[i] for i in ids) / NS_PER_H for state in PAID},
        "gpu_hours_by_pool": {name: ns / NS_PER_H for name, ns in zip(names, gpu_ns, strict=True)},
        "cost_usd_by_pool": {name: cost_usd([prices[i]], [by_pool[i]]) for i, name in enumerate(names)},
        "replicas_mean": sum(by_pool) / end_ns if end_ns else 0.0,
        "replicas_max": use.replicas_max,
        "kv_usage_mean": use.block_ns / capacity if capacity else 0.0,
        "batch_mean": use.running_ns / serving if serving else 0.0,
        "imbalance": _imbalance(use),
        "prefix_hit_rate": use.prefix_hit_tokens / queried if queried else 0.0,
    }


def _imbalance(use: FleetUse) -> float | None:
    """Output tokens per serving time of the busiest replica over the mean's; 1 is even, None if none generated any."""
    rates = [
        tokens * NS_PER_S**2 // use.serving_ns(i) for i, tokens in enumerate(use.generated_tokens) if use.serving_ns(i)
    ]
    return max(rates) * len(rates) / sum(rates) if any(rates) else None
