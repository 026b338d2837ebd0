"""Another workload for a scenario: the requests of a trace file in the place of its own."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sim.errors import TraceFileError
from sim.workload.loaders import load_workload

if TYPE_CHECKING:
    from sim.scenario import Scenario


def trace_overrides(scenario: Scenario, path: str, format: str | None = None) -> dict[str, str]:
    """The overrides (:func:`sim.scenario.load_scenario`) that replay the file at ``path`` in ``scenario``.

    A file without times gets the scenario's arrivals. Raises TraceFileError if it has none, or for a bad file.
    """
    trace = load_workload(path, format)
    section: dict[str, object] = {"kind": "file", "path": str(Path(path).absolute()), "format": trace.format}
    if trace.arrival_ns is None:
        section |= _arrivals(tomllib.loads(scenario.source)["workload"], path, trace.format)
    return {"workload": _inline(section)}


def _arrivals(own: Mapping[str, object], path: str, format: str) -> dict[str, object]:
    if own["kind"] == "lognormal":
        return {"arrivals": {"process": "lognormal", **{key: own[key] for key in ("rate_rps", "sigma", "duration_s")}}}
    if "arrivals" in own:
        return {key: own[key] for key in ("arrivals", "shape") if key in own}
    raise TraceFileError(
        f"{path} ({format}) states no times, and the scenario's own workload has no law of arrivals; choose a scenario "
        'with [workload.arrivals], or write a scenario file with kind = "file" and that section.'
    )


def _inline(value: object) -> str:
    """TOML on one line: JSON, but for tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_inline(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
