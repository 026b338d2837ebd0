"""The per-request table of an evaluation on its way from a worker to a file that people read.

A million rows are no JSON: the worker leaves the columns as arrays in a file, and whoever wants a CSV or Parquet file
of one seed or several makes it from those (:mod:`glia_tui.commands.request_files`).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.result import RequestTable


def write_requests(table: RequestTable, path: str) -> None:
    """Writes the columns to the ``.npz`` file ``path``, by the names they have there."""
    import numpy as np

    columns = {field.name: getattr(table, field.name) for field in dataclasses.fields(table)}
    with open(path, "wb") as file:
        np.savez(file, **columns)
