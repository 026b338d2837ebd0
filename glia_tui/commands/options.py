"""Command-line options that several commands share, and how they meet the settings.

Imports nothing heavy: ``glia --help`` and shell completion read this module.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional, cast

import typer

from glia_tui.commands.complete import GATES, gate_names, scenario_names, session_ids
from glia_tui.commands.output import CommandError
from sessions.errors import UnknownName

if TYPE_CHECKING:
    from sessions.events import GateMode
    from sessions.settings import Settings
    from sessions.store import StudyOptions, Workspace

_READING_PACE_S = 0.008

MAX_SEED = 2**53 - 1
"""Largest seed: every reader of JSON keeps it exactly."""


def app_pace_s() -> float:
    """Seconds between the pieces of an offline reply, so that it can be read as it comes; at once for somebody who has
    switched animations off."""
    return 0.0 if os.environ.get("TEXTUAL_ANIMATIONS") == "none" else _READING_PACE_S


def _folder(text: str) -> Path:
    """An empty text is a variable that wasn't set, not the folder that one happens to be in."""
    if not str(text):
        raise typer.BadParameter("it is empty; name a folder, or leave the option out")
    return Path(text)


WorkspaceOption = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option(
        "--workspace",
        parser=_folder,
        metavar="FOLDER",
        help="Folder of designs and sessions (default: GLIA_WORKSPACE, your settings, or your data folder).",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
GateOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--gate", help="What is asked: supervised, trusted or autonomous.", autocompletion=gate_names),
]
SeedOption = Annotated[
    Optional[int],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option("--seed", min=0, max=MAX_SEED, help="Repeats a study, held-out seeds included (default: drawn anew)."),
]
ExperimentsOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--max-experiments", min=1, help="Budget of experiments."),
]
MinutesOption = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option("--max-minutes", min=0.01, max=525_600.0, help="Budget of wall-clock minutes."),
]
BackendOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--backend", help="Who researches: offline (rule-based, no key needed; the default)."),
]
ScenarioOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--scenario",
        help="What to design for (default: your settings, or paper-routing-family).",
        autocompletion=scenario_names,
    ),
]
SessionArgument = Annotated[
    str, typer.Argument(help="Its id, the beginning of it, or `last`.", autocompletion=session_ids)
]


def workspace_folder(option: Path | None) -> Path:
    """The workspace that is meant; see :func:`sessions.settings.workspace_folder`."""
    from sessions import settings

    return settings.workspace_folder(option)


def open_workspace(option: Path | None) -> Workspace:
    from sessions.store import Workspace

    return Workspace(workspace_folder(option))


def settings_for(option: Path | None) -> Settings:
    """The settings in force for a command with this ``--workspace``."""
    from sessions import settings

    return settings.in_force(option).values


def study_options(
    values: Settings,
    scenario: str,
    gate: str,
    seed: int | None,
    max_experiments: int | None,
    max_minutes: float | None,
    *,
    slot: str = "router",
    interactive: bool,
) -> StudyOptions:
    """A new study: what the command line leaves open comes from the settings."""
    from sessions.store import StudyOptions

    if gate not in GATES:
        raise UnknownName("gate", gate, GATES)
    return StudyOptions(
        scenario=scenario,
        slot=slot,
        gate=cast("GateMode", gate),
        seed=seed,
        max_experiments=values.max_experiments if max_experiments is None else max_experiments,
        max_minutes=values.max_minutes if max_minutes is None else max_minutes,
        interactive=interactive,
        seeds_per_experiment=values.seeds_per_experiment,
    )


def needs_terminal(instead: str) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        raise CommandError(f"This needs a terminal. Without one, use: {instead}")


def prepare_app(values: Settings) -> None:
    """Takes over what the settings say of the app. Raises :class:`UnknownName` before a study is begun."""
    from textual.theme import BUILTIN_THEMES

    if values.theme and values.theme not in BUILTIN_THEMES:
        raise UnknownName("theme", values.theme, BUILTIN_THEMES)
    if values.editor:
        os.environ["VISUAL"] = values.editor
