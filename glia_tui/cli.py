"""The command line: ``glia`` and its commands.

Every error ends here, once, as one sentence on stderr with the exit code that scripts rely on; no traceback is
shown for anything a user can do. Textual and git are imported by the commands that need them, not here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from glia_tui.commands.output import CommandError, Exit, narrate
from sessions.errors import SessionError, UnknownName

_UsageError: type[Exception] = typer.BadParameter.__mro__[2]
"""The base of typer's usage errors (BadParameter, UsageError, ClickException), which typer doesn't export."""

GATES = ("supervised", "trusted", "autonomous")
DEFAULT_SCENARIO = "paper-routing-family"

app = typer.Typer(
    name="glia",
    help="Design the policies of an LLM-serving cluster together with a Researcher and a Supervisor.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
designs_app = typer.Typer(help="Accepted designs: log, show.", rich_markup_mode=None, no_args_is_help=True)
sessions_app = typer.Typer(help="Studies: list, resume.", rich_markup_mode=None, no_args_is_help=True)
scenarios_app = typer.Typer(help="Scenarios that ship.", rich_markup_mode=None, invoke_without_command=True)
policies_app = typer.Typer(help="Policies that ship.", rich_markup_mode=None, invoke_without_command=True)
app.add_typer(designs_app, name="designs")
app.add_typer(sessions_app, name="sessions")
app.add_typer(scenarios_app, name="scenarios")
app.add_typer(policies_app, name="policies")

WorkspaceOption = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option(
        "--workspace", help="Folder of designs and sessions (default: GLIA_WORKSPACE or the user's data folder)."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
GateOption = Annotated[str, typer.Option("--gate", help="What is asked: supervised, trusted or autonomous.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the study.")]
ExperimentsOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--max-experiments", min=1, help="Budget of experiments."),
]
MinutesOption = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option("--max-minutes", min=0.01, help="Budget of wall-clock minutes."),
]
BackendOption = Annotated[str, typer.Option("--backend", help="Who researches: offline (rule-based, no key needed).")]


def _workspace(path: Path | None) -> Path:
    from sessions.store import default_workspace

    return path if path is not None else default_workspace()


def _gate(name: str) -> str:
    if name not in GATES:
        raise UnknownName("gate", name, GATES)
    return name


@app.callback(invoke_without_command=True)
def study(
    context: typer.Context,
    scenario: Annotated[str, typer.Option("--scenario", help="What to design for.")] = DEFAULT_SCENARIO,
    gate: GateOption = "supervised",
    backend: BackendOption = "offline",
    seed: SeedOption = 0,
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
    _needs_terminal("glia run " + scenario)
    from glia_tui.commands.run import make_backend
    from sessions.store import StudyOptions, Workspace

    options = StudyOptions(scenario, gate=_gate(gate), seed=seed, max_experiments=max_experiments)  # type: ignore[arg-type]
    _open_app(Workspace(_workspace(workspace)).begin(options, make_backend(backend, pace_s=0.008)))


def _needs_terminal(instead: str) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        raise CommandError(f"This needs a terminal. Without one, use: {instead}")


def _open_app(session: object) -> None:
    from glia_tui.app import run_app

    run_app(session)  # type: ignore[arg-type]


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="What to design for, e.g. paper-routing-family.")],
    slot: Annotated[str, typer.Option("--slot", help="What to design.")] = "router",
    backend: BackendOption = "offline",
    gate: GateOption = "autonomous",
    max_experiments: ExperimentsOption = None,
    max_minutes: MinutesOption = None,
    seed: SeedOption = 0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """A headless study.

    Example: glia run paper-routing-family --gate autonomous --max-experiments 8 --json
    """
    from glia_tui.commands.run import run as run_study
    from sessions.store import StudyOptions

    options = StudyOptions(scenario, slot, _gate(gate), seed, max_experiments, max_minutes, False)  # type: ignore[arg-type]
    raise typer.Exit(run_study(_workspace(workspace), options, backend, as_json=as_json))


@app.command()
def simulate(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario or a TOML file.")],
    router: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--router", help="A shipped router or a design file (default: the scenario's baseline)."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, run over the cores.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The first seed.")] = 1,
    overrides: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", help="KEY=VALUE of the scenario, e.g. cluster.kv_blocks=2048."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """One simulation, or several seeds with intervals.

    Example: glia simulate paper-routing --router llq --seeds 10 --json
    """
    from glia_tui.commands.simulate import simulate as simulate_scenario

    simulate_scenario(scenario, router, seed, seeds, overrides or [], as_json=as_json)


@designs_app.command("log")
def designs_log(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Accepted designs, newest first."""
    from glia_tui.commands.designs import log

    log(_workspace(workspace), as_json=as_json)


@designs_app.command("show")
def designs_show(
    rev: Annotated[str, typer.Argument(help="A commit, a tag (accepted/router/0001) or a design's name.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """One accepted design with its evidence."""
    from glia_tui.commands.designs import show

    show(_workspace(workspace), rev, as_json=as_json)


@sessions_app.command("list")
def sessions_list(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """The studies of a workspace."""
    from glia_tui.commands.sessions import list_sessions

    list_sessions(_workspace(workspace), as_json=as_json)


@sessions_app.command("resume")
def sessions_resume(
    session: Annotated[str, typer.Argument(help="Its id, the beginning of it, or `last`.")] = "last",
    backend: BackendOption = "offline",
    headless: Annotated[bool, typer.Option("--headless", help="Go on without the app, as `glia run` does.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Goes on with a study from where its journal ends."""
    from glia_tui.commands.run import drive, make_backend
    from sessions.store import Workspace

    if as_json and not headless:
        raise CommandError("--json needs --headless here.")
    if not headless:
        _needs_terminal(f"glia sessions resume {session} --headless")
    pace_s = 0.0 if headless else 0.008
    opened = Workspace(_workspace(workspace)).resume(
        session, make_backend(backend, pace_s=pace_s), interactive=not headless
    )
    if headless:
        raise typer.Exit(drive(opened, as_json=as_json))
    _open_app(opened)


@scenarios_app.callback()
def scenarios(context: typer.Context, as_json: JsonOption = False) -> None:
    """Lists the scenarios, or shows one."""
    if context.invoked_subcommand is None:
        from glia_tui.commands.catalogue import list_scenarios

        list_scenarios(as_json=as_json)


@scenarios_app.command("show")
def scenarios_show(name: str, as_json: JsonOption = False) -> None:
    """A scenario's definition, as TOML."""
    from glia_tui.commands.catalogue import show_scenario

    show_scenario(name, as_json=as_json)


@policies_app.callback()
def policies(context: typer.Context, as_json: JsonOption = False) -> None:
    """Lists the policies, or shows one."""
    if context.invoked_subcommand is None:
        from glia_tui.commands.catalogue import list_policies

        list_policies(as_json=as_json)


@policies_app.command("show")
def policies_show(name: str, as_json: JsonOption = False) -> None:
    """A policy's source."""
    from glia_tui.commands.catalogue import show_policy

    show_policy(name, as_json=as_json)


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    raise SystemExit(_run())


def _run() -> int:
    try:
        result = app(standalone_mode=False)
        return int(result) if isinstance(result, int) else Exit.DONE
    except typer.Exit as ended:
        return ended.exit_code
    except (typer.Abort, KeyboardInterrupt):
        narrate("Interrupted; everything that was shown is saved.")
        return Exit.INTERRUPTED
    except _UsageError as error:
        narrate(f"glia: {str(error) or 'the arguments are off.'} See: glia --help")
        return Exit.USAGE
    except SessionError as error:
        narrate(f"glia: {error}")
        return error.code if isinstance(error, CommandError) else Exit.USAGE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
