"""``glia simulate``: one scenario under chosen policies, on one seed or several."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pydantic import JsonValue

from glia_tui.commands.output import CommandError, Exit, ProgressLine, narrate, print_json, print_table
from sessions.experiments.design_file import read_design_file
from sessions.experiments.pool import Pool
from sessions.figures import FIGURES, figure, show
from sessions.playground import DesignUnderTest, Job, JobResult, Playground, find_playground

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
)


def simulate(
    scenario: str, router: str | None, seed: int, seeds: int, overrides: list[str], deadline_s: float, *, as_json: bool
) -> None:
    """Runs the seeds over the cores and prints every run and the pooled figures."""
    playground = find_playground()
    settings = tuple(_override(text) for text in overrides)
    card = playground.scenario(scenario, dict(settings))
    design = _design(playground, router or card.baseline)
    wanted = list(range(seed, seed + seeds))
    jobs = [Job(scenario, "router", design, s, False, deadline_s, settings) for s in wanted]
    results = asyncio.run(_run(jobs))
    for job, result in zip(jobs, results, strict=True):
        if result.outcome != "ok":
            raise CommandError(f"Seed {job.seed}: {result.outcome}: {result.message}", Exit.DESIGN_FAILED)
    runs = [_run_document(result) for result in results]
    pooled = playground.pool_metrics([run for result in results if (run := result.metrics) is not None])
    document: dict[str, JsonValue] = {
        **pooled,
        "scenario": card.name,
        "policies": {"router": design.name},
        "simulator": playground.simulator_version(),
        "seeds": list(wanted),
        "runs": list(runs),
    }
    if as_json:
        print_json(document)
    else:
        _print_table(document, runs, seeds)


def _override(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise CommandError(f"--set {text!r} isn't KEY=VALUE, for example --set cluster.kv_blocks=2048.")
    return key.strip(), value.strip()


def _design(playground: Playground, name: str) -> DesignUnderTest:
    """A shipped router, or a design file, which then runs in a process of its own."""
    if name in (*playground.shipped("router"), *playground.oracles("router")):
        return DesignUnderTest(name)
    path = Path(name)
    if path.suffix == ".py" or "/" in name or path.exists():
        return DesignUnderTest(path.stem, read_design_file(path))
    return DesignUnderTest(name, playground.shipped_source("router", name))


async def _run(jobs: list[Job]) -> list[JobResult]:
    pool, line, done = Pool(), ProgressLine(), 0

    def on_result(_index: int, _result: JobResult) -> None:
        nonlocal done
        done += 1
        line.update(f"{done}/{len(jobs)} runs")

    try:
        return await pool.run(jobs, on_result)
    finally:
        line.clear()
        await pool.close()


def _run_document(result: JobResult) -> dict[str, JsonValue]:
    assert result.metrics is not None
    requests = figure(result.metrics, "requests.arrived")
    return {
        **result.metrics,
        "wall_s": round(result.wall_s, 3),
        "requests_per_wall_s": round(requests / max(result.wall_s, 1e-9), 1),
    }


def _print_table(document: dict[str, JsonValue], runs: list[dict[str, JsonValue]], seeds: int) -> None:
    policies = document["policies"]
    assert isinstance(policies, dict)
    narrate(f"{document['scenario']} · router {policies['router']} · {seeds} seed{'s' if seeds > 1 else ''}")
    rows = []
    for name in _SHOWN:
        interval = _interval(document, name)
        spread = [figure(run, name) for run in runs]
        extremes = f"{show(name, min(spread))} … {show(name, max(spread))}" if seeds > 1 else ""
        rows.append((FIGURES[name].title, show(name, figure(document, name)), interval, extremes))
    print_table(("figure", "mean over seeds" if seeds > 1 else "one seed", "95% interval", "seeds"), rows, (1,))
    if seeds == 1:
        narrate("One seed has no interval and scatters by ±18% near saturation: use --seeds 10.")
    sys.stdout.flush()


def _interval(document: dict[str, JsonValue], name: str) -> str:
    group, _, key = name.partition(".")
    entry = document.get(group)
    interval = entry.get(f"{key}_ci95") if isinstance(entry, dict) else None
    if not isinstance(interval, list) or len(interval) != 2:
        return ""
    low, high = (float(v) if isinstance(v, int | float) else 0.0 for v in interval)
    return f"{show(name, low)} to {show(name, high)}"
