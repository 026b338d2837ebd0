"""Traces that ship with the package: arrivals in nanoseconds and the (prompt, output) pairs that are known.

A trace may know fewer lengths than arrivals: the rest is drawn from the empirical joint distribution of the known
pairs (:mod:`sim.workload.build`). A trace that knows which prompts share a prefix has a third column, ``blocks``:
numbers of the prompt's blocks of ``content_block_tokens`` tokens, ``0 14-27`` for 0, 14, 15 … 27.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from sim.errors import ScenarioError
from sim.names import hint
from sim.workload.columns import Content, Ints
from sim.workload.prefixes import PrefixNames

HEADER = "arrival_ns,prompt_tokens,output_tokens"
_BLOCKS = ",blocks"
_BLOCK_TOKENS = "# content_block_tokens = "


@dataclass(frozen=True, slots=True)
class Trace:
    """``arrival_ns`` int64[n], sorted; ``pairs`` int64[k, 2]: prompt and output tokens of the first k <= n requests.

    ``content``: as in a workload, for all n requests, or None.
    """

    name: str
    arrival_ns: Ints
    pairs: Ints
    content: Content | None = None
    content_block_tokens: int = 0


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
    if lines[0] not in (HEADER, HEADER + _BLOCKS):
        raise ScenarioError(f"Trace {name!r} must have the columns {HEADER}.")
    rows = [line.split(",") for line in lines[1:]]
    pairs = [(int(prompt), int(output)) for _, prompt, output, *_ in rows if prompt]
    arrivals = np.array([int(row[0]) for row in rows], dtype=np.int64)
    known = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    if lines[0] == HEADER:
        return Trace(name, arrivals, known)
    stated = next(line for line in text.splitlines() if line.startswith(_BLOCK_TOKENS))
    names = PrefixNames(int(stated.removeprefix(_BLOCK_TOKENS)))
    content = tuple(names.content(_blocks(row[3]), *pair) for row, pair in zip(rows, pairs, strict=True))
    return Trace(name, arrivals, known, content, names.block_tokens)


def _blocks(text: str) -> list[int]:
    numbers: list[int] = []
    for part in text.split():
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return numbers
