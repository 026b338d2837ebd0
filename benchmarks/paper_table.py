"""The paper's routing table, measured: each router's mean completion time on ``paper-routing`` beside the published.

``python benchmarks/paper_table.py [--seeds 10] [--json]`` prints Markdown or JSON on stdout, progress on stderr. The
benchmark is the paper's own trace, in which seeds differ only in the unpublished half of the lengths; no design is
ever accepted on it, so what is printed here is a reproduction and no evidence for a design.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict, dataclass

from pydantic import JsonValue

from sessions.errors import SessionError
from sessions.experiments.pool import Pool
from sessions.experiments.statistics import seed_plan, t_interval
from sessions.figures import figure
from sessions.playground import DesignUnderTest, Job, JobResult, find_playground

SCENARIO = "paper-routing"
DEADLINE_S = 600.0
ENGRAM = "github.com/mit-nms/Engram, plotting constants (score = 20 / mean)"
REPRODUCTION = "github.com/ronyw7/glia-repro, quoting the paper"


@dataclass(frozen=True, slots=True)
class Published:
    """``mean_s``: published mean completion time in seconds; ``None`` for what the paper doesn't have."""

    router: str
    mean_s: float | None
    source: str


ROUTERS = (
    Published("random", 65.5, ENGRAM),
    Published("round-robin", 63.3, ENGRAM),
    Published("least-outstanding", 59.6, ENGRAM),
    Published("llq", 54.6, ENGRAM),
    Published("funsearch", 32.5, f"{REPRODUCTION}: a mean over ten searches; measured is the one program listed"),
    Published("expert", 25.6, ENGRAM),
    Published("hra", 24.1, REPRODUCTION),
    Published("srpt-oracle", None, ""),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One router: means over seeds. ``mean_ci95_s`` is the 95% t interval of the mean, ``None`` for a single seed;
    ``preempted_share`` is the share of requests that were preempted at least once."""

    router: str
    published_mean_s: float | None
    published_in: str
    mean_s: float
    mean_ci95_s: tuple[float, float] | None
    p99_s: float
    preempted_share: float


def row(published: Published, results: list[JobResult]) -> Row:
    """A router's row from its results; raises SessionError if a run of it failed."""
    for result in results:
        if result.metrics is None:
            raise SessionError(f"{published.router} failed ({result.outcome}): {result.message}")
    runs: list[dict[str, JsonValue]] = [result.metrics for result in results if result.metrics is not None]
    means = [figure(run, "e2e_s.mean") for run in runs]
    pooled = find_playground().pool_metrics(runs)
    return Row(
        router=published.router,
        published_mean_s=published.mean_s,
        published_in=published.source,
        mean_s=figure(pooled, "e2e_s.mean"),
        mean_ci95_s=t_interval(means) if len(means) > 1 else None,
        p99_s=figure(pooled, "e2e_s.p99"),
        preempted_share=figure(pooled, "preempted_share"),
    )


async def measure(seeds: list[int]) -> list[Row]:
    """All routers on all seeds, over the cores."""
    jobs = [
        Job(SCENARIO, "router", DesignUnderTest(p.router), seed, False, DEADLINE_S) for p in ROUTERS for seed in seeds
    ]
    pool, done = Pool(), 0

    def on_result(index: int, result: JobResult) -> None:
        nonlocal done
        done += 1
        name, seed = jobs[index].design.name, jobs[index].seed
        print(f"{done}/{len(jobs)} {name}, seed {seed}: {result.outcome}, {result.wall_s:.1f} s", file=sys.stderr)

    try:
        results = await pool.run(jobs, on_result)
    finally:
        await pool.close()
    count = len(seeds)
    return [row(published, results[i * count : (i + 1) * count]) for i, published in enumerate(ROUTERS)]


def markdown(rows: list[Row], seeds: int) -> str:
    sources = list(dict.fromkeys(row.published_in for row in rows if row.published_in))
    lines = [
        "| router | published mean (s) | measured mean (s) | 95% interval | P99 (s) | preempted |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for r in rows:
        mark = f"{r.published_mean_s:.1f} [{sources.index(r.published_in) + 1}]" if r.published_mean_s else "–"
        interval = f"{r.mean_ci95_s[0]:.1f} to {r.mean_ci95_s[1]:.1f}" if r.mean_ci95_s else "–"
        lines.append(
            f"| `{r.router}` | {mark} | {r.mean_s:.1f} | {interval} | {r.p99_s:.0f} | {r.preempted_share:.1%} |"
        )
    version = find_playground().simulator_version()
    seeds_text = "seed 1" if seeds == 1 else f"seeds 1 to {seeds}"
    notes = [f"{number}. {source}" for number, source in enumerate(sources, start=1)]
    setting = f"Scenario `{SCENARIO}`, {seeds_text}, simulator `{version}`. P99 and preempted are means over the seeds."
    oracle = "`srpt-oracle` knows output lengths and is no design."
    return "\n".join([*lines, "", f"{setting} {oracle}", "", "Published means:", "", *notes])


def main() -> int:
    parser = argparse.ArgumentParser(description="The paper's routing table, published and measured.")
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds, from 1 on (default 10)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of Markdown")
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error("--seeds must be at least 1")
    try:
        rows = asyncio.run(measure(seed_plan(arguments.seeds)))
    except SessionError as error:
        print(f"paper_table: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps({"scenario": SCENARIO, "seeds": arguments.seeds, "rows": [asdict(r) for r in rows]}, indent=2))
    else:
        print(markdown(rows, arguments.seeds))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
