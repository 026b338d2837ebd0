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

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from sim.cost import load_profile
from sim.errors import ScenarioError
from sim.hardware import find_gpu
from sim.metrics import LATENCIES, METRIC_UNITS
from sim.names import hint
from sim.policies import router_names
from sim.scenario import ClusterSpec, CostSpec, LogNormalWorkload, Scenario, SloSpec, TraceWorkload, scenario_names
from sim.workload import load_trace

Toml: TypeAlias = "str | int | float | bool | list[Toml] | dict[str, Toml]"

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Head(_Table):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: Text
    why: Text
    slots: Annotated[list[Literal["router"]], Field(min_length=1, max_length=1)]
    baseline: Text
    metric: Text
    held_out: Text | None = None
    telemetry_interval_s: Annotated[float, Field(ge=1e-3, allow_inf_nan=False)] = 1.0


class _Cluster(_Table):
    replicas: Annotated[int, Field(gt=0, le=4096)]
    gpu: Text
    model: Text
    kv_blocks: PositiveInt
    block_tokens: PositiveInt = 16
    watermark_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.01
    max_num_seqs: PositiveInt
    chunk_tokens: PositiveInt
    usd_per_gpu_hour: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Cost(_Table):
    profile: Text
    decode_attention_ns_per_token: Annotated[int, Field(ge=0)]
    prefill_attention_ps_per_pair: Annotated[int, Field(ge=0)]


class _Trace(_Table):
    kind: Literal["trace"]
    trace: Text


class _LogNormal(_Table):
    kind: Literal["lognormal"]
    rate_rps: PositiveFloat
    sigma: Annotated[float, Field(ge=0, le=5)]
    duration_s: PositiveFloat
    lengths: Text
    max_prompt_tokens: PositiveInt | None = None
    max_output_tokens: PositiveInt | None = None


class _Slo(_Table):
    ttft_s: PositiveFloat
    tpot_s: PositiveFloat


class _File(_Table):
    scenario: _Head
    cluster: _Cluster
    cost: _Cost
    workload: Annotated[_Trace | _LogNormal, Field(discriminator="kind")]
    slo: _Slo


_SECTIONS: Mapping[str, tuple[type[_Table], ...]] = {
    "scenario": (_Head,),
    "cluster": (_Cluster,),
    "cost": (_Cost,),
    "workload": (_Trace, _LogNormal),
    "slo": (_Slo,),
}


def parse_scenario(text: str, where: str, overrides: Mapping[str, str] | None = None) -> Scenario:
    """The scenario that ``text`` (TOML) describes, with ``overrides`` applied; ``where`` names it in complaints."""
    try:
        table: dict[str, Toml] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{where} is not valid TOML: {error}.") from error
    for key, value in (overrides or {}).items():
        _override(table, key, value)
    try:
        checked = TypeAdapter(_File).validate_python(table)
    except ValidationError as error:
        details = error.errors(include_url=False)
        typos = [detail for detail in details if detail["type"] == "extra_forbidden"]
        raise ScenarioError(_complaint(where, (typos or details)[0])) from error
    _check_names(checked, where)
    return _scenario(checked, _dump(table) if overrides else text)


def _scenario(checked: _File, source: str) -> Scenario:
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
        cluster=ClusterSpec(**checked.cluster.model_dump()),
        cost=CostSpec(**checked.cost.model_dump()),
        workload=TraceWorkload(**fields) if isinstance(work, _Trace) else LogNormalWorkload(**fields),
        slo=SloSpec(**checked.slo.model_dump()),
        source=source,
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
    )


def _check_names(checked: _File, where: str) -> None:
    """Names that refer to something else must exist, and the profile must be of the cluster's GPU and model."""
    head, cluster, work = checked.scenario, checked.cluster, checked.workload
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
        find_gpu(cluster.gpu)
        profile = load_profile(checked.cost.profile)
        load_trace(work.trace if isinstance(work, _Trace) else work.lengths)
    except ScenarioError as error:
        raise ScenarioError(f"{where}: {error}") from error
    if (profile.gpu, profile.model) != (cluster.gpu, cluster.model):
        raise ScenarioError(
            f"{where}: cost.profile {profile.name!r} was measured for {profile.model} on {profile.gpu}, "
            f"not for {cluster.model} on {cluster.gpu}."
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
        case "extra_forbidden":
            return f"{where}: unknown key {field!r}; {hint(path[-1], _known_keys(path[0]))}"
        case "missing" | "union_tag_not_found":
            return f"{where}: {field if detail['type'] == 'missing' else f'{field}.kind'} is missing."
        case "union_tag_invalid":
            return f"{where}: workload.kind must be 'trace' or 'lognormal'."
        case _:
            message = detail["msg"][0].lower() + detail["msg"][1:]
            return f"{where}: {field}: {message}, not {detail['input']!r}."


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
    except tomllib.TOMLDecodeError:
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
