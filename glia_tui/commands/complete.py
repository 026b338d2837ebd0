"""What the shell offers on <Tab>: session ids, scenarios, policies and the like.

Called for every key press, so nothing is imported that validates, simulates or draws, and nothing here raises: a
shell has no place for an error.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import typer

GATES = ("supervised", "trusted", "autonomous")
SLOTS = ("router", "scheduler", "autoscaler")
FORMATS = ("azure", "burstgpt", "mooncake", "sharegpt", "vidur")


def gate_names(incomplete: str) -> list[str]:
    return _starting(incomplete, list(GATES))


def scenario_names(incomplete: str) -> list[str]:
    """Scenarios that ship; a file is completed by the shell."""
    folder = files("sim").joinpath("scenarios")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return _starting(incomplete, [name.removesuffix(".toml") for name in names])


def policy_names(incomplete: str) -> list[str]:
    """Policies that ship, of all slots."""
    return _starting(incomplete, sorted({name for slot in SLOTS for name in _shipped(slot)}))


def router_names(incomplete: str) -> list[str]:
    """Routers that ship; a file is completed by the shell."""
    return _starting(incomplete, _shipped("router"))


def scheduler_names(incomplete: str) -> list[str]:
    """Batch schedulers that ship."""
    return _starting(incomplete, _shipped("scheduler"))


def autoscaler_names(incomplete: str) -> list[str]:
    """Autoscalers that ship."""
    return _starting(incomplete, _shipped("autoscaler"))


def slot_names(incomplete: str) -> list[str]:
    return _starting(incomplete, list(SLOTS))


def trace_formats(incomplete: str) -> list[str]:
    return _starting(incomplete, list(FORMATS))


def _shipped(slot: str) -> list[str]:
    from sim.policies import policy_names as names

    return names(slot)


def session_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Sessions of the workspace that the line names so far, newest first; then ``last``."""
    from sessions.settings import workspace_guess

    option = ctx.params.get("workspace")
    folder = workspace_guess(Path(str(option)) if option else None) / ".glia" / "sessions"
    found: list[str] = []
    with contextlib.suppress(OSError):
        found = sorted(_sessions(folder), reverse=True)
    return _starting(incomplete, [*found, *(["last"] if found else [])])


def _sessions(folder: Path) -> Iterator[str]:
    for entry in os.scandir(folder):
        if (folder / entry.name / "journal.jsonl").is_file():
            yield entry.name


def _starting(incomplete: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
