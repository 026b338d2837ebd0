"""The sections of a scenario file that make more of a cluster than equal replicas that are always there.

``[engine]``, ``[[pool]]``, ``[autoscaler]``, ``[faults]`` and ``[[fault]]``, ``[telemetry]``. A pool inherits from
``[cluster]`` and ``[cost]`` what it doesn't state (:func:`with_inherited`), so both are checked once, for every pool.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Literal, cast

from pydantic import Field

from sim.scenario import AutoscalerSpec, EngineRules, EngineSpec, Fault, FaultsSpec
from sim.scenario_text import Toml
from sim.tables import Interval, Name, PositiveFloat, PositiveInt, Replicas, Table

OF_THE_GPU = ("kv_blocks", "usd_per_gpu_hour")
"""Keys of ``[cluster]`` that another GPU or model has other values of: a pool with one doesn't inherit them."""

_KV_SIZES = frozenset({"kv_blocks", "gpu_memory_utilization"})
"""Two ways to say one thing: a pool that has one of them inherits neither."""


class EngineTable(Table):
    rules: EngineRules = "sarathi"
    prefix_caching: bool = False
    reserved_tokens: PositiveInt = 4096
    vidur_compat: bool = False

    def spec(self) -> EngineSpec:
        return EngineSpec(**self.model_dump())


class PoolTable(Table):
    """What a pool has besides any key of ``[cluster]`` and a section ``[pool.cost]`` of its own."""

    name: Name
    min_replicas: Replicas | None = None
    max_replicas: Replicas | None = None


class AutoscalerTable(Table):
    interval_s: Annotated[float, Field(ge=0.1, le=1e6, allow_inf_nan=False)]
    cold_start_s: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
    sample_interval_s: Annotated[float, Field(ge=0.1, le=1e6, allow_inf_nan=False)] = 2.0
    history_s: PositiveFloat = 600.0
    min_replicas: Replicas | None = None
    max_replicas: Replicas | None = None

    def spec(self) -> AutoscalerSpec:
        return AutoscalerSpec(self.interval_s, self.cold_start_s, self.sample_interval_s, self.history_s)


class FaultTable(Table):
    kind: Literal["crash", "slow"]
    replica: Annotated[int, Field(ge=0, le=4095)]
    at_s: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
    duration_s: Annotated[float, Field(ge=1e-3, le=1e9, allow_inf_nan=False)]
    percent: Annotated[int, Field(gt=0, le=10_000)] | None = None

    def spec(self) -> Fault:
        return Fault(self.kind, self.replica, self.at_s, self.duration_s, self.percent or 100)


class FaultsTable(Table):
    mean_between_s: Annotated[float, Field(ge=1, le=1e9, allow_inf_nan=False)] | None = None
    mean_down_s: Annotated[float, Field(ge=1e-3, le=1e9, allow_inf_nan=False)] = 60.0

    def spec(self, listed: Collection[FaultTable]) -> FaultsSpec:
        return FaultsSpec(self.mean_between_s, self.mean_down_s, tuple(fault.spec() for fault in listed))


class TelemetryTable(Table):
    scrape_interval_s: Interval | None = None


def with_inherited(pool: Toml, table: Mapping[str, Toml], of_cluster: Collection[str]) -> Toml:
    """The raw pool with sections ``cluster`` and ``cost`` of its own, whole: its keys over those of the file.

    ``of_cluster``: the keys that ``[cluster]`` may have. A value that isn't a table stays, for the checker to refuse.
    """
    cluster, cost = table.get("cluster"), table.get("cost")
    if not isinstance(pool, dict) or not isinstance(cluster, dict) or not isinstance(cost, dict):
        return pool
    own = {key: value for key, value in pool.items() if key in of_cluster}
    rest = {key: value for key, value in pool.items() if key not in of_cluster}
    other = any(key in own and own[key] != cluster.get(key) for key in ("gpu", "model", "tensor_parallel"))
    dropped = {*(OF_THE_GPU if other else ()), *(_KV_SIZES if own.keys() & _KV_SIZES else ())}
    inherited = {key: value for key, value in cluster.items() if key not in dropped}
    own_cost = pool.get("cost", {})
    merged = _merged_costs(cost, own_cost) if isinstance(own_cost, dict) else own_cost
    return cast("Toml", {**rest, "cluster": {**inherited, **own}, "cost": merged})


def _merged_costs(cost: Mapping[str, Toml], own: Mapping[str, Toml]) -> Toml:
    """A pool whose cost is of another kind, or another profile, shares no key with the file's."""
    other = any(key in own and own[key] != cost.get(key) for key in ("kind", "profile"))
    return cast("Toml", dict(own) if other else {**cost, **own})
