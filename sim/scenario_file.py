"""Reads and checks scenario files: the edge where text becomes a :class:`sim.scenario.Scenario`.

Invariant: a file that passes here can be simulated. Every complaint names the file, the field and, for a key or a
name that is unknown, the nearest known one.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from sim.errors import ScenarioError
from sim.metrics import LATENCIES, METRIC_UNITS
from sim.names import hint
from sim.policies import router_names
from sim.scenario import ClusterSpec, CostSpec, LogNormalWorkload, Scenario, SloSpec, TraceWorkload, scenario_names
from sim.scenario_cluster import (
    ClusterTable,
    CostTable,
    PositiveFloat,
    PositiveInt,
    Table,
    Text,
    cluster_spec,
    cost_spec,
)
from sim.workload import load_trace

Toml: TypeAlias = "str | int | float | bool | list[Toml] | dict[str, Toml]"

MAX_REQUESTS = 10_000_000
"""Most requests that a drawn workload may have on average: more don't fit the memory of one evaluation."""


class _Head(Table):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
    title: Text
    why: Text
    slots: Annotated[list[Literal["router"]], Field(min_length=1, max_length=1)]
    baseline: Text
    metric: Text
    held_out: Text | None = None
    telemetry_interval_s: Annotated[float, Field(ge=1e-3, le=1e6, allow_inf_nan=False)] = 1.0


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


class _File(Table):
    scenario: _Head
    cluster: ClusterTable
    cost: CostTable
    workload: Annotated[_Trace | _LogNormal, Field(discriminator="kind")]
    slo: _Slo


_SECTIONS: Mapping[str, tuple[type[Table], ...]] = {
    "scenario": (_Head,),
    "cluster": (ClusterTable,),
    "cost": (CostTable,),
    "workload": (_Trace, _LogNormal),
    "slo": (_Slo,),
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
    for key, value in (overrides or {}).items():
        _override(table, key, value)
    try:
        checked = TypeAdapter(_File).validate_python(table)
    except ValidationError as error:
        details = error.errors(include_url=False)
        typos = [detail for detail in details if detail["type"] == "extra_forbidden"]
        raise ScenarioError(_complaint(where, (typos or details)[0])) from error
    _check_names(checked, where)
    try:
        cluster = cluster_spec(checked.cluster)
        cost = cost_spec(checked.cost, cluster)
    except ScenarioError as error:
        raise ScenarioError(f"{where}: {error}") from error
    _check_sizes(checked, cluster, where)
    return _scenario(checked, cluster, cost, _dump(table) if overrides else text)


def _scenario(checked: _File, cluster: ClusterSpec, cost: CostSpec, source: str) -> Scenario:
    head, work = checked.scenario, checked.workload
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
    )


def _check_names(checked: _File, where: str) -> None:
    """Names that refer to something else must exist."""
    head, work = checked.scenario, checked.workload
    if head.baseline not in router_names():
        raise ScenarioError(
            f"{where}: scenario.baseline: there is no router {head.baseline!r}; {hint(head.baseline, router_names())}"
        )
    ships = scenario_names()
    if head.held_out is not None and head.held_out not in ships:
        raise ScenarioError(
            f"{where}: scenario.held_out: there is no scenario {head.held_out!r}; {hint(head.held_out, ships)}"
        )
    goals = [key for key in METRIC_UNITS if key.partition(".")[0] in LATENCIES]
    if head.metric not in goals:
        raise ScenarioError(
            f"{where}: scenario.metric: {head.metric!r} is no latency to minimise; {hint(head.metric, goals)}"
        )
    try:
        load_trace(work.trace if isinstance(work, _Trace) else work.lengths)
    except ScenarioError as error:
        raise ScenarioError(f"{where}: {error}") from error


def _check_sizes(checked: _File, cluster: ClusterSpec, where: str) -> None:
    """Values that are possible by themselves and not together."""
    work = checked.workload
    if cluster.kv_blocks - cluster.watermark_blocks < 2:
        raise ScenarioError(
            f"{where}: cluster.watermark_fraction: {cluster.watermark_fraction} of {cluster.kv_blocks} KV blocks "
            "leaves no room for a request; lower it or raise cluster.kv_blocks."
        )
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
    return list(dict.fromkeys(key for table in _SECTIONS[section] for key in table.model_fields))


def _complaint(where: str, detail: ErrorDetails) -> str:
    """One sentence for pydantic's complaint; its location may hold a union's tag, which no file has."""
    path = [str(part) for part in detail["loc"]]
    if path[0] == "workload" and len(path) > 1 and path[1] in ("trace", "lognormal"):
        del path[1]
    field = ".".join(path)
    match detail["type"]:
        case "extra_forbidden" if len(path) == 1:
            return f"{where}: unknown section [{field}]; {hint(path[0], _SECTIONS)}"
        case "extra_forbidden" if path[-1] in _known_keys(path[0]):
            return f"{where}: {field} doesn't belong to this kind of {path[0]}; remove it."
        case "extra_forbidden":
            return f"{where}: unknown key {field!r}; {hint(path[-1], _known_keys(path[0]))}"
        case "model_type" | "model_attributes_type" | "dict_type" if len(path) == 1:
            return f"{where}: {field} must be a section: write [{field}] and its keys below."
        case "too_short" | "too_long":
            return f'{where}: {field}: must have exactly one entry, for example ["router"].'
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


def _override(table: dict[str, Toml], key: str, value: str) -> None:
    """Sets the dotted ``key``; a value that isn't TOML by itself is taken as a string."""
    known = [f"{section}.{name}" for section in _SECTIONS for name in _known_keys(section)]
    if key not in known:
        same_name = [dotted for dotted in known if dotted.split(".")[1] == key]
        raise ScenarioError(f"There is no scenario key {key!r}; {hint(key, same_name or known)}")
    section, name = key.split(".")
    target = table.setdefault(section, {})
    if isinstance(target, dict):
        target[name] = _value(value)


def _value(text: str) -> Toml:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    value: Toml = parsed["value"]
    return value if len(parsed) == 1 else text


def _dump(table: Mapping[str, Toml]) -> str:
    """TOML of a checked table of sections; JSON's strings, numbers and lists are TOML's."""
    lines: list[str] = []
    for section, content in table.items():
        lines.append(f"[{section}]")
        if isinstance(content, dict):
            lines.extend(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in content.items())
        lines.append("")
    return "\n".join(lines)
