"""The options of ``glia simulate``. Imports nothing heavy: ``glia --help`` reads this module."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from glia_tui.commands.complete import autoscaler_names, router_names, scenario_names, scheduler_names, trace_formats
from glia_tui.commands.options import MAX_SEED, JsonOption
from glia_tui.commands.output import CommandError


def simulate(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario or a TOML file.", autocompletion=scenario_names)],
    router: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(
            "--router",
            help="A shipped router or a design file (default: the scenario's baseline).",
            autocompletion=router_names,
        ),
    ] = None,
    scheduler: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--scheduler",
            help="A shipped batch scheduler or a design file (default: the scenario's).",
            autocompletion=scheduler_names,
        ),
    ] = None,
    autoscaler: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--autoscaler",
            help="A shipped autoscaler or a design file (default: the scenario's).",
            autocompletion=autoscaler_names,
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=10_000, help="How many seeds, run over the cores.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, max=MAX_SEED, help="The first seed.")] = 1,
    overrides: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", help="KEY=VALUE of the scenario, e.g. cluster.kv_blocks=2048."),
    ] = None,
    trace: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--trace", metavar="FILE", help="Requests of a trace file in place of the scenario's."),
    ] = None,
    trace_format: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--format",
            help="Its format: vidur, azure, burstgpt, mooncake or sharegpt (default: guessed).",
            autocompletion=trace_formats,
        ),
    ] = None,
    requests_out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--requests-out", metavar="FILE", help="Writes a row a request: .csv or .parquet."),
    ] = None,
    telemetry_out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--telemetry-out", metavar="FILE", help="Writes the recorded series: .csv or .json."),
    ] = None,
    no_telemetry: Annotated[
        bool, typer.Option("--no-telemetry", help="Samples nothing: faster, without progress within a run.")
    ] = False,
    deadline_s: Annotated[
        float, typer.Option("--deadline", min=0.1, max=86_400, help="Wall-clock limit of one run, in seconds.")
    ] = 600.0,
    as_json: JsonOption = False,
) -> None:
    """One simulation, or several seeds with intervals.

    Example: glia simulate paper-routing --router llq --seeds 10 --json
    """
    from glia_tui.commands.simulate import Simulation
    from glia_tui.commands.simulate import simulate as simulate_scenario

    if trace_format is not None and trace is None:
        raise CommandError("--format says what a trace file is: name the file with --trace.")
    simulate_scenario(
        Simulation(
            scenario,
            {"router": router, "scheduler": scheduler, "autoscaler": autoscaler},
            seed,
            seeds,
            overrides or [],
            None if trace is None else (str(trace), trace_format or ""),
            requests_out,
            telemetry_out,
            not no_telemetry,
            deadline_s,
            as_json,
        )
    )
