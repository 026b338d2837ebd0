"""``glia designs`` and ``glia why``: the commands and their options; what they do is in
:mod:`glia_tui.commands.designs` and :mod:`glia_tui.commands.why`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from glia_tui.commands.options import JsonOption, WorkspaceOption, workspace_folder

designs_app = typer.Typer(
    help="Accepted designs: log, show, diff, checkout, export.",
    epilog="Example: glia designs log",
    rich_markup_mode=None,
    no_args_is_help=True,
)

RevArgument = Annotated[str, typer.Argument(help="A commit, a tag (accepted/router/0001) or a design's name.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite files that were changed by hand.")]


@designs_app.command("log", epilog="Example: glia designs log --json")
def designs_log(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Accepted designs, newest first."""
    from glia_tui.commands.designs import log

    log(workspace_folder(workspace), as_json=as_json)


@designs_app.command("show", epilog="Example: glia designs show accepted/router/0001")
def designs_show(rev: RevArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """One accepted design with its evidence."""
    from glia_tui.commands.designs import show

    show(workspace_folder(workspace), rev, as_json=as_json)


@designs_app.command("diff", epilog="Example: glia designs diff accepted/router/0001 accepted/router/0002")
def designs_diff(
    old: RevArgument, new: RevArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """How the policy and the card of the second design differ from those of the first."""
    from glia_tui.commands.designs import diff

    diff(workspace_folder(workspace), old, new, as_json=as_json)


@designs_app.command("checkout", epilog="Example: glia designs checkout accepted/router/0001 --to my-router")
def designs_checkout(
    rev: RevArgument,
    to: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--to", help="Folder to write into (default: designs/SLOT/NAME in the workspace)."),
    ] = None,
    force: ForceOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Writes a design's files into a folder; a file that was changed by hand is kept unless --force is given."""
    from glia_tui.commands.designs import checkout

    checkout(workspace_folder(workspace), rev, to, force=force, as_json=as_json)


@designs_app.command("export", epilog="Example: glia designs export accepted/router/0001 -o router.py")
def designs_export(
    rev: RevArgument,
    file: Annotated[Path, typer.Option("-o", "--output", help="The Python file to write, or - for stdout.")],
    force: ForceOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """One Python file: the policy under a header that says where it comes from; `glia simulate` runs it."""
    from glia_tui.commands.designs import export

    export(workspace_folder(workspace), rev, file, force=force, as_json=as_json)


def why(rev: RevArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """The proposal, the edits, who approved, what was measured and what the Supervisor asked behind a design."""
    from glia_tui.commands.why import why as tell_why

    tell_why(workspace_folder(workspace), rev, as_json=as_json)
