"""The command line: ``glia`` and its commands.

Every error ends here, once, as one sentence on stderr with the exit code that scripts rely on; no traceback is
shown for anything a user can do. Textual and git are imported by the commands that need them, not here.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from glia_tui.commands.complete import policy_names, scenario_names, slot_names
from glia_tui.commands.designs_group import designs_app, why
from glia_tui.commands.options import (
    BackendOption,
    ExperimentsOption,
    GateOption,
    JsonOption,
    MinutesOption,
    ScenarioOption,
    SeedOption,
    WorkspaceOption,
    app_pace_s,
    needs_terminal,
    open_workspace,
    prepare_app,
    settings_for,
    study_options,
)
from glia_tui.commands.options import workspace_folder as _workspace
from glia_tui.commands.output import CommandError, Exit, narrate, one_sentence, output_fault, prepare_streams
from glia_tui.commands.sessions_group import sessions_app
from glia_tui.commands.simulate_command import simulate
from sessions.errors import SessionError

if TYPE_CHECKING:
    from sessions.session import Session

_UsageError: type[Exception] = typer.BadParameter.__mro__[2]
"""The base of typer's usage errors (BadParameter, UsageError, ClickException), which typer doesn't export."""

app = typer.Typer(
    name="glia",
    help="Design the policies of an LLM-serving cluster together with a Researcher and a Supervisor.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
scenarios_app = typer.Typer(
    help="Scenarios that ship.",
    epilog="Example: glia scenarios --json",
    rich_markup_mode=None,
    invoke_without_command=True,
)
policies_app = typer.Typer(
    help="Policies that ship.",
    epilog="Example: glia policies --json",
    rich_markup_mode=None,
    invoke_without_command=True,
)
app.add_typer(designs_app, name="designs")
app.add_typer(sessions_app, name="sessions")
app.add_typer(scenarios_app, name="scenarios")
app.add_typer(policies_app, name="policies")


@app.callback(invoke_without_command=True, epilog="Example: glia --scenario paper-routing --max-experiments 8")
def study(
    context: typer.Context,
    scenario: ScenarioOption = None,
    gate: GateOption = None,
    backend: BackendOption = None,
    seed: SeedOption = None,
    max_experiments: ExperimentsOption = None,
    workspace: WorkspaceOption = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Without a command: a study in the terminal app, on the built-in offline researcher."""
    if context.invoked_subcommand is not None:
        return
    if version:
        from sessions.store import product_version

        sys.stdout.write(f"glia {product_version()}\n")
        return
    from sessions.settings import in_force

    found = in_force(workspace)
    values = found.values
    needs_terminal("glia run " + (scenario or values.scenario))
    prepare_app(values)
    from glia_tui.commands.run import make_backend
    from glia_tui.setup import is_first_run

    opened = open_workspace(workspace)

    def begin(backend: str, scenario: str, gate: str, limit: int | None) -> Session:
        options = study_options(values, scenario, gate, seed, limit, None, interactive=True)
        return opened.begin(options, make_backend(backend, pace_s=app_pace_s()))

    from glia_tui.app import run_app

    if is_first_run(found, opened.names(), (scenario, gate, backend, seed, max_experiments)):
        from glia_tui.first_run import make_setup

        run_app(
            make_setup(values, found.workspace, lambda c: begin(c.backend, c.scenario, c.gate, c.max_experiments)),
            theme=values.theme,
        )
    else:
        session = begin(backend or values.backend, scenario or values.scenario, gate or values.gate, max_experiments)
        run_app(session, theme=values.theme)


@app.command(epilog="Example: glia run paper-routing-family --gate autonomous --max-experiments 8 --json")
def run(
    scenario: Annotated[
        str, typer.Argument(help="What to design for, e.g. paper-routing-family.", autocompletion=scenario_names)
    ],
    slot: Annotated[str, typer.Option("--slot", help="What to design.")] = "router",
    backend: BackendOption = None,
    gate: GateOption = None,
    max_experiments: ExperimentsOption = None,
    max_minutes: MinutesOption = None,
    seed: SeedOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """A headless study; its gate is autonomous if nothing else is said."""
    from glia_tui.commands.run import run as run_study

    values = settings_for(workspace)
    options = study_options(
        values, scenario, gate or values.headless_gate, seed, max_experiments, max_minutes, slot=slot, interactive=False
    )
    raise typer.Exit(run_study(_workspace(workspace), options, backend or values.backend, as_json=as_json))


app.command("simulate")(simulate)
app.command("why", epilog="Example: glia why accepted/router/0001")(why)


@scenarios_app.callback()
def scenarios(context: typer.Context, as_json: JsonOption = False) -> None:
    """Lists the scenarios, or shows one."""
    if context.invoked_subcommand is None:
        from glia_tui.commands.catalogue import list_scenarios

        list_scenarios(as_json=as_json)


@scenarios_app.command("show", epilog="Example: glia scenarios show smoke")
def scenarios_show(
    name: Annotated[str, typer.Argument(help="A scenario's name.", autocompletion=scenario_names)],
    as_json: JsonOption = False,
) -> None:
    """A scenario's definition, as TOML."""
    from glia_tui.commands.catalogue import show_scenario

    show_scenario(name, as_json=as_json)


SlotOption = Annotated[
    Optional[str],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option("--slot", help="Only those of one slot: router, scheduler or autoscaler.", autocompletion=slot_names),
]


@policies_app.callback()
def policies(context: typer.Context, slot: SlotOption = None, as_json: JsonOption = False) -> None:
    """Lists the policies, or shows one."""
    if context.invoked_subcommand is None:
        from glia_tui.commands.catalogue import list_policies

        list_policies(slot, as_json=as_json)


@policies_app.command("show", epilog="Example: glia policies show llq")
def policies_show(
    name: Annotated[str, typer.Argument(help="A policy's name.", autocompletion=policy_names)],
    slot: SlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """A policy's source."""
    from glia_tui.commands.catalogue import show_policy

    show_policy(name, slot, as_json=as_json)


@app.command(epilog="Example: glia doctor --json")
def doctor(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """What is in force here, and what is broken; exit code 1 if something needed is."""
    from glia_tui.commands.doctor import doctor as examine

    raise typer.Exit(examine(workspace, as_json=as_json))


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    prepare_streams()
    raise SystemExit(_run())


def _run() -> int:
    try:
        result = app(standalone_mode=False)
        return _closing(int(result) if isinstance(result, int) else Exit.DONE)
    except typer.Exit as ended:
        return _closing(ended.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        narrate("Interrupted; everything that was shown is saved.")
        return Exit.INTERRUPTED
    except _UsageError as error:
        sentence = str(getattr(error, "format_message", error.__str__)()).rstrip(".")
        narrate(one_sentence(f"glia: {sentence}. See: glia --help"))
        return Exit.USAGE
    except SessionError as error:
        narrate(one_sentence(f"glia: {error}"))
        return error.code if isinstance(error, CommandError) else Exit.USAGE
    except BrokenPipeError:
        return _unread(Exit.DONE)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # typer's own way of ending, whose exit code is 1
            return _unread(Exit.DONE)
        raise
    except Exception as error:
        if isinstance(error, OSError) and (fault := output_fault(error)):
            return _unwritten(fault)
        from glia_tui.commands.crash import report

        narrate(report(error))
        return Exit.DEFECT


def _closing(code: int) -> int:
    """The exit code once everything is written."""
    try:
        fault = output_fault()
    except BrokenPipeError:
        return _unread(code)
    return _unwritten(fault) if fault else code


def _unread(code: int) -> int:
    """Nobody reads on: that is the reader's right."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _unwritten(fault: str) -> int:
    narrate(f"glia: the output can't be written ({fault}); nothing is lost, send it elsewhere and ask again.")
    return Exit.USAGE
