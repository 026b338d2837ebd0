"""What the shipped scenarios are: offered load, where the knee is, which shipped policy wins.

    python benchmarks/scenario_table.py [SCENARIO …] [--seeds 10] [--policies NAME,…] [--json]
    python benchmarks/scenario_table.py paper-qps-sweep --sweep 1.5,3,4,6,7,8,9,12 [--routers llq,hra]

The first form prints Markdown (or JSON): for every scenario the requests and tokens per second of simulated time that
arrive, the knee, and for policies of the slot that is designed the scenario's metric, with the difference from the
default's on the same seeds and its 95% t interval. The second sweeps one scenario's rate.

The *knee* is the rate at which the mean completion time under the default policies is twice that at a tenth of the
scenario's rate, found by halving intervals over three seeds, to 2%.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sim.api import NS_PER_S
from sim.engine import Policies, simulate
from sim.policies import make_autoscaler, make_router, make_scheduler, policy_names, policy_seed
from sim.scenario import Scenario, load_scenario, scenario_names
from sim.student_t import t_quantile_975
from sim.workload import build_workload
from sim.workload.spec import GeneratedWorkload, LogNormalWorkload, ReplayArrivals

KNEE_SEEDS = (1, 2, 3)
KNEE_FACTOR = 2.0
ROUTERS = ("round-robin", "random", "llq", "power-of-two", "least-kv", "prefix-scorer", "lmetric", "hra")
"""Unless others are asked for: one of every kind, each quick to ask. Of schedulers and autoscalers all."""
RATE_KEYS = ("workload.rate_rps", "workload.arrivals.rate_rps", "workload.arrivals.rate_scale")


@dataclass(frozen=True, slots=True)
class Case:
    """One run. ``policies``: names by slot where they differ from the scenario's own."""

    scenario: str
    seed: int
    policies: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """A policy's metric, mean over seeds; ``difference_percent`` from the default's on the same seeds, with the half
    width of its interval."""

    policy: str
    mean: float
    difference_percent: float
    half_width_percent: float


@dataclass(frozen=True, slots=True)
class Table:
    """``knee``: in the scenario's own requests/s, None where every seed has the same arrivals or the fleet grows."""

    scenario: str
    requests_per_s: float
    prompt_tokens_per_s: float
    output_tokens_per_s: float
    knee_rps: float | None
    slot: str
    default: str
    metric: str
    rows: tuple[Row, ...]


def run(case: Case) -> dict[str, object]:
    scenario = load_scenario(case.scenario, case.overrides)
    seed = policy_seed(case.seed)
    router = case.policies.get("router", scenario.baseline)
    scheduler = case.policies.get("scheduler", scenario.scheduler)
    autoscaler = case.policies.get("autoscaler", scenario.autoscaler)
    policies = Policies(
        make_router(router, seed),
        {"router": router},
        make_scheduler(scheduler, seed),
        make_autoscaler(autoscaler, seed) if scenario.autoscaling is not None else None,
    )
    return dict(simulate(scenario, policies, case.seed, telemetry=False).summary)


def figure(summary: Mapping[str, object], key: str) -> float:
    value: object = summary
    for part in key.split("."):
        value = value[part] if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else float("nan")


def measured(name: str, seeds: Sequence[int], wanted: Sequence[str], pool: ProcessPoolExecutor) -> Table:
    scenario = load_scenario(name)
    slot = scenario.slots[0]
    default = {"router": scenario.baseline, "scheduler": scenario.scheduler, "autoscaler": scenario.autoscaler}[slot]
    names = list(dict.fromkeys([default, *(wanted or (ROUTERS if slot == "router" else policy_names(slot)))]))
    runs = list(pool.map(run, [Case(name, seed, {slot: policy}) for policy in names for seed in seeds]))
    values = {
        policy: [figure(summary, scenario.metric) for summary in runs[place * len(seeds) :][: len(seeds)]]
        for place, policy in enumerate(names)
    }
    rows = sorted((_row(policy, own, values[default]) for policy, own in values.items()), key=lambda row: row.mean)
    offered = _offered(scenario, seeds)
    factor = None if scenario.autoscaling is not None else knee_factor(scenario, pool)
    knee = None if factor is None else offered[0] * factor
    return Table(name, *offered, knee, slot, default, scenario.metric, tuple(rows))


def _row(policy: str, own: Sequence[float], default: Sequence[float]) -> Row:
    base = statistics.fmean(default)
    differences = [100 * (one - other) / base for one, other in zip(own, default, strict=True)]
    half = 0.0
    if len(own) > 1:
        half = t_quantile_975(len(own) - 1) * statistics.stdev(differences) / len(own) ** 0.5
    return Row(policy, statistics.fmean(own), statistics.fmean(differences), half)


def _offered(scenario: Scenario, seeds: Sequence[int]) -> tuple[float, float, float]:
    rates = []
    for seed in seeds:
        work = build_workload(scenario, seed)
        span_s = int(work.arrival_ns[-1]) / NS_PER_S
        rates.append([len(work) / span_s, work.prompt_tokens.sum() / span_s, work.output_tokens.sum() / span_s])
    requests, prompts, outputs = (statistics.fmean(column) for column in zip(*rates, strict=True))
    return requests, prompts, outputs


def rate_override(scenario: Scenario, factor: float) -> dict[str, str] | None:
    """What makes requests arrive that many times as fast; None if nothing does."""
    match scenario.workload:
        case LogNormalWorkload(rate_rps=rate):
            return {RATE_KEYS[0]: repr(rate * factor)}
        case GeneratedWorkload(arrivals=ReplayArrivals(rate_scale=scale)):
            return {RATE_KEYS[2]: repr(scale * factor)}
        case GeneratedWorkload(arrivals=law) if not isinstance(law, ReplayArrivals):
            return {RATE_KEYS[1]: repr(law.rate_rps * factor)}
        case _:
            return None


def knee_factor(scenario: Scenario, pool: ProcessPoolExecutor) -> float | None:
    """The knee over the scenario's rate."""

    def completion_s(factor: float) -> float:
        overrides = rate_override(scenario, factor)
        assert overrides is not None
        runs = pool.map(run, [Case(scenario.name, seed, {}, overrides) for seed in KNEE_SEEDS])
        return statistics.fmean(figure(summary, "e2e_s.mean") for summary in runs)

    if rate_override(scenario, 1.0) is None:
        return None
    limit = KNEE_FACTOR * completion_s(0.1)
    low, high = 0.1, 0.2
    while completion_s(high) < limit:
        low, high = high, 2 * high
    while high / low > 1.02:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if completion_s(middle) < limit else (low, middle)
    return (low * high) ** 0.5


def markdown(tables: Iterable[Table]) -> str:
    lines: list[str] = []
    for table in tables:
        knee = "–" if table.knee_rps is None else f"{table.knee_rps:.3g} requests/s"
        lines += [
            f"## {table.scenario}",
            "",
            f"Offered: {table.requests_per_s:.3g} requests/s, {table.prompt_tokens_per_s:,.0f} prompt and "
            f"{table.output_tokens_per_s:,.0f} output tokens/s. Knee: {knee}.",
            "",
            f"| {table.slot} | {table.metric} | against {table.default} |",
            "|---|---|---|",
            *(f"| {row.policy} | {row.mean:.4g} | {_difference(row)} |" for row in table.rows),
            "",
        ]
    return "\n".join(lines)


def _difference(row: Row) -> str:
    return f"{row.difference_percent:+.1f}% ± {row.half_width_percent:.1f}"


def sweep(name: str, rates: Sequence[float], routers: Sequence[str], seeds: Sequence[int]) -> str:
    """Mean completion times in s by rate, and the preemptions per request under the first router."""
    scenario = load_scenario(name)
    one = rate_override(scenario, 1.0)
    if one is None:
        raise SystemExit(f"The rate of {name} can't be set: its arrivals are recorded.")
    ((key, _),) = one.items()
    cases = [
        Case(name, s, {"router": router}, {key: repr(rate)}) for rate in rates for router in routers for s in seeds
    ]
    with ProcessPoolExecutor() as pool:
        runs = list(pool.map(run, cases))
    lines = [f"| {key} | {' | '.join(routers)} | preemptions/request |", "|---" * (len(routers) + 2) + "|"]
    for place, rate in enumerate(rates):
        of_rate = runs[place * len(routers) * len(seeds) :][: len(routers) * len(seeds)]
        groups = [of_rate[start : start + len(seeds)] for start in range(0, len(of_rate), len(seeds))]
        means = [statistics.fmean(figure(summary, "e2e_s.mean") for summary in group) for group in groups]
        lost = statistics.fmean(figure(summary, "preemptions_per_request") for summary in groups[0])
        lines.append(f"| {rate:g} | {' | '.join(f'{mean:.1f}' for mean in means)} | {lost:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", default=scenario_names())
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--policies", default="", help="of the slot that is designed; the usual ones if not stated")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sweep", metavar="RATE,…", help="rates to run the first scenario at")
    parser.add_argument("--routers", default="round-robin,llq,hra")
    asked = parser.parse_args()
    seeds = range(1, asked.seeds + 1)
    if asked.sweep:
        rates = [float(rate) for rate in asked.sweep.split(",")]
        print(sweep(asked.scenarios[0], rates, asked.routers.split(","), seeds))
        return
    wanted = asked.policies.split(",") if asked.policies else []
    tables = []
    with ProcessPoolExecutor() as pool:
        for name in asked.scenarios:
            print(f"{name} …", file=sys.stderr, flush=True)
            tables.append(measured(name, seeds, wanted, pool))
    print(json.dumps([asdict(table) for table in tables], indent=1) if asked.json else markdown(tables))


if __name__ == "__main__":
    main()
