"""Recorded lengths and rates that ship with the package; each file states its source and licence.

``data/pairs``: (prompt, output) pairs of a trace, a sample of them where there are many. ``data/counts``: how many
requests arrived in every second of it, a minute a line. The traces of :mod:`sim.workload.trace` have lengths too.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from sim.errors import ScenarioError
from sim.names import hint
from sim.workload.columns import Ints
from sim.workload.trace import load_trace, trace_names


def pair_names() -> list[str]:
    """What ``lengths`` may be drawn from."""
    return sorted({*trace_names(), *_names("pairs")})


def count_names() -> list[str]:
    """What arrivals may be replayed from."""
    return _names("counts")


def load_pairs(name: str) -> Ints:
    """Recorded (prompt, output) tokens: int64[n, 2]. ScenarioError names the nearest name if there is none."""
    if name in trace_names():
        return load_trace(name).pairs
    if name not in _names("pairs"):
        raise ScenarioError(f"There are no lengths {name!r}; {hint(name, pair_names())}")
    return np.array(_rows("pairs", name, "prompt_tokens,output_tokens"), dtype=np.int64)


def load_counts(name: str) -> Ints:
    """Arrivals in every second of a record: int64[seconds]. ScenarioError as above."""
    if name not in count_names():
        raise ScenarioError(f"There are no recorded arrivals {name!r}; {hint(name, count_names())}")
    return np.array([count for row in _rows("counts", name, "arrivals") for count in row], dtype=np.int64)


def _names(folder: str) -> list[str]:
    entries = files("sim.workload").joinpath("data", folder).iterdir()
    return sorted(entry.name.removesuffix(".csv") for entry in entries if entry.name.endswith(".csv"))


def _rows(folder: str, name: str, header: str) -> list[list[int]]:
    text = files("sim.workload").joinpath("data", folder, f"{name}.csv").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    if lines[0] != header:
        raise ScenarioError(f"{folder}/{name}.csv must have the columns {header}.")
    return [[int(value) for value in line.split(",")] for line in lines[1:]]
