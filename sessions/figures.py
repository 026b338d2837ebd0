"""Figures of a run by name, and what the recorded telemetry says about where the time goes.

A *figure* is a number with a dotted name (``e2e_s.p99``, ``preempted_share``). Predictions, questions of the
engineer, the Supervisor's rules and the tables on the screen all name figures the same way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from sessions import events as ev
from sessions.errors import UndefinedFigure, UnknownName


@dataclass(frozen=True, slots=True)
class FigureKind:
    """``better``: which direction is an improvement; ``scale`` turns the stored value into ``unit``."""

    name: str
    title: str
    unit: str
    better: str = "lower"
    scale: float = 1.0

    @property
    def stored_unit(self) -> str:
        """The unit of the value as it is stored, before ``scale``."""
        return {"ms": "s", "%": "share"}.get(self.unit, self.unit) if self.scale != 1.0 else self.unit


FIGURES: dict[str, FigureKind] = {
    kind.name: kind
    for kind in (
        FigureKind("e2e_s.mean", "mean completion time", "s"),
        FigureKind("e2e_s.p50", "median completion time", "s"),
        FigureKind("e2e_s.p90", "P90 completion time", "s"),
        FigureKind("e2e_s.p99", "P99 completion time", "s"),
        FigureKind("e2e_s.max", "maximum completion time", "s"),
        FigureKind("ttft_s.mean", "mean time to first token", "s"),
        FigureKind("ttft_s.p50", "median time to first token", "s"),
        FigureKind("ttft_s.p90", "P90 time to first token", "s"),
        FigureKind("ttft_s.p99", "P99 time to first token", "s"),
        FigureKind("ttft_s.max", "maximum time to first token", "s"),
        FigureKind("tpot_s.mean", "mean time per output token", "ms", scale=1000.0),
        FigureKind("tpot_s.p50", "median time per output token", "ms", scale=1000.0),
        FigureKind("tpot_s.p90", "P90 time per output token", "ms", scale=1000.0),
        FigureKind("tpot_s.p99", "P99 time per output token", "ms", scale=1000.0),
        FigureKind("tpot_s.max", "maximum time per output token", "ms", scale=1000.0),
        FigureKind("preempted_share", "share of requests preempted at least once", "%", scale=100.0),
        FigureKind("kv_usage_mean", "mean KV cache usage", "%", "higher", 100.0),
        FigureKind("throughput_rps", "throughput", "requests/s", "higher"),
        FigureKind("goodput_rps", "goodput", "requests/s", "higher"),
        FigureKind("slo_attainment.all", "share of requests within their SLO", "%", "higher", 100.0),
        FigureKind("prefix_hit_rate", "share of prompt tokens found in a prefix cache", "%", "higher", 100.0),
        FigureKind("gpu_hours", "GPU-hours", "h"),
        FigureKind("cost_usd", "cost", "USD"),
        FigureKind("usd_per_1k_good", "cost of a thousand requests within their SLO", "USD"),
        FigureKind("slo_attainment.all", "share of requests within their SLO", "%", "higher", 100.0),
        FigureKind("prefix_hit_rate", "prefix cache hit rate", "%", "higher", 100.0),
        FigureKind("gpu_hours", "GPU-hours", "h"),
        FigureKind("cost_usd", "cost", "USD"),
        FigureKind("usd_per_1k_good", "cost per 1,000 requests within their SLO", "USD"),
    )
}


def figure(metrics: Mapping[str, JsonValue], name: str) -> float:
    """The figure ``name`` of one run or of pooled runs, in its stored unit (seconds, shares).

    Raises :class:`UndefinedFigure` if the metrics lack it (TPOT where no request has a second token) and
    :class:`UnknownName`, with the nearest known one, for a name that is no figure.
    """
    if name == "preempted_share":
        return figure(metrics, "requests_preempted") / max(figure(metrics, "requests.arrived"), 1.0)
    value: JsonValue = dict(metrics)
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UndefinedFigure(name) if name in FIGURES else UnknownName("figure", name, FIGURES)
    return float(value)


def known_figures(metrics: Mapping[str, JsonValue]) -> dict[str, float]:
    """Every figure of :data:`FIGURES` that the metrics have."""
    found: dict[str, float] = {}
    for name in FIGURES:
        with contextlib.suppress(UnknownName):
            found[name] = figure(metrics, name)
    return found


def by_seed(arm: ev.Arm, name: str) -> dict[int, float]:
    """The figure ``name`` of each seed of an arm."""
    return {int(figure(row, "seed")): figure(row, name) for row in arm.per_seed}


def shown(metrics: Mapping[str, JsonValue], name: str) -> str:
    """The figure ``name`` for people, ``n/a`` where it is undefined."""
    try:
        return show(name, figure(metrics, name))
    except UndefinedFigure:
        return "n/a"


def show(name: str, value: float) -> str:
    """``value`` of a figure for people, with its unit: 24.1 s, 0.87 s, 36.4 ms, 13.7%."""
    kind = FIGURES.get(name, FigureKind(name, name, ""))
    scaled = value * kind.scale
    if kind.unit == "%":
        return f"{scaled:.1f}%"
    digits = 1 if abs(scaled) >= 10 else 2
    return f"{scaled:.{digits}f} {kind.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Where one run's time went, from its telemetry and metrics. Shares are 0..1.

    ``wait_share``: mean time to first token over mean completion time. ``kv_full_share``: share of (sample,
    replica) pairs with at least 95% of the KV blocks in use. ``idle_share``: share of pairs in which a replica
    runs nothing while requests wait elsewhere. ``running_spread``: mean over samples of (most - fewest running)
    over the mean running, an imbalance. ``held_mean``, ``waiting_mean``, ``running_mean``: requests in the cluster.
    """

    preempted_share: float
    wait_share: float
    kv_usage_mean: float
    kv_full_share: float
    idle_share: float
    running_spread: float
    held_mean: float
    waiting_mean: float
    running_mean: float

    def to_json(self) -> dict[str, JsonValue]:
        return {name: round(float(getattr(self, name)), 4) for name in self.__slots__}


def diagnose(metrics: Mapping[str, JsonValue], telemetry: Mapping[str, JsonValue]) -> Diagnosis:
    """Reads one run's telemetry (see ``sim.telemetry``) while requests keep arriving.

    The drain after the last arrival is left out where it can be told: samples count up to the one in which 98% of
    all requests that finish have finished.
    """
    finished = _series(telemetry, "cluster:finished_requests")
    upto = max(int(np.searchsorted(finished, 0.98 * finished[-1])), 1) if finished.size else 0
    waiting = _series(telemetry, "vllm:num_requests_waiting")[:upto]
    running = _series(telemetry, "vllm:num_requests_running")[:upto]
    kv = _series(telemetry, "vllm:kv_cache_usage_perc")[:upto]
    held = _series(telemetry, "router:held_requests")[:upto]
    work_elsewhere = (waiting.sum(axis=1) + held > 0)[:, None]
    mean_running = np.maximum(running.mean(axis=1), 1e-9)
    spread = (running.max(axis=1) - running.min(axis=1)) / mean_running
    return Diagnosis(
        preempted_share=figure(metrics, "preempted_share"),
        wait_share=figure(metrics, "ttft_s.mean") / max(figure(metrics, "e2e_s.mean"), 1e-9),
        kv_usage_mean=float(kv.mean()),
        kv_full_share=float((kv >= 0.95).mean()),
        idle_share=float(((running == 0) & work_elsewhere).mean()),
        running_spread=float(spread.mean()),
        held_mean=float(held.mean()),
        waiting_mean=float(waiting.sum(axis=1).mean()),
        running_mean=float(running.sum(axis=1).mean()),
    )


def _series(telemetry: Mapping[str, JsonValue], name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    series = telemetry["series"]
    assert isinstance(series, dict)
    entry = series[name]
    assert isinstance(entry, dict)
    values = entry["values"]
    assert isinstance(values, list)
    return np.asarray(values, dtype=np.float64)
