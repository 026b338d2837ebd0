"""Finds the reference data, which isn't part of the package: a folder ``shared`` beside the repository or above it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def shared_folder(given: str | None = None) -> Path:
    """The folder that holds ``reference/`` and ``data/``; SystemExit with one sentence if there is none."""
    places = [Path(given)] if given else [parent / "shared" for parent in ROOT.parents]
    for place in places:
        if (place / "reference" / "validation.json").is_file():
            return place
    looked = given or f"{places[0]} and the folders above"
    raise SystemExit(
        f"The reference data isn't there ({looked}): put the folder shared beside the repository or name it."
    )


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))
