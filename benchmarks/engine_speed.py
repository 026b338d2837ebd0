"""How fast the engine is, beside the naive one of the tests and beside the bare event kernel.

    python benchmarks/engine_speed.py [--runs 5] [--sizes 10000,100000] [--json]

Everything is CPU time on one core. What is compared is run alternately in one process, so that the machine's moods hit
all alike; figures are medians, with the slowest and the fastest run in brackets as the machine's noise. The sizes
each run in a process of their own, because of the peak memory. ``--sizes 10000,100000,1000000`` takes minutes.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import simpy

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sim import run as fast_run  # noqa: E402
from sim.api import Cluster, HeldRequest, Replica, Router  # noqa: E402
from sim.engine import Policies, Result, simulate_workload  # noqa: E402
from sim.policies import make_router  # noqa: E402
from sim.replica import Replica as FastReplica  # noqa: E402
from sim.scenario import Scenario, load_scenario  # noqa: E402
from sim.workload import Workload, build_workload  # noqa: E402
from sim.workload.spec import LogNormalWorkload  # noqa: E402
from tests.sim.conftest import columns  # noqa: E402
from tests.sim.reference import engine as reference  # noqa: E402

ROUTERS = ("round-robin", "llq", "hra")
REPLICAS = (4, 16, 64)
REQUESTS_PER_REPLICA_COUNT = 20_000
LOAD_RPS_PER_REPLICA = 6.5 / 4
"""A little under the knee, so that a longer run is not a fuller one."""
Run = Callable[[], object]
Figures = dict[str, float]


def cpu_seconds(run: Run) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def interleaved(runs: dict[str, Run], repetitions: int) -> dict[str, list[float]]:
    """CPU seconds of each run, ``repetitions`` rounds of all of them in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repetitions):
        for name, run in runs.items():
            seconds[name].append(cpu_seconds(run))
    return seconds


def rates(seconds: Sequence[float], count: int) -> Figures:
    """Per second: the median, the slowest and the fastest run."""
    return {
        "median": round(count / statistics.median(seconds)),
        "min": round(count / max(seconds)),
        "max": round(count / min(seconds)),
    }


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    return round(statistics.median(slow) / statistics.median(fast), 2)


def kernel_events(count: int = 100_000) -> None:
    """``count`` events of the cheapest form: a timeout whose callback sets the next one."""
    environment = simpy.Environment()
    left = count

    def fire(_event: simpy.Event) -> None:
        nonlocal left
        left -= 1
        if left:
            simpy.Timeout(environment, 1).callbacks.append(fire)

    simpy.Timeout(environment, 1).callbacks.append(fire)
    environment.run()


def run_once(scenario: Scenario, work: Workload, router: str, telemetry: bool = True) -> Result:
    policies = Policies(make_router(router, 1), {"router": router})
    return simulate_workload(scenario, work, policies, 1, telemetry=telemetry)


def run_naive(scenario: Scenario, work: Workload, router: str) -> Result:
    policies = Policies(make_router(router, 1), {"router": router})
    return reference.simulate_workload(scenario, work, policies, 1)


def side_by_side(router: str, scenario: Scenario, work: Workload, repetitions: int) -> dict[str, object]:
    """Requests/s of the naive and the fast engine, with telemetry and without; they must agree first."""
    if columns(run_naive(scenario, work, router)) != columns(run_once(scenario, work, router)):
        raise SystemExit(f"The engines disagree under {router}: run the tests before timing anything.")
    seconds = interleaved(
        {
            "naive": lambda: run_naive(scenario, work, router),
            "fast": lambda: run_once(scenario, work, router),
            "fast_without_telemetry": lambda: run_once(scenario, work, router, telemetry=False),
        },
        repetitions,
    )
    return {
        "requests_per_s": {name: rates(values, len(work)) for name, values in seconds.items()},
        "fast_over_naive": ratio(seconds["naive"], seconds["fast"]),
        "events_per_request": {
            "naive": events_per_request(reference.Run, lambda: run_naive(scenario, work, router), len(work)),
            "fast": events_per_request(fast_run.Run, lambda: run_once(scenario, work, router), len(work)),
        },
        "share_of_time": shares(router, scenario, work),
    }


@contextmanager
def replaced(owner: object, name: str, wrapped: Callable[..., object]) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, wrapped)
    try:
        yield
    finally:
        setattr(owner, name, original)


def events_per_request(owner: type, run: Run, requests: int) -> float:
    """Instants at which an engine does something, per request: the fast one's are kernel events."""
    instant, events = vars(owner)["_instant"], 0

    def counted(self: object, at: object) -> object:
        nonlocal events
        events += 1
        return instant(self, at)

    with replaced(owner, "_instant", counted):
        run()
    return round(events / requests, 2)


class TimedRouter:
    """Asks ``router`` and adds up the time of its answers."""

    def __init__(self, router: Router, clock: Callable[[str, float], None]) -> None:
        self._router = router
        self._clock = clock

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> list[tuple[HeldRequest, Replica]]:
        start = time.perf_counter()
        answer = list(self._router.route(queue, cluster))
        self._clock("router", time.perf_counter() - start)
        return answer


def shares(router: str, scenario: Scenario, work: Workload) -> Figures:
    """Shares of one run's time, timers included: router, replicas, telemetry, and the rest (events, queue, results)."""
    spent = {"router": 0.0, "replicas": 0.0, "telemetry": 0.0}

    def add(part: str, seconds: float) -> None:
        spent[part] += seconds

    def timed(part: str, function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                add(part, time.perf_counter() - start)

        return call

    run_class, replica_class = fast_run.Run, FastReplica
    policies = Policies(TimedRouter(make_router(router, 1), add), {"router": router})
    with (
        replaced(run_class, "_sample", timed("telemetry", run_class._sample)),
        replaced(replica_class, "start", timed("replicas", replica_class.start)),
        replaced(replica_class, "end", timed("replicas", replica_class.end)),
        replaced(replica_class, "enqueue", timed("replicas", replica_class.enqueue)),
    ):
        start = time.perf_counter()
        simulate_workload(scenario, work, policies, 1)
        whole = time.perf_counter() - start
    parts = {part: round(seconds / whole, 3) for part, seconds in spent.items()}
    return {**parts, "rest": round(1 - sum(parts.values()), 3)}


def family(requests: int, replicas: int) -> Scenario:
    """The paper's laws with milder gaps at the same load per replica, for about so many requests."""
    scenario = load_scenario("paper-routing-family")
    spec = scenario.workload
    if not isinstance(spec, LogNormalWorkload):
        raise SystemExit("The scenario paper-routing-family no longer draws its arrivals: choose another one here.")
    rate = LOAD_RPS_PER_REPLICA * replicas
    drawn = replace(spec, rate_rps=rate, sigma=1.0, duration_s=requests / rate)
    return replace(scenario, cluster=replace(scenario.cluster, replicas=replicas), workload=drawn)


def by_replicas(router: str, repetitions: int) -> dict[str, object]:
    """Microseconds per request by number of replicas, each at the same load."""
    cases = {}
    for replicas in REPLICAS:
        scenario = family(REQUESTS_PER_REPLICA_COUNT, replicas)
        cases[str(replicas)] = (scenario, build_workload(scenario, 1))

    def bare(case: tuple[Scenario, Workload]) -> Run:
        return lambda: run_once(*case, router, telemetry=False)

    seconds = interleaved({name: bare(case) for name, case in cases.items()}, repetitions)
    cost = {name: statistics.median(seconds[name]) / len(case[1]) * 1e6 for name, case in cases.items()}
    first, *_, last = cost.values()
    return {"us_per_request": {k: round(v, 1) for k, v in cost.items()}, "growth": round(last / first, 2)}


def of_size(requests: int, router: str) -> Figures:
    """Cost and peak memory of one run with telemetry; to be called in a fresh process."""
    scenario = family(requests, 4)
    work = build_workload(scenario, 1)
    seconds = cpu_seconds(lambda: run_once(scenario, work, router))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"us_per_request": round(seconds / len(work) * 1e6, 1), "peak_memory_mb": round(peak_mb)}


def by_size(sizes: Sequence[int], router: str) -> dict[str, object]:
    figures: dict[str, object] = {}
    for size in sizes:
        command = [sys.executable, __file__, "--one-size", str(size), "--router", router]
        figures[str(size)] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return figures


def measure(repetitions: int, sizes: Sequence[int]) -> dict[str, object]:
    scenario = load_scenario("paper-routing")
    work = build_workload(scenario, 1)
    events = 100_000
    kernel = [cpu_seconds(kernel_events) for _ in range(repetitions)]
    return {
        "scenario": scenario.name,
        "runs": repetitions,
        "kernel_events_per_s": rates(kernel, events),
        "routers": {router: side_by_side(router, scenario, work, repetitions) for router in ROUTERS},
        "by_replicas": {router: by_replicas(router, repetitions) for router in ("round-robin", "llq")},
        "by_requests": {router: by_size(sizes, router) for router in ("round-robin", "llq")},
    }


def show(value: object, indent: int = 0) -> None:
    """Prints nested figures, one line per leaf."""
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if isinstance(inner, dict) and set(inner) == {"median", "min", "max"}:
            print(f"{' ' * indent}{key}: {inner['median']:,} ({inner['min']:,}-{inner['max']:,})")
        elif isinstance(inner, dict):
            print(f"{' ' * indent}{key}")
            show(inner, indent + 2)
        else:
            print(f"{' ' * indent}{key}: {inner}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the simulator's engine.")
    parser.add_argument("--runs", type=int, default=5, help="repetitions of each timed run")
    parser.add_argument("--sizes", default="10000,100000", help="numbers of requests, comma separated")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--one-size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--router", default="llq", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_size is not None:
        print(json.dumps(of_size(options.one_size, options.router)))
        return
    figures = measure(options.runs, [int(size) for size in options.sizes.split(",")])
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()
