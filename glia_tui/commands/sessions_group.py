"""``glia sessions``: the commands and their options; what they do is in :mod:`glia_tui.commands.sessions`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glia_tui.commands.options import (
    BackendOption,
    ExperimentsOption,
    JsonOption,
    MinutesOption,
    SessionArgument,
    WorkspaceOption,
    app_pace_s,
    needs_terminal,
    open_workspace,
    prepare_app,
    settings_for,
)
from glia_tui.commands.output import CommandError

sessions_app = typer.Typer(
    help="Studies: list, show, resume, fork, export, delete.",
    epilog="Example: glia sessions show last",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@sessions_app.command("list", epilog="Example: glia sessions list --json")
def sessions_list(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """The studies of a workspace, oldest first; one that can't be read is listed with the reason."""
    from glia_tui.commands.sessions import list_sessions

    list_sessions(open_workspace(workspace), as_json=as_json)


@sessions_app.command("show", epilog="Example: glia sessions show last --json")
def sessions_show(
    session: SessionArgument = "last", workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """One study: how it stands, its experiments with predictions and outcomes, insights, what was accepted."""
    from glia_tui.commands.sessions import show_session

    show_session(open_workspace(workspace), session, as_json=as_json)


@sessions_app.command("resume", epilog="Example: glia sessions resume last --headless --json")
def sessions_resume(
    session: SessionArgument = "last",
    backend: BackendOption = None,
    headless: Annotated[bool, typer.Option("--headless", help="Go on without the app, as `glia run` does.")] = False,
    max_experiments: ExperimentsOption = None,
    max_minutes: MinutesOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Goes on with a study from where its journal ends."""
    from glia_tui.commands.run import drive, make_backend

    if as_json and not headless:
        raise CommandError("--json needs --headless here.")
    values = settings_for(workspace)
    if not headless:
        needs_terminal(f"glia sessions resume {session} --headless")
        prepare_app(values)
    made = make_backend(backend or values.backend, pace_s=0.0 if headless else app_pace_s())
    opened = open_workspace(workspace).resume(
        session, made, interactive=not headless, max_experiments=max_experiments, max_minutes=max_minutes
    )
    if headless:
        raise typer.Exit(drive(opened, as_json=as_json))
    from glia_tui.app import run_app

    run_app(opened, theme=values.theme)


@sessions_app.command("fork", epilog="Example: glia sessions fork last --at exp-3")
def sessions_fork(
    session: SessionArgument = "last",
    at: Annotated[
        str,
        typer.Option("--at", help="Up to where: an event's number or hash, exp-N or acc-N (default: the end)."),
    ] = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Another study that begins with this one's record; this one stays as it is."""
    from glia_tui.commands.sessions import fork_session

    fork_session(open_workspace(workspace), session, at, as_json=as_json)


@sessions_app.command("export", epilog="Example: glia sessions export last -o study.md")
def sessions_export(
    session: SessionArgument = "last",
    output: Annotated[Path, typer.Option("--output", "-o", help="FILE.md, FILE.json or FILE.jsonl.")] = ...,  # type: ignore[assignment]
    replace: Annotated[bool, typer.Option("--replace", help="Replace the file if it exists.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """A study as one file: a readable transcript (.md), results and events (.json), or its journal (.jsonl)."""
    from glia_tui.commands.sessions import export_session

    export_session(open_workspace(workspace), session, output, replace=replace)


@sessions_app.command("delete", epilog="Example: glia sessions delete 20260131-120000-ab12 --yes")
def sessions_delete(
    session: SessionArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Deletes a study's record. Accepted designs are commits of their own and stay."""
    from glia_tui.commands.sessions import delete_session

    delete_session(open_workspace(workspace), session, yes=yes)
