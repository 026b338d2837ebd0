"""``glia simulate``: one scenario under chosen policies, on one seed or several."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from glia_tui.commands.output import CommandError, Exit, narrate, print_json, print_table
from glia_tui.commands.result_files import (
    REQUEST_FORMATS,
    TELEMETRY_FORMATS,
    check_distinct,
    checked_output,
    parts_beside,
    write_requests,
    write_telemetry,
)
from glia_tui.commands.run_progress import RunsProgress
from sessions.experiments.design_file import read_design_file
from sessions.experiments.pool import Pool
from sessions.figures import FIGURES, figure, known_figures, show, shown
from sessions.playground import DesignUnderTest, Job, JobResult, Playground, ScenarioCard, find_playground

SLOTS = ("router", "scheduler", "autoscaler")
_SHOWN = (
    "e2e_s.mean",
    "e2e_s.p50",
    "e2e_s.p99",
    "e2e_s.max",
    "ttft_s.mean",
    "tpot_s.mean",
    "preempted_share",
    "kv_usage_mean",
    "throughput_rps",
    "goodput_rps",
    "slo_attainment.all",
)
_OF_CACHES = ("prefix_hit_rate",)
_OF_FLEETS = ("gpu_hours", "cost_usd", "usd_per_1k_good")


@dataclass(frozen=True)
class Simulation:
    """What is asked for. ``policies``: slot to a shipped name or a file, None for the scenario's own.

    ``trace``: a file and its format ("" to guess), whose requests replace the scenario's. ``deadline_s``: wall-clock
    limit of one run. ``sampled``: with telemetry.
    """

    scenario: str
    policies: Mapping[str, str | None] = field(default_factory=dict)
    seed: int = 1
    seeds: int = 1
    overrides: Sequence[str] = ()
    trace: tuple[str, str] | None = None
    requests_out: Path | None = None
    telemetry_out: Path | None = None
    sampled: bool = True
    deadline_s: float = 600.0
    as_json: bool = False


def simulate(asked: Simulation) -> None:
    """Runs the seeds over the cores, prints the figures of every run and the pooled ones, and writes the files."""
    playground = find_playground()
    requests_out = checked_output("--requests-out", asked.requests_out, REQUEST_FORMATS)
    telemetry_out = checked_output("--telemetry-out", asked.telemetry_out, TELEMETRY_FORMATS)
    check_distinct(
        {
            "--trace": Path(asked.trace[0]) if asked.trace is not None else None,
            "--requests-out": requests_out,
            "--telemetry-out": telemetry_out,
        }
    )
    if telemetry_out is not None and not asked.sampled:
        raise CommandError("--telemetry-out needs the telemetry that --no-telemetry leaves out; drop one of the two.")
    settings = tuple(_override(text) for text in asked.overrides)
    card = playground.scenario(asked.scenario, dict(settings))
    with parts_beside(requests_out) as parts:
        jobs = _jobs(playground, card, asked, settings, parts)
        started = time.monotonic()
        try:
            results = asyncio.run(_run(jobs))
        except KeyboardInterrupt:
            raise CommandError(
                "Interrupted; there are no figures, and no file was written.", Exit.INTERRUPTED
            ) from None
        elapsed_s = time.monotonic() - started
        for job, result in zip(jobs, results, strict=True):
            if result.outcome != "ok":
                raise CommandError(f"Seed {job.seed}: {result.outcome}: {result.message}", Exit.DESIGN_FAILED)
        if requests_out is not None:
            write_requests(requests_out, {job.seed: Path(job.requests_to) for job in jobs})
    if telemetry_out is not None:
        recorded = {job.seed: r.telemetry for job, r in zip(jobs, results, strict=True) if r.telemetry is not None}
        write_telemetry(telemetry_out, recorded)
    if results[0].message:
        narrate(results[0].message)
    runs = [_run_document(result) for result in results]
    document = _document(playground, card, asked, runs, elapsed_s)
    if asked.as_json:
        print_json(document)
    else:
        _print_table(document, runs)


def _override(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise CommandError(f"--set {text!r} isn't KEY=VALUE, for example --set cluster.kv_blocks=2048.")
    return key.strip(), value.strip()


def _jobs(
    playground: Playground,
    card: ScenarioCard,
    asked: Simulation,
    settings: tuple[tuple[str, str], ...],
    parts: Path | None,
) -> list[Job]:
    """One job a seed. Its design is of the first slot that has a file, so that a failure is told of that slot."""
    default = dict(card.policies)
    named = {slot: asked.policies.get(slot) or default.get(slot, "") for slot in SLOTS}
    designs = {slot: _design(playground, slot, name) for slot, name in named.items() if name}
    if asked.policies.get("autoscaler") is None:
        designs.pop("autoscaler", None)  # the scenario's own, where it has one to ask
    slot = next((slot for slot in ("scheduler", "autoscaler", "router") if designs.get(slot, _NONE).source), "router")
    others = tuple((other, design) for other, design in designs.items() if other != slot)
    return [
        Job(
            asked.scenario,
            slot,
            designs[slot],
            seed,
            asked.telemetry_out is not None,
            asked.deadline_s,
            settings,
            others=others,
            trace=asked.trace,
            requests_to="" if parts is None else str(parts / f"{seed}.npz"),
            sampled=asked.sampled,
        )
        for seed in range(asked.seed, asked.seed + asked.seeds)
    ]


_NONE = DesignUnderTest("")


def _design(playground: Playground, slot: str, name: str) -> DesignUnderTest:
    """A shipped policy, or a design file, which then runs in a process of its own."""
    if name in (*playground.shipped(slot), *playground.oracles(slot)):
        return DesignUnderTest(name, None, slot)
    path = Path(name)
    if path.suffix == ".py" or "/" in name or path.exists():
        return DesignUnderTest(path.stem, read_design_file(path), slot)
    playground.shipped_source(slot, name)  # raises, with the nearest name
    raise CommandError(f"There is no {slot} {name!r}.")


async def _run(jobs: list[Job]) -> list[JobResult]:
    pool, progress = Pool(), RunsProgress(len(jobs))
    try:
        return await pool.run(jobs, lambda index, _result: progress.finished(index), progress.reached)
    finally:
        progress.clear()
        await pool.close()


def _run_document(result: JobResult) -> dict[str, JsonValue]:
    assert result.metrics is not None
    return {**result.metrics, **_speed(figure(result.metrics, "requests.arrived"), result.wall_s)}


def _document(
    playground: Playground,
    card: ScenarioCard,
    asked: Simulation,
    runs: list[dict[str, JsonValue]],
    elapsed_s: float,
) -> dict[str, JsonValue]:
    document: dict[str, JsonValue] = {
        **playground.pool_metrics(runs),
        "seed": asked.seed,
        **_speed(sum(figure(run, "requests.arrived") for run in runs), elapsed_s),
        "scenario": card.name,
        "simulator": playground.simulator_version(),
        "seeds": list(range(asked.seed, asked.seed + asked.seeds)),
        "runs": list(runs),
    }
    if asked.trace is not None:
        document["trace"] = {"file": asked.trace[0], "format": asked.trace[1] or None}
    return document


def _speed(requests: float, wall_s: float) -> dict[str, JsonValue]:
    """Of all runs together: wall-clock seconds from start to end, runs in parallel, and requests per such second."""
    return {"wall_s": round(wall_s, 3), "requests_per_wall_s": round(requests / max(wall_s, 1e-9), 1)}


def _print_table(document: dict[str, JsonValue], runs: list[dict[str, JsonValue]]) -> None:
    policies, seeds = document["policies"], len(runs)
    assert isinstance(policies, dict)
    named = " · ".join(f"{slot} {name}" for slot, name in policies.items())
    narrate(f"{document['scenario']} · {named} · {seeds} seed{'s' if seeds > 1 else ''}")
    rows = []
    for name in (*_SHOWN, *_worth_showing(document)):
        interval = _interval(document, name)
        spread = [value for run in runs if (value := known_figures(run).get(name)) is not None]
        extremes = f"{show(name, min(spread))} … {show(name, max(spread))}" if seeds > 1 and spread else ""
        rows.append((FIGURES[name].title, shown(document, name), interval, extremes))
    print_table(("figure", "mean over seeds" if seeds > 1 else "one seed", "95% interval", "seeds"), rows, (1,))
    _narrate_losses(document)
    if seeds == 1:
        narrate("One seed has no interval and scatters by ±18% near saturation: use --seeds 10.")
    sys.stdout.flush()


def _worth_showing(document: dict[str, JsonValue]) -> tuple[str, ...]:
    """Figures that say something only of some scenarios: with prefix caches, and with a fleet that changes."""
    found: tuple[str, ...] = ()
    if document.get("prefix_hit_rate"):
        found += _OF_CACHES
    pools, policies = document.get("gpu_hours_by_pool"), document.get("policies")
    several = isinstance(pools, dict) and len(pools) > 1
    scaled = isinstance(policies, dict) and policies.get("autoscaler") != "fixed"
    if several or scaled or document.get("replicas_mean") != document.get("replicas_max"):
        found += _OF_FLEETS
    return found


def _narrate_losses(document: dict[str, JsonValue]) -> None:
    """Requests that have no completion time are in none of the figures: they are said."""
    requests = document["requests"]
    assert isinstance(requests, dict)
    for name in ("rejected", "unfinished"):
        count = requests.get(name)
        if isinstance(count, int | float) and count:
            narrate(f"{count:g} requests {'a seed ' if document['seeds'] != [document['seed']] else ''}were {name}.")


def _interval(document: dict[str, JsonValue], name: str) -> str:
    group, _, key = name.partition(".")
    entry = document.get(group)
    interval = entry.get(f"{key}_ci95") if isinstance(entry, dict) else None
    if not isinstance(interval, list) or len(interval) != 2:
        return ""
    low, high = (float(v) if isinstance(v, int | float) else 0.0 for v in interval)
    return f"{show(name, low)} to {show(name, high)}"
