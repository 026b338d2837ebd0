"""Reads and checks scenario files: the edge where text becomes a :class:`sim.scenario.Scenario`.

Invariant: a file that passes here can be simulated. Every complaint names the file, the field and, for a key or a
name that is unknown, the nearest known one.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from sim.errors import ScenarioError
from sim.fleet_checks import check_fleet
from sim.fleet_tables import (
    AutoscalerTable,
    EngineTable,
    FaultsTable,
    FaultTable,
    PoolTable,
    TelemetryTable,
    with_inherited,
)
from sim.metrics import GOALS
from sim.names import hint
from sim.policies import policy_names
from sim.scenario import (
    ClusterSpec,
    CostSpec,
    PoolSpec,
    Scenario,
    SloSpec,
    scenario_names,
)
from sim.scenario_cluster import ClusterTable, CostTable, cluster_spec, cost_spec
from sim.scenario_complaints import complaint
from sim.scenario_text import Toml, dump, override
from sim.tables import Interval, Name, PositiveFloat, Table, Text
from sim.workload import tables as workload
from sim.workload.checks import workload_spec
from sim.workload.spec import FileWorkload, WorkloadSpec


class _Head(Table):
    name: Name
    title: Text
    why: Text
    slots: Annotated[list[Literal["router", "scheduler", "autoscaler"]], Field(min_length=1, max_length=3)]
    baseline: Text
    scheduler: Text = "vllm-fcfs"
    autoscaler: Text = "fixed"
    metric: Text
    held_out: Text | None = None
    telemetry_interval_s: Interval = 1.0


class _Slo(Table):
    ttft_s: PositiveFloat
    tpot_s: PositiveFloat


class _Pool(PoolTable):
    cluster: ClusterTable
    cost: CostTable


class _File(Table):
    scenario: _Head
    cluster: ClusterTable
    cost: CostTable
    workload: Annotated[workload.WorkloadTable, Field(discriminator="kind")]
    slo: _Slo
    engine: EngineTable = EngineTable()
    pool: Annotated[list[_Pool], Field(default_factory=list)]
    autoscaler: AutoscalerTable | None = None
    faults: FaultsTable = FaultsTable()
    fault: Annotated[list[FaultTable], Field(default_factory=list)]
    telemetry: TelemetryTable = TelemetryTable()


_SECTIONS: Mapping[str, tuple[type[Table], ...]] = {
    "scenario": (_Head,),
    "cluster": (ClusterTable,),
    "cost": (CostTable,),
    **workload.SECTIONS,
    "slo": (_Slo,),
    "engine": (EngineTable,),
    "pool": (PoolTable,),
    "autoscaler": (AutoscalerTable,),
    "faults": (FaultsTable,),
    "fault": (FaultTable,),
    "telemetry": (TelemetryTable,),
}


def known_keys() -> dict[str, list[str]]:
    """The keys that every section may have; what a section has below it is a key of it."""
    keys = {
        section: list(dict.fromkeys(key for table in tables for key in table.model_fields))
        for section, tables in _SECTIONS.items()
    }
    return keys | {"pool": [*keys["pool"], *ClusterTable.model_fields, "cost"]}


def parse_scenario(
    text: str, where: str, overrides: Mapping[str, str] | None = None, folder: Path | None = None
) -> Scenario:
    """The scenario that ``text`` (TOML) describes, with ``overrides`` applied; ``where`` names it in complaints.

    ``folder``: where relative paths in it begin, the working directory if None.
    """
    try:
        table: dict[str, Toml] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{where} is not valid TOML: {error}.") from error
    except ValueError as error:
        raise ScenarioError(f"{where} holds a number with thousands of digits; write one that is meant.") from error
    except RecursionError as error:
        raise ScenarioError(f"{where} is nested too deeply: a scenario has sections with plain values.") from error
    for key, value in (overrides or {}).items():
        override(table, known_keys(), key, value)
    try:
        checked = TypeAdapter(_File).validate_python(_whole(table))
    except ValidationError as error:
        details = error.errors(include_url=False)
        typos = [detail for detail in details if detail["type"] == "extra_forbidden"]
        raise ScenarioError(complaint(where, (typos or details)[0], known_keys())) from error
    _check_names(checked, where)
    work = _workload(checked, folder or Path(), where)
    scenario = _scenario(checked, work, dump(table) if overrides else text, where)
    check_fleet(scenario, checked.autoscaler, checked.fault, bool(checked.pool), where)
    return scenario


def _whole(table: Mapping[str, Toml]) -> dict[str, Toml]:
    """The table with every pool as if it stated all its keys."""
    pools = table.get("pool")
    if not isinstance(pools, list):
        return dict(table)
    return {**table, "pool": [with_inherited(pool, table, ClusterTable.model_fields) for pool in pools]}


def _pools(checked: _File, cluster: ClusterSpec, cost: CostSpec, where: str) -> tuple[PoolSpec, ...]:
    """The pools that are listed; with an autoscaler alone, the one that it may change; without either none."""
    scaled = checked.autoscaler
    if not checked.pool and scaled is not None:
        most = scaled.max_replicas if scaled.max_replicas is not None else checked.cluster.replicas
        least = scaled.min_replicas if scaled.min_replicas is not None else 1
        return (PoolSpec("main", cluster, cost, least, most),)
    return tuple(_pool(pool, f"{where}: pool {pool.name!r}") for pool in checked.pool)


def _pool(pool: _Pool, where: str) -> PoolSpec:
    """A pool that states no limit keeps its replicas whatever an autoscaler wants of it."""
    replicas, least, most = pool.cluster.replicas, pool.min_replicas, pool.max_replicas
    if least is None:
        least = replicas if most is None else min(1, most)
    cluster, cost = _hardware(pool.cluster, pool.cost, where)
    return PoolSpec(pool.name, cluster, cost, least, replicas if most is None else most)


def _hardware(cluster: ClusterTable, cost: CostTable, where: str) -> tuple[ClusterSpec, CostSpec]:
    try:
        spec = cluster_spec(cluster)
        return spec, cost_spec(cost, spec)
    except ScenarioError as error:
        raise ScenarioError(f"{where}: {error}") from error


def _workload(checked: _File, folder: Path, where: str) -> WorkloadSpec:
    try:
        return workload_spec(checked.workload, folder, checked.cluster.block_tokens, checked.scenario.metric)
    except ScenarioError as error:
        raise ScenarioError(f"{where}: {error}") from error


def _digest(checked: _File, work: WorkloadSpec) -> str:
    """Of everything that can change a result: a file's bytes, not where it lies."""
    content = checked.model_dump(mode="json", exclude={"scenario": {"title", "why", "held_out"}})
    if isinstance(work, FileWorkload):
        content["workload"] |= {"path": None, "format": work.format, "sha256": work.sha256}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _scenario(checked: _File, work: WorkloadSpec, source: str, where: str) -> Scenario:
    head = checked.scenario
    cluster, cost = _hardware(checked.cluster, checked.cost, where)
    return Scenario(
        name=head.name,
        title=head.title,
        why=head.why,
        slots=tuple(head.slots),
        baseline=head.baseline,
        metric=head.metric,
        held_out=head.held_out or "",
        telemetry_interval_s=head.telemetry_interval_s,
        cluster=cluster,
        cost=cost,
        workload=work,
        slo=SloSpec(**checked.slo.model_dump()),
        source=source,
        digest=_digest(checked, work),
        scheduler=head.scheduler,
        autoscaler=head.autoscaler,
        engine=checked.engine.spec(),
        autoscaling=None if checked.autoscaler is None else checked.autoscaler.spec(),
        faults=checked.faults.spec(checked.fault),
        scrape_interval_s=checked.telemetry.scrape_interval_s or 0.0,
        more_pools=_pools(checked, cluster, cost, where),
    )


def _check_names(checked: _File, where: str) -> None:
    """Names that refer to something else must exist."""
    head = checked.scenario
    for key, slot in (("baseline", "router"), ("scheduler", "scheduler"), ("autoscaler", "autoscaler")):
        name, known = getattr(head, key), policy_names(slot)
        if name not in known:
            raise ScenarioError(f"{where}: scenario.{key}: there is no {slot} {name!r}; {hint(name, known)}")
    ships = scenario_names()
    if head.held_out is not None and head.held_out not in ships:
        raise ScenarioError(
            f"{where}: scenario.held_out: there is no scenario {head.held_out!r}; {hint(head.held_out, ships)}"
        )
    if head.metric not in GOALS:
        raise ScenarioError(
            f"{where}: scenario.metric: {head.metric!r} is no figure to minimise; {hint(head.metric, GOALS)}"
        )
