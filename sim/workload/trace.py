"""Traces that ship with the package: arrivals in nanoseconds and the (prompt, output) pairs that are known.

A trace may know fewer lengths than arrivals: the rest is drawn from the empirical joint distribution of the known
pairs (:mod:`sim.workload.build`).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from sim.errors import ScenarioError
from sim.names import hint

HEADER = "arrival_ns,prompt_tokens,output_tokens"


@dataclass(frozen=True, slots=True)
class Trace:
    """``arrival_ns`` int64[n], sorted; ``pairs`` int64[k, 2]: prompt and output tokens of the first k <= n requests."""

    name: str
    arrival_ns: NDArray[np.int64]
    pairs: NDArray[np.int64]


def trace_names() -> list[str]:
    """Names of the traces that ship."""
    folder = files("sim.workload").joinpath("data")
    return sorted(entry.name.removesuffix(".csv") for entry in folder.iterdir() if entry.name.endswith(".csv"))


def load_trace(name: str) -> Trace:
    """The shipped trace of that name; ScenarioError names the nearest one if there is none."""
    if name not in trace_names():
        raise ScenarioError(f"There is no trace {name!r}; {hint(name, trace_names())}")
    text = files("sim.workload").joinpath("data", f"{name}.csv").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    if lines[0] != HEADER:
        raise ScenarioError(f"Trace {name!r} must have the columns {HEADER}.")
    rows = [line.split(",") for line in lines[1:]]
    pairs = [(int(prompt), int(output)) for _, prompt, output in rows if prompt]
    arrivals = np.array([int(row[0]) for row in rows], dtype=np.int64)
    return Trace(name, arrivals, np.array(pairs, dtype=np.int64).reshape(-1, 2))
