"""How faithful the simulator is to Vidur, and how much faster, on recorded runs of it.

    python benchmarks/vidur_fidelity.py FOLDER… [--json]

A folder holds ``config.json``, ``requests.csv`` and perhaps ``iterations.csv`` (:mod:`benchmarks.vidur_folder`). The
cluster is rebuilt from the configuration and the recorded arrivals and lengths are replayed:

* with the *own* cost model (a profile, or the roofline where none ships): signed relative errors of the latencies,
  restarts, and the speed beside Vidur's own;
* if iterations were recorded, with *their* times: then every batch must hold the same, in the same order, and every
  restart must hit the same request.

Both under Vidur's own rules (``vidur_compat``). Its ``random`` router is replayed request by request: its draws don't
depend on the cluster. Speeds are of the first kind of run, medians of three, in wall time and in CPU time, which
neighbours on the machine disturb less; Vidur's are what its record says. Exit code 2 if a folder can't be used; the
others are reported all the same.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import sim.run
from benchmarks.rebuilt import rebuilt, table_of
from benchmarks.vidur_folder import BadFolder, Batch, Iterations, Recorded, VidurRun, read_run
from sim.api import NS_PER_S, Cluster, HeldRequest, Replica, Router
from sim.cost import Cost, load_profile, profile_names
from sim.errors import SimError
from sim.hardware import find_gpu
from sim.policies import make_router
from sim.result import OUTCOMES, RequestTable
from sim.scenario import ClusterSpec, CostSpec, PoolSpec, Scenario

PERCENTILES = (50, 90, 99)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Report = dict[str, object]


class Replayed:
    """A router that sends every request where Vidur sent it."""

    def __init__(self, replica: Sequence[int]) -> None:
        self._replica = replica

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        for request in queue:
            yield request, cluster.replicas[self._replica[request.id]]


class RecordedCost:
    """One replica's recorded times, one after the other; ``asked`` keeps what the iterations held.

    An iteration past the record's end takes as long as the last recorded one.
    """

    linear = False

    def __init__(self, record: Iterations) -> None:
        self._times_ns = record.times_ns
        self.asked: list[Batch] = []

    def decodes_ns(self, decodes: int, context_tokens: int) -> tuple[int, int]:
        return self.iteration_ns(decodes, context_tokens, 0, 0, 0), 0

    def iteration_ns(
        self, decodes: int, decode_context_tokens: int, prefills: int, prefill_tokens: int, prefill_half_pairs: int
    ) -> int:
        index = min(len(self.asked), len(self._times_ns) - 1)
        self.asked.append(Batch(prefills, prefill_tokens, prefill_half_pairs, decodes, decode_context_tokens))
        return self._times_ns[index]

    def scaled(self, percent: int) -> Cost:
        raise NotImplementedError("Recorded times are replayed as they are.")


@dataclass(frozen=True)
class Outcome:
    """Of the requests that finished here and in Vidur's run; seconds."""

    e2e_s: Floats
    ttft_s: Floats
    tpot_s: Floats


def scenario_of(run: VidurRun, cost: CostSpec, apart: bool = False) -> Scenario:
    """``run``'s cluster; ``apart``: with one pool per replica, so that each may have recorded times of its own."""
    cluster = replace(run.cluster, replicas=1)
    pools = tuple(PoolSpec(f"replica-{index}", cluster, cost, 1, 1) for index in range(run.cluster.replicas))
    return rebuilt(run.folder.name, run.cluster, cost, run.engine, pools if apart else ())


def own_cost(cluster: ClusterSpec) -> CostSpec:
    """The profile that follows Vidur's times on that GPU and model, or the roofline."""
    for name in profile_names():
        profile = load_profile(name)
        measured = (find_gpu(profile.gpu).name, profile.model)
        if measured == (cluster.gpu, cluster.model) and name.endswith("-vidur"):
            return CostSpec(name)
    return CostSpec(kind="roofline")


@contextmanager
def costs(by_pool: dict[str, RecordedCost]) -> Iterator[None]:
    """Lets the run take these costs instead of the ones it would build."""
    original = vars(sim.run)["cost_of"]
    vars(sim.run)["cost_of"] = lambda pool: by_pool[pool.name]
    try:
        yield
    finally:
        vars(sim.run)["cost_of"] = original


def simulated(run: VidurRun, scenario: Scenario) -> RequestTable:
    router: Router = Replayed(run.requests.replica) if run.router == "random" else make_router(run.router, 0)
    return table_of(scenario, run.requests.workload(), router)


def compared(table: RequestTable, recorded: Recorded) -> tuple[Outcome, Outcome]:
    """Both runs' latencies of the requests that finished in both: ours, Vidur's."""
    arrived, first = np.array(recorded.arrived_s), np.array(recorded.first_token_s)
    finished, outputs = np.array(recorded.finished_s), np.array(recorded.output_tokens)
    both = (table.outcome == OUTCOMES.index("finished")) & (finished > 0)
    ours = _outcome(
        table.arrival_ns / NS_PER_S, table.first_token_ns / NS_PER_S, table.finish_ns / NS_PER_S, outputs, both
    )
    return ours, _outcome(arrived, first, finished, outputs, both)


def _outcome(
    arrived: Floats, first: Floats, finished: Floats, outputs: NDArray[np.int64], rows: NDArray[np.bool_]
) -> Outcome:
    several = rows & (outputs > 1)
    return Outcome(
        e2e_s=(finished - arrived)[rows],
        ttft_s=(first - arrived)[rows],
        tpot_s=((finished - first)[several]) / (outputs[several] - 1),
    )


def errors(ours: Outcome, vidur: Outcome) -> Report:
    def of_mean(name: str) -> float | None:
        return _relative(getattr(ours, name).mean(), getattr(vidur, name).mean()) if len(getattr(ours, name)) else None

    def of_percentile(name: str, percent: int) -> float | None:
        pair = [getattr(side, name) for side in (ours, vidur)]
        return _relative(*(np.percentile(values, percent) for values in pair)) if len(pair[0]) else None

    report: Report = {"e2e_mean_error": of_mean("e2e_s")}
    report |= {f"e2e_p{percent}_error": of_percentile("e2e_s", percent) for percent in PERCENTILES}
    report |= {"ttft_mean_error": of_mean("ttft_s"), "ttft_p99_error": of_percentile("ttft_s", 99)}
    return report | {"tpot_mean_error": of_mean("tpot_s")}


def _relative(ours: float, vidurs: float) -> float | None:
    return round(float(ours / vidurs - 1), 5) if vidurs else None


def replayed_batches(run: VidurRun) -> Report:
    """The run under recorded times: how many batches are equal, and the first that isn't."""
    names = {f"replica-{index}": index for index in range(run.cluster.replicas)}
    by_pool = {name: RecordedCost(run.iterations.get(index, Iterations([], [10**6]))) for name, index in names.items()}
    with costs(by_pool):
        table = simulated(run, scenario_of(run, CostSpec(), apart=True))
    equal, total, first = 0, 0, None
    for name, index in names.items():
        theirs, ours = run.iterations.get(index, Iterations()).batches, by_pool[name].asked
        same = [mine == his for mine, his in zip(ours, theirs, strict=False)]
        equal += sum(same)
        total += max(len(theirs), len(ours))
        if first is None and (not all(same) or len(ours) != len(theirs)):
            at = same.index(False) if not all(same) else len(same)
            first = {"replica": index, "batch": at, "vidur": _shown(theirs, at), "glia": _shown(ours, at)}
    restarts = np.array(run.requests.restarts)
    return {
        "batches": total,
        "equal": equal,
        "first_difference": first,
        "requests_with_other_restarts": int(np.sum(table.restarts != restarts)),
        "largest_time_difference_s": round(float(np.abs(table.finish_ns / 1e9 - run.requests.finished_s).max()), 9),
    }


def _shown(batches: Sequence[Batch], at: int) -> dict[str, int] | None:
    return vars(batches[at]) if at < len(batches) else None


def timed(run: VidurRun, scenario: Scenario) -> tuple[RequestTable, float, float]:
    """The run, and the median wall and CPU time of three of it in seconds."""
    walls_s, cpus_s = [], []
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        table = simulated(run, scenario)
        walls_s.append(time.perf_counter() - wall)
        cpus_s.append(time.process_time() - cpu)
    return table, statistics.median(walls_s), statistics.median(cpus_s)


def report_of(folder: Path) -> Report:
    """One folder's figures (see docs of the command); BadFolder if it can't be used."""
    run = read_run(folder)
    cost = own_cost(run.cluster)
    scenario = scenario_of(run, cost)
    table, wall_s, cpu_s = timed(run, scenario)
    report: Report = {"folder": str(folder), **errors(*compared(table, run.requests))}
    report["restarts"] = {"vidur": sum(run.requests.restarts), "glia": int(table.restarts.sum())}
    report |= {"requests": len(run.requests), "wall_s": round(wall_s, 4)}
    report["finished"] = int(np.sum(table.outcome == OUTCOMES.index("finished")))
    report["cost"] = cost.profile or cost.kind
    report["router"] = "replayed" if run.router == "random" else run.router
    for kind, seconds in (("wall", wall_s), ("cpu", cpu_s)):
        rate, vidurs = len(run.requests) / seconds, run.timing.get(f"req_per_{kind}_s")
        report[f"requests_per_{kind}_s"] = {"glia": round(rate), "vidur": round(vidurs) if vidurs else None}
        report[f"times_faster_{kind}"] = round(rate / vidurs, 1) if vidurs else None
    if run.iterations:
        report["recorded_times"] = replayed_batches(run)
    return report


HEADER = (
    f"{'folder':<42} {'e2e mean':>9} {'p50':>7} {'p90':>7} {'p99':>7} {'ttft':>8} {'p99':>7} {'tpot':>7} "
    f"{'restarts':>11} {'req/CPU s':>10} {'Vidur':>6} {'×':>6}  batches equal"
)


def line(report: Report) -> str:
    def percent(key: str, width: int = 7) -> str:
        value = report[key]
        return f"{value:>+{width}.2%}" if isinstance(value, float) else "–".rjust(width)

    columns = [percent("e2e_mean_error", 9), *(percent(f"e2e_p{p}_error") for p in PERCENTILES)]
    columns += [percent("ttft_mean_error", 8), percent("ttft_p99_error"), percent("tpot_mean_error")]
    restarts, rates, batches = report["restarts"], report["requests_per_cpu_s"], report.get("recorded_times")
    assert isinstance(restarts, dict)
    assert isinstance(rates, dict)
    columns += [f"{restarts['vidur']} → {restarts['glia']}".rjust(11), f"{rates['glia']:>10,}"]
    columns += [str(rates["vidur"] or "–").rjust(6), str(report["times_faster_cpu"] or "–").rjust(6)]
    if isinstance(batches, dict):
        columns.append(f" {batches['equal']:,} of {batches['batches']:,}")
    return f"{Path(str(report['folder'])).name:<42} {' '.join(columns)}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Errors and speed against recorded runs of Vidur.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="config.json, requests.csv, …")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    options = parser.parse_args()
    reports, failed = [], False
    if not options.json:
        print(HEADER)
    for folder in options.folders:
        try:
            report = report_of(folder)
        except (BadFolder, SimError) as error:
            failed = True
            print(f"vidur_fidelity: {error}", file=sys.stderr)
            continue
        reports.append(report)
        if not options.json:
            print(line(report), flush=True)
    if options.json:
        print(json.dumps(reports, indent=2))
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
