"""Telemetry: the cluster sampled at a fixed simulated interval, under vLLM's metric names where it has them.

A sample is the last thing that happens at its instant and changes nothing: with another interval the same run yields
the same decisions and times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sim.api import NS_PER_S
from sim.member import State

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | dict[str, Json] | None"

USAGE_DIGITS = 6
MAX_SAMPLES = 400_000
"""Most samples of one run, rows times replicas; past it every other row goes and the interval doubles."""
MIN_ROWS = 64


def row_limit(replicas: int) -> int:
    """Most rows that a run keeps: even, so that halving keeps the newest row of a full record and one more."""
    return max(MIN_ROWS, MAX_SAMPLES // replicas // 2 * 2)


@dataclass(frozen=True, slots=True)
class TelemetryRow:
    """The cluster at one instant; the tuples hold one entry per replica, counters are cumulative.

    ``states``: ``off``, ``starting``, ``ready``, ``draining`` or ``down``. ``kv_usage``: share of the KV blocks in use
    (0..1). ``mean_completion_s``: mean end-to-end latency of the requests finished so far, None before the first.
    ``completion_ns`` and ``ttft_ns``: sums over these requests. ``prefill_tokens``: computed by ended iterations, those
    of restarts too. ``prefix_query_tokens`` and ``prefix_hit_tokens``: looked for in prefix caches, and found.
    ``cost_usd``: of the replicas so far.
    """

    t_ns: int
    waiting: tuple[int, ...]
    running: tuple[int, ...]
    kv_usage: tuple[float, ...]
    preemptions: tuple[int, ...]
    held: int
    finished: int
    mean_completion_s: float | None
    generated_tokens: int
    states: tuple[State, ...]
    completion_ns: int
    ttft_ns: int
    prefill_tokens: int
    prefix_query_tokens: int
    prefix_hit_tokens: int
    crash_restarts: int
    cost_usd: float


class Observer(Protocol):
    """Watches a run live; must not keep anything of it but the row."""

    def on_sample(self, row: TelemetryRow) -> None:
        """Called at each telemetry sample, ``row.t_ns`` ns of simulated time into the run."""
        ...


_SERIES: tuple[tuple[str, str, bool, Callable[[TelemetryRow], Json]], ...] = (
    ("vllm:num_requests_waiting", "requests", True, lambda row: row.waiting),
    ("vllm:num_requests_running", "requests", True, lambda row: row.running),
    ("vllm:kv_cache_usage_perc", "share (0..1)", True, lambda row: row.kv_usage),
    ("vllm:num_preemptions_total", "preemptions", True, lambda row: row.preemptions),
    ("router:held_requests", "requests", False, lambda row: row.held),
    ("cluster:finished_requests", "requests", False, lambda row: row.finished),
    ("cluster:mean_completion_s", "s", False, lambda row: row.mean_completion_s),
    ("vllm:generation_tokens_total", "tokens", False, lambda row: row.generated_tokens),
    ("vllm:prompt_tokens_total", "tokens", False, lambda row: row.prefill_tokens),
    ("vllm:prefix_cache_queries_total", "tokens", False, lambda row: row.prefix_query_tokens),
    ("vllm:prefix_cache_hits_total", "tokens", False, lambda row: row.prefix_hit_tokens),
    ("vllm:e2e_request_latency_seconds_sum", "s", False, lambda row: row.completion_ns / NS_PER_S),
    ("cluster:finished_ttft_seconds_sum", "s", False, lambda row: row.ttft_ns / NS_PER_S),
    ("cluster:replica_state", "state", True, lambda row: row.states),
    ("cluster:replicas_ready", "replicas", False, lambda row: row.states.count("ready")),
    ("cluster:replicas_starting", "replicas", False, lambda row: row.states.count("starting")),
    ("cluster:crash_restarts_total", "restarts", False, lambda row: row.crash_restarts),
    ("cluster:cost_usd", "USD", False, lambda row: row.cost_usd),
)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """All samples of one run, from time 0 to the first sample after the last event.

    ``interval_ns``: between the rows that are left; the scenario's own, or doubled until a very long run fits.
    """

    interval_ns: int
    replicas: int
    rows: tuple[TelemetryRow, ...]

    def to_json(self) -> dict[str, Json]:
        """``interval_s``, ``replicas``, ``t_s`` (T numbers) and ``series``: name -> unit, per_replica, values.

        ``values`` has T entries; with ``per_replica`` each is a list of one number per replica.
        """
        series: dict[str, Json] = {
            name: {"unit": unit, "per_replica": per_replica, "values": [_plain(read(row)) for row in self.rows]}
            for name, unit, per_replica, read in _SERIES
        }
        return {
            "interval_s": self.interval_ns / NS_PER_S,
            "replicas": self.replicas,
            "t_s": [row.t_ns / NS_PER_S for row in self.rows],
            "series": series,
        }


def _plain(value: Json) -> Json:
    return list(value) if isinstance(value, tuple) else value
