"""Figures of a run, and of several runs with different seeds.

Every figure is computed from integer nanoseconds and token counts in exact arithmetic and divided once at the end, so
the same run gives the same digits on every machine.

Percentiles interpolate linearly between the two nearest ranks. TTFT is first token - arrival and end-to-end latency
finish - arrival of finished requests; TPOT is (finish - first token) / (output tokens - 1) of those with at least two
output tokens; normalised latency is end-to-end latency / output tokens (the measure of Orca and vLLM's papers). Goodput
counts finished requests whose TTFT and TPOT both meet the scenario's SLO, or their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from sim.api import NS_PER_S
from sim.member import PAID
from sim.result import OUTCOMES, Ints, RequestTable
from sim.scenario import Scenario
from sim.service import in_time, jain_fairness, slo_attainment, tpot_ns
from sim.student_t import mean_ci95
from sim.telemetry import Json
from sim.use import FleetUse, use_figures
from sim.workload import Workload

PERCENTILES = (50, 90, 99)
LATENCIES = ("e2e_s", "ttft_s", "tpot_s")
STATS = ("mean", "p50", "p90", "p99", "max")
SHARED_KEYS = ("scenario", "policies", "simulator")
"""Keys of a summary that say what was run and are equal for all seeds."""

METRIC_UNITS: Mapping[str, str] = MappingProxyType(
    {
        **{f"{name}.{stat}": "s" for name in LATENCIES for stat in STATS},
        **{f"normalised_latency_s.{stat}": "s/token" for stat in STATS},
        "preemptions": "",
        "requests_preempted": "requests",
        "preemptions_per_request": "",
        "crash_restarts": "",
        "restarts_per_request": "",
        "throughput_rps": "requests/s",
        "output_tokens_per_s": "tokens/s",
        "goodput_rps": "requests/s",
        "slo_attainment.all": "share",
        "jain_fairness": "",
        "gpu_hours": "h",
        "cost_usd": "USD",
        **{f"gpu_hours_by_state.{state}": "h" for state in PAID},
        "replicas_mean": "replicas",
        "replicas_max": "replicas",
        "kv_usage_mean": "share",
        "batch_mean": "requests",
        "imbalance": "",
        "prefix_hit_rate": "share",
        "usd_per_1k_good": "USD",
        "simulated_s": "s",
    }
)
"""Dotted keys of the numbers in a summary, with their units; tiers and pools have more, by their names."""
GOALS = tuple(key for key in METRIC_UNITS if key.partition(".")[0] in (*LATENCIES, "usd_per_1k_good"))
"""Those that a scenario may ask to be minimised."""


def latency_stats(values_ns: Ints) -> dict[str, Json]:
    """``mean``, ``p50``, ``p90``, ``p99``, ``max`` in seconds; all None if there are no values."""
    if not len(values_ns):
        return dict.fromkeys(STATS, None)
    ordered = np.sort(values_ns)
    stats: dict[str, Json] = {"mean": _sum(ordered) / (len(ordered) * NS_PER_S)}
    for percent in PERCENTILES:
        stats[f"p{percent}"] = _percentile_x100(ordered, percent) / (100 * NS_PER_S)
    stats["max"] = int(ordered[-1]) / NS_PER_S
    return stats


def _percentile_x100(ordered: Ints, percent: int) -> int:
    """A hundred times the percentile, as an exact integer."""
    rank, part = divmod(percent * (len(ordered) - 1), 100)
    above = int(ordered[min(rank + 1, len(ordered) - 1)])
    return int(ordered[rank]) * (100 - part) + above * part


def _sum(values: Ints) -> int:
    """Exact: in two parts, because the sum itself may not fit 64 bits."""
    return int((values >> 30).sum()) * 2**30 + int((values & (2**30 - 1)).sum())


def summarise(
    scenario: Scenario, workload: Workload, table: RequestTable, end_ns: int, use: FleetUse
) -> dict[str, Json]:
    """The figures of one run whose last event was at ``end_ns``."""
    done = table.outcome == OUTCOMES.index("finished")
    finished, requests = int(np.count_nonzero(done)), len(table)
    outputs, arrival_ns = table.output_tokens[done], table.arrival_ns[done]
    e2e_ns, ttft_ns = table.finish_ns[done] - arrival_ns, table.first_token_ns[done] - arrival_ns
    tpot = tpot_ns(ttft_ns, e2e_ns, outputs)
    promised_ns, session = (None if c is None else c[done] for c in (workload.ttft_slo_ns, workload.session))
    good = table.id[done][in_time(ttft_ns, tpot, promised_ns, scenario.slo)]
    seconds = end_ns / NS_PER_S
    preemptions, crashes, restarts = (int(c.sum()) for c in (table.preemptions, table.crash_restarts, table.restarts))
    fleet = use_figures(use, end_ns)
    cost = fleet["cost_usd"]

    def per_second(count: int) -> float:
        return count / seconds if seconds else 0.0

    def per_request(count: int) -> float:
        return count / requests if requests else 0.0

    return {
        "requests": {
            "arrived": requests,
            "finished": finished,
            "rejected": int(np.count_nonzero(table.outcome == OUTCOMES.index("rejected"))),
            "unfinished": int(np.count_nonzero(table.outcome == OUTCOMES.index("unfinished"))),
        },
        "e2e_s": latency_stats(e2e_ns),
        "ttft_s": latency_stats(ttft_ns),
        "tpot_s": latency_stats(tpot[outputs > 1]),
        "normalised_latency_s": latency_stats(e2e_ns // outputs),
        "preemptions": preemptions,
        "requests_preempted": int(np.count_nonzero(table.preemptions)),
        "preemptions_per_request": per_request(preemptions),
        "crash_restarts": crashes,
        "restarts_per_request": per_request(restarts),
        "throughput_rps": per_second(finished),
        "output_tokens_per_s": per_second(int(outputs.sum())),
        "goodput_rps": per_second(len(good)),
        "slo_attainment": slo_attainment(workload, good),
        "jain_fairness": jain_fairness(outputs, e2e_ns, session),
        **fleet,
        "usd_per_1k_good": 1000 * cost / len(good) if len(good) and isinstance(cost, float) else None,
        "simulated_s": seconds,
    }


def pool(summaries: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Several seeds' summaries as one: for each number the mean of the per-seed figures.

    Latencies also get ``mean_ci95``, the 95% t interval of the mean of the per-seed means ([low, high], None for one
    seed). A figure that a seed lacks (nothing finished) is None. ``seeds`` lists them; ``decisions_sha256`` is the
    SHA-256 of the per-seed hashes in order (of one seed: its own). Raises ValueError for none.
    """
    if not summaries:
        raise ValueError("There is no summary to pool.")
    first = summaries[0]
    pooled: dict[str, Json] = {key: first[key] for key in SHARED_KEYS if key in first}
    pooled["seeds"] = [summary["seed"] for summary in summaries if "seed" in summary]
    for key in dict.fromkeys(key for summary in summaries for key in summary):
        values = [summary.get(key) for summary in summaries]
        groups = [value for value in values if isinstance(value, dict)]
        if groups and key not in SHARED_KEYS:
            inner_keys = dict.fromkeys(inner for group in groups for inner in group)
            pooled[key] = {inner: _mean([_part(value, inner) for value in values]) for inner in inner_keys}
        elif key != "seed" and all(value is None or isinstance(value, int | float) for value in values):
            pooled[key] = _mean(values)
    for key in LATENCIES:
        stats = pooled.get(key)
        means = [_part(summary.get(key), "mean") for summary in summaries]
        numbers = [value for value in means if isinstance(value, int | float)]
        if isinstance(stats, dict):
            interval = mean_ci95(numbers) if len(numbers) == len(means) else None
            stats["mean_ci95"] = None if interval is None else list(interval)
    for key in ("decisions_sha256", "workload_sha256"):
        if key in first:
            pooled[key] = _joint_digest([str(summary[key]) for summary in summaries])
    return pooled


def _part(value: Json, key: str) -> Json:
    return value.get(key) if isinstance(value, dict) else None


def _mean(values: Sequence[Json]) -> Json:
    """The mean; an int if all are ints and it is whole; None if any value is missing."""
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) < len(values):
        return None
    total = sum(numbers)
    if isinstance(total, int) and total % len(numbers) == 0:
        return total // len(numbers)
    return total / len(numbers)


def _joint_digest(digests: Sequence[str]) -> str:
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()
