"""The per-request table of an evaluation on its way from a worker to a file that people read.

A million rows are no JSON: the worker leaves the columns as arrays in a file of its own, and whoever wants them in
another form takes them from there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.result import RequestTable

TIMES = ("arrival", "routed", "first_scheduled", "first_token", "finish")
COUNTS = ("prompt_tokens", "output_tokens", "cached_tokens", "restarts", "preemptions", "crash_restarts", "replica")
Column = Sequence[float | None] | Sequence[int | None] | Sequence[str | None]


def write_requests(table: RequestTable, pools: Sequence[str], path: str) -> None:
    """Writes the columns to the ``.npz`` file ``path``, with the names that outcomes and pools stand for."""
    import numpy as np

    from sim.result import OUTCOMES

    columns = {field.name: getattr(table, field.name) for field in dataclasses.fields(table)}
    with open(path, "wb") as file:
        np.savez(file, **columns, outcome_names=np.array(OUTCOMES), pool_names=np.array(list(pools)))


def read_requests(path: Path, rows: int = 50_000) -> Iterator[dict[str, Column]]:
    """The table as people read it, so many rows at a time: columns in order, their units in their names.

    Times are simulated seconds. What did not happen is None, and so are ``e2e_s`` and ``ttft_s`` of a request that has
    not finished; ``replica`` and ``pool`` are the last ones.
    """
    import numpy as np

    with np.load(path, allow_pickle=False) as found:
        outcomes, pools = found["outcome_names"].tolist(), found["pool_names"].tolist()
        arrays = {name: found[name] for name in found.files if not name.endswith("_names")}
    for start in range(0, max(len(arrays["id"]), 1), rows):
        yield _columns({name: array[start : start + rows].tolist() for name, array in arrays.items()}, outcomes, pools)


def _columns(raw: Mapping[str, list[int]], outcomes: Sequence[str], pools: Sequence[str]) -> dict[str, Column]:
    finished = [outcomes[code] == "finished" for code in raw["outcome"]]
    columns: dict[str, Column] = {"id": raw["id"]}
    for name in TIMES:
        columns[f"{name}_s"] = [None if ns < 0 else ns / 1e9 for ns in raw[f"{name}_ns"]]
    for name, end in (("e2e_s", "finish_ns"), ("ttft_s", "first_token_ns")):
        spans = zip(finished, raw[end], raw["arrival_ns"], strict=True)
        columns[name] = [(to - since) / 1e9 if done else None for done, to, since in spans]
    for name in COUNTS:
        columns[name] = [None if count < 0 else count for count in raw[name]]
    columns["pool"] = [None if code < 0 else pools[code] for code in raw["pool"]]
    columns["outcome"] = [outcomes[code] for code in raw["outcome"]]
    return columns
