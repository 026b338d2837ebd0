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

from sim.api import NS_PER_S
from sim.member import PAID
from sim.request import Request
from sim.scenario import Scenario
from sim.service import in_time, jain_fairness, slo_attainment, tpot_ns
from sim.student_t import mean_ci95
from sim.telemetry import Json
from sim.use import FleetUse, use_figures

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


def latency_stats(values_ns: Sequence[int]) -> dict[str, Json]:
    """``mean``, ``p50``, ``p90``, ``p99``, ``max`` in seconds; all None if there are no values."""
    if not values_ns:
        return dict.fromkeys(STATS, None)
    ordered = sorted(values_ns)
    stats: dict[str, Json] = {"mean": sum(ordered) / (len(ordered) * NS_PER_S)}
    for percent in PERCENTILES:
        stats[f"p{percent}"] = _percentile_x100(ordered, percent) / (100 * NS_PER_S)
    stats["max"] = ordered[-1] / NS_PER_S
    return stats


def _percentile_x100(ordered: Sequence[int], percent: int) -> int:
    """A hundred times the percentile, as an exact integer."""
    rank, part = divmod(percent * (len(ordered) - 1), 100)
    above = ordered[min(rank + 1, len(ordered) - 1)]
    return ordered[rank] * (100 - part) + above * part


def summarise(scenario: Scenario, requests: Sequence[Request], end_ns: int, use: FleetUse) -> dict[str, Json]:
    """The figures of one run whose last event was at ``end_ns``."""
    finished = [request for request in requests if request.outcome == "finished"]
    outcomes = [request.outcome for request in requests]
    served = in_time(finished, scenario.slo)
    good = len(served)
    seconds = end_ns / NS_PER_S
    crashes = sum(use.crashes.values())
    restarts = sum([request.restarts for request in requests])
    fleet = use_figures(use, end_ns)
    cost = fleet["cost_usd"]

    def per_second(count: int) -> float:
        return count / seconds if seconds else 0.0

    def per_request(count: int) -> float:
        return count / len(requests) if requests else 0.0

    return {
        "requests": {
            "arrived": len(requests),
            "finished": len(finished),
            "rejected": outcomes.count("rejected"),
            "unfinished": outcomes.count("unfinished"),
        },
        "e2e_s": latency_stats([r.finish_ns - r.arrival_ns for r in finished]),
        "ttft_s": latency_stats([r.first_token_ns - r.arrival_ns for r in finished]),
        "tpot_s": latency_stats([tpot_ns(r) for r in finished if r.output_tokens > 1]),
        "normalised_latency_s": latency_stats([(r.finish_ns - r.arrival_ns) // r.output_tokens for r in finished]),
        "preemptions": restarts - crashes,
        "requests_preempted": sum([r.restarts > use.crashes.get(r.id, 0) for r in requests if r.restarts]),
        "preemptions_per_request": per_request(restarts - crashes),
        "crash_restarts": crashes,
        "restarts_per_request": per_request(restarts),
        "throughput_rps": per_second(len(finished)),
        "output_tokens_per_s": per_second(sum(r.output_tokens for r in finished)),
        "goodput_rps": per_second(good),
        "slo_attainment": slo_attainment(requests, served),
        "jain_fairness": jain_fairness(finished),
        **fleet,
        "usd_per_1k_good": 1000 * cost / good if good and isinstance(cost, float) else None,
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
