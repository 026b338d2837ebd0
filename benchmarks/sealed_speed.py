"""What sealing costs: one evaluation with designs in processes of their own, beside the same policies in this process.

    python benchmarks/sealed_speed.py [--runs 5] [--scenario NAME] [--router NAME] [--scheduler NAME] [--json]

Shipped policies are given as files, so they run sealed and must make the same decisions. Both ends are pinned to one
core and processes are forked from a loaded one, as a worker and its designs are. The variants run in
turn; figures are medians, with the fastest and the slowest run in brackets as the machine's noise. Wall-clock time is
what a user waits; CPU time (both ends) is what it costs, and what other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sessions.experiments.processes import available_cores, pin_to
from sessions.experiments.zygote import keep_zygote
from sessions.playground import DesignUnderTest, Job, JobResult, find_playground

VARIANTS = (("in-process", False, False), ("router sealed", True, False), ("scheduler sealed", False, True))
VARIANTS += (("both sealed", True, True),)
PLAYGROUND = find_playground()


@dataclass(frozen=True)
class Timing:
    wall_s: float
    cpu_s: float
    decisions: str


def design(slot: str, name: str, sealed: bool) -> DesignUnderTest:
    """``sealed``: by its file. In this process the scheduler too is asked through its file's hooks, if it has any."""
    return DesignUnderTest(name, PLAYGROUND.shipped_source(slot, name) if sealed else None, slot)


def cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def once(options: argparse.Namespace, router: bool, scheduler: bool) -> Timing:
    others = (("scheduler", design("scheduler", options.scheduler, scheduler)),)
    job = Job(options.scenario, "router", design("router", options.router, router), 1, False, 300.0, others=others)
    before, started = cpu_s(), time.perf_counter()
    result: JobResult = PLAYGROUND.run(job)
    wall_s = time.perf_counter() - started
    if result.outcome != "ok" or result.metrics is None:
        raise SystemExit(f"{options.router} and {options.scheduler}: {result.outcome}: {result.message}")
    return Timing(wall_s, cpu_s() - before, str(result.metrics["decisions_sha256"]))


def requests(options: argparse.Namespace) -> int:
    job = Job(options.scenario, "router", design("router", "round-robin", False), 1, False, 300.0, sampled=False)
    metrics = PLAYGROUND.run(job).metrics or {}
    counts = metrics["requests"]
    assert isinstance(counts, dict)
    return int(str(counts["arrived"]))


def measure(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    count = requests(options)
    timings: dict[str, list[Timing]] = {name: [] for name, *_ in VARIANTS}
    for _ in range(options.runs):
        for name, router, scheduler in VARIANTS:
            timings[name].append(once(options, router, scheduler))
    if len({timing.decisions for found in timings.values() for timing in found}) != 1:
        raise SystemExit("The sealed policies decided differently: that is a defect.")
    base = statistics.median(t.wall_s for t in timings["in-process"])
    figures = {}
    for name, found in timings.items():
        walls = sorted(t.wall_s for t in found)
        middle = statistics.median(walls)
        figures[name] = {
            "requests_per_s": count / middle,
            "slowest_per_s": count / walls[-1],
            "fastest_per_s": count / walls[0],
            "times_in_process": middle / base,
            "wall_s": middle,
            "cpu_s": statistics.median(t.cpu_s for t in found),
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scenario", default="paper-routing")
    parser.add_argument("--router", default="llq")
    parser.add_argument("--scheduler", default="vllm-fcfs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    pin_to(available_cores()[-1])
    keep_zygote()
    figures = measure(options)
    if options.json:
        print(json.dumps({"router": options.router, "scheduler": options.scheduler, "variants": figures}, indent=2))
        return
    print(f"{options.scenario}, {options.router} and {options.scheduler}, medians of {options.runs} runs")
    for name, f in figures.items():
        spread = f"({f['slowest_per_s']:,.0f} to {f['fastest_per_s']:,.0f})"
        speed = f"{f['requests_per_s']:>8,.0f} requests/s {spread:<20}"
        print(f"  {name:<17} {speed} {f['times_in_process']:5.2f} times in-process, CPU {f['cpu_s']:.2f} s")


if __name__ == "__main__":
    main()
