"""Reads and checks scenario files: the edge where text becomes a :class:`sim.scenario.Scenario`.

Invariant: a file that passes here can be simulated. Every complaint names the file, the field and, for a key or a
name that is unknown, the nearest known one.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

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
    LogNormalWorkload,
    PoolSpec,
    Scenario,
    SloSpec,
    TraceWorkload,
    scenario_names,
)
from sim.scenario_cluster import ClusterTable, CostTable, cluster_spec, cost_spec
from sim.scenario_text import LISTS, Toml, dump, heading, override
from sim.tables import Interval, Name, PositiveFloat, PositiveInt, Table, Text
from sim.workload import load_trace

MAX_REQUESTS = 10_000_000
"""Most requests that a drawn workload may have on average: more don't fit the memory of one evaluation."""


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


class _Trace(Table):
    kind: Literal["trace"]
    trace: Text


class _LogNormal(Table):
    kind: Literal["lognormal"]
    rate_rps: Annotated[float, Field(ge=1e-6, le=1e6, allow_inf_nan=False)]
    sigma: Annotated[float, Field(ge=0, le=5)]
    duration_s: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
    lengths: Text
    max_prompt_tokens: PositiveInt | None = None
    max_output_tokens: PositiveInt | None = None


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
    workload: Annotated[_Trace | _LogNormal, Field(discriminator="kind")]
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
    "workload": (_Trace, _LogNormal),
    "slo": (_Slo,),
    "engine": (EngineTable,),
    "pool": (PoolTable,),
    "autoscaler": (AutoscalerTable,),
    "faults": (FaultsTable,),
    "fault": (FaultTable,),
    "telemetry": (TelemetryTable,),
}


def parse_scenario(text: str, where: str, overrides: Mapping[str, str] | None = None) -> Scenario:
    """The scenario that ``text`` (TOML) describes, with ``overrides`` applied; ``where`` names it in complaints."""
    try:
        table: dict[str, Toml] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{where} is not valid TOML: {error}.") from error
    except ValueError as error:
        raise ScenarioError(f"{where} holds a number with thousands of digits; write one that is meant.") from error
    except RecursionError as error:
        raise ScenarioError(f"{where} is nested too deeply: a scenario has sections with plain values.") from error
    keys = {section: _known_keys(section) for section in _SECTIONS}
    for key, value in (overrides or {}).items():
        override(table, keys, key, value)
    try:
        checked = TypeAdapter(_File).validate_python(_whole(table))
    except ValidationError as error:
        details = error.errors(include_url=False)
        typos = [detail for detail in details if detail["type"] == "extra_forbidden"]
        raise ScenarioError(_complaint(where, (typos or details)[0])) from error
    _check_names(checked, where)
    _check_sizes(checked, where)
    scenario = _scenario(checked, dump(table) if overrides else text, where)
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


def _scenario(checked: _File, source: str, where: str) -> Scenario:
    head, work = checked.scenario, checked.workload
    cluster, cost = _hardware(checked.cluster, checked.cost, where)
    content = checked.model_dump(mode="json", exclude={"scenario": {"title", "why", "held_out"}})
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    fields = work.model_dump(exclude={"kind"})
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
        workload=TraceWorkload(**fields) if isinstance(work, _Trace) else LogNormalWorkload(**fields),
        slo=SloSpec(**checked.slo.model_dump()),
        source=source,
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
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
    head, work = checked.scenario, checked.workload
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
    try:
        load_trace(work.trace if isinstance(work, _Trace) else work.lengths)
    except ScenarioError as error:
        raise ScenarioError(f"{where}: {error}") from error


def _check_sizes(checked: _File, where: str) -> None:
    """Values that are possible by themselves and not together."""
    work = checked.workload
    if isinstance(work, _LogNormal) and work.max_output_tokens == 1 and checked.scenario.metric.startswith("tpot_s."):
        raise ScenarioError(
            f"{where}: scenario.metric: no request has a second output token (workload.max_output_tokens = 1), so "
            f"{checked.scenario.metric} is undefined; choose another metric or raise the limit."
        )
    if isinstance(work, _LogNormal) and work.rate_rps * work.duration_s > MAX_REQUESTS:
        raise ScenarioError(
            f"{where}: workload.duration_s: {work.duration_s:g} s at {work.rate_rps:g} requests/s are more than "
            f"{MAX_REQUESTS:,} requests; lower one of the two."
        )


def _known_keys(section: str) -> list[str]:
    known = list(dict.fromkeys(key for table in _SECTIONS[section] for key in table.model_fields))
    return [*known, *ClusterTable.model_fields, "cost"] if section == "pool" else known


def _complaint(where: str, detail: ErrorDetails) -> str:
    """One sentence for pydantic's complaint; its location may hold a union's tag, which no file has."""
    path = [str(part) for part in detail["loc"]]
    if path[0] == "workload" and len(path) > 1 and path[1] in ("trace", "lognormal"):
        del path[1]
    if path[0] in LISTS and len(path) > 1:
        where = f"{where}: [[{path[0]}]] number {int(path.pop(1)) + 1}"
        if path[1:2] == ["cluster"]:
            del path[1]
    field = ".".join(path)
    match detail["type"]:
        case "extra_forbidden" if len(path) == 1:
            return f"{where}: unknown section [{field}]; {hint(path[0], _SECTIONS)}"
        case "extra_forbidden" if path[-1] in _known_keys(path[0]):
            return f"{where}: {field} doesn't belong to this kind of {path[0]}; remove it."
        case "extra_forbidden":
            section = "cost" if path[:2] == ["pool", "cost"] else path[0]
            return f"{where}: unknown key {field!r}; {hint(path[-1], _known_keys(section))}"
        case "model_type" | "model_attributes_type" | "dict_type" if len(path) == 1:
            return f"{where}: {field} must be a section: write {heading(field)} and its keys below."
        case "list_type" if field in LISTS:
            return f"{where}: {field} must be a list of sections: write {heading(field)} and its keys below."
        case "too_short" | "too_long":
            return f'{where}: {field}: must have one to three entries, for example ["router"].'
        case "missing" | "union_tag_not_found":
            return f"{where}: {field if detail['type'] == 'missing' else f'{field}.kind'} is missing."
        case "union_tag_invalid":
            return f"{where}: workload.kind must be 'trace' or 'lognormal'."
        case _:
            message = detail["msg"][0].lower() + detail["msg"][1:]
            return f"{where}: {field}: {message}, not {_short(detail['input'])}."


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
