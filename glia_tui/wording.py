"""Numbers, gate modes and verdicts as people read them. One place, so that every panel says them alike."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

from glia_tui.lines import Role
from sessions import events as ev
from sessions.errors import SessionError
from sessions.figures import FIGURES, FigureKind, figure
from sessions.gate import rule_for
from sessions.state import Experiment, StudyState

VERDICT_ROLES: dict[ev.Verdict, Role] = {"better": "good", "worse": "bad", "no difference shown": "warn"}
METRIC_TITLES = {
    "e2e_s.mean": "mean",
    "e2e_s.p50": "P50",
    "e2e_s.p90": "P90",
    "e2e_s.p99": "P99",
    "e2e_s.max": "maximum",
    "ttft_s.mean": "TTFT mean",
    "ttft_s.p99": "TTFT P99",
    "tpot_s.mean": "TPOT mean",
    "preempted_share": "preempted",
    "kv_usage_mean": "KV usage",
    "throughput_rps": "throughput",
    "goodput_rps": "goodput",
}


def number(value: float) -> str:
    """Three significant digits, a true minus sign, thin spaces between thousands."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    text = f"{value:,.{digits}f}".replace(",", "\u2009")
    if float(text.replace("\u2009", "") or 0) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value)


def percent(share: float) -> str:
    """A relative change (``-0.56``) as ``−56%``; one digit after the point below 10%."""
    value = share * 100
    digits = 0 if abs(value) >= 9.95 else 1
    text = f"{value:+.{digits}f}%".replace("-", "−")
    return "±0%" if float(text[1:-1]) == 0 else text


def unit_of(metric: str) -> str:
    return FIGURES.get(metric, FigureKind(metric, metric, "")).unit


def amount(metric: str, value: float) -> str:
    """``value`` of a figure, given in its stored unit, for people: ``24.1 s``, ``25%``."""
    kind = FIGURES.get(metric, FigureKind(metric, metric, ""))
    unit = {"%": "%", "": ""}.get(kind.unit, f" {kind.unit}")
    return f"{number(value * kind.scale)}{unit}"


def metric_title(metric: str) -> str:
    return METRIC_TITLES.get(metric, metric)


def measured(metrics: Mapping[str, JsonValue], metric: str) -> float | None:
    """The figure, or ``None`` where these figures lack it."""
    try:
        return figure(metrics, metric)
    except SessionError:
        return None


def half_width(metrics: Mapping[str, JsonValue], metric: str) -> float | None:
    """Half the width of the figure's 95% interval over seeds, where it was pooled."""
    group, _, key = metric.rpartition(".")
    holder = metrics.get(group) if group else metrics
    bounds = holder.get(f"{key}_ci95") if isinstance(holder, dict) else None
    if not isinstance(bounds, list) or len(bounds) != 2:
        return None
    low, high = bounds
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return None
    return (high - low) / 2


def with_interval(metrics: Mapping[str, JsonValue], metric: str, value: float) -> str:
    """``24.1 ± 0.9 s``, or without the interval where there is none."""
    half = half_width(metrics, metric)
    if half is None:
        return amount(metric, value)
    kind = FIGURES.get(metric, FigureKind(metric, metric, ""))
    unit = {"%": "%", "": ""}.get(kind.unit, f" {kind.unit}")
    value, half = value * kind.scale, half * kind.scale
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{number(value)} ± {half:.{digits}f}{unit}"


def _plain(metric: str, value: float) -> str:
    """An amount as it was stated: without zeros that nobody measured."""
    text = amount(metric, value)
    return re.sub(r"(\.\d*?)0+(?=\D|$)", r"\1", text).replace(". ", " ").replace(".%", "%").rstrip(".")


def predicted(prediction: ev.Prediction) -> str:
    """``−40% to −20%`` of a relative prediction, ``20 s to 30 s`` of an absolute one."""
    if prediction.kind == "relative":
        low, high = (percent(bound / 100).replace(".0%", "%") for bound in (prediction.low, prediction.high))
        return f"{low} to {high}"
    return f"{_plain(prediction.metric, prediction.low)} to {_plain(prediction.metric, prediction.high)}"


def duration(seconds: float) -> str:
    """Wall time: ``8 s``, ``2 min 10 s``, ``1 h 05 min``."""
    whole = max(round(seconds), 0)
    if whole < 1:
        return "under 1 s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(whole, 3600)
    return f"{hours} h {rest // 60:02d} min"


def about(seconds: float) -> str:
    """An estimate: ``about 8 s``, ``under 1 s``."""
    text = duration(seconds)
    return text if text.startswith("under") else f"about {text}"


def gate_words(state: StudyState) -> str:
    """What the gate asks for now, whatever preset or later permission it comes from."""
    asks_experiment = rule_for(state, "experiment")[0] == "ask"
    asks_acceptance = rule_for(state, "acceptance")[0] == "ask"
    if asks_experiment:
        return "asks before every experiment"
    return "asks before accepting a design" if asks_acceptance else "asks nothing"


def gate_short(state: StudyState) -> str:
    return f"{state.gate}+" if state.auto else state.gate


def back_end(started: ev.SessionStarted | None, label: str) -> str:
    """Which back end is in force, in full: the offline one says that it is no language model."""
    if started is not None and started.backend == "offline":
        return "offline researcher (rule-based, no language model)"
    return label


def best_of(state: StudyState) -> tuple[Experiment, ev.Comparison] | None:
    best = state.best
    if best is None or best.result is None or best.result.comparison is None:
        return None
    return best, best.result.comparison
