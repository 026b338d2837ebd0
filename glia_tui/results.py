"""A finished experiment as a small table: prediction beside outcome, means with their interval, verdict in words."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from glia_tui import wording
from glia_tui.lines import Role, Row, Span, one_line, pad, row
from sessions import events as ev

_LABEL, _BASELINE, _CANDIDATE = 12, 11, 16
_SHOWN = ("e2e_s.p50", "e2e_s.p99", "ttft_s.mean", "preempted_share")
_PREDICTIONS: dict[str, tuple[str, Role]] = {
    "confirmed": ("✓ confirmed", "good"),
    "refuted": ("✕ refuted", "bad"),
    "undecided": ("≈ undecided", "warn"),
}


def experiment_rows(result: ev.ExperimentFinished, proposal: ev.ExperimentProposed) -> list[Row]:
    """The table of an experiment, or the sentence that says how it failed."""
    name = result.experiment
    if result.outcome != "ok":
        return [_headline(name, f"failed: {result.outcome}", "bad", result.wall_s), _message(result.message)]
    comparison = result.comparison
    if comparison is None or result.candidate is None or result.baseline is None:
        arm = result.candidate or result.baseline
        head = _headline(name, "measured", "strong", result.wall_s)
        return [head, *(_single(arm, proposal.prediction.metric) if arm else [])]
    verdict = wording.VERDICT_ROLES[comparison.verdict]
    rows = [_headline(name, _verdict(comparison, result.baseline.design), verdict, result.wall_s)]
    rows += _comparison(comparison, result.candidate, result.baseline)
    rows += _prediction(result, proposal.prediction)
    return rows


def held_out_rows(held_out: ev.HeldOutFinished, design: str) -> list[Row]:
    """The table of a held-out evaluation before an acceptance."""
    comparison, candidate, baseline = held_out.comparison, held_out.candidate, held_out.baseline
    if comparison is None or candidate is None or baseline is None:
        head = row(("held out  ", "strong"), (f"{design} {held_out.outcome}", "bad" if not held_out.passed else "good"))
        return [head, _message(held_out.message)]
    words, role = _verdict(comparison, baseline.design), wording.VERDICT_ROLES[comparison.verdict]
    head = row(("held out  ", "strong"), (words, role), ("  on seeds nobody had seen", "muted"), hang=10)
    rows = [head, *_comparison(comparison, candidate, baseline)]
    if held_out.message and not held_out.passed:
        rows.append(_message(held_out.message))
    return rows


def _verdict(comparison: ev.Comparison, baseline: str) -> str:
    words = {"better": "better than", "worse": "worse than", "no difference shown": "no difference shown from"}
    return f"{words[comparison.verdict]} {baseline}"


def _headline(name: str, words: str, role: Role, wall_s: float) -> Row:
    return row(
        (f"{name}  ", "strong"), (words, role), (f"  ran {wording.duration(wall_s)}", "muted"), hang=len(name) + 2
    )


def _message(text: str) -> Row:
    return row((one_line(text) or "No message.", "text"))


def _comparison(comparison: ev.Comparison, candidate: ev.Arm, baseline: ev.Arm) -> list[Row]:
    header = pad("", _LABEL) + pad(baseline.design, _BASELINE - 1) + " " + pad(candidate.design, _CANDIDATE)
    metric = comparison.metric
    own = wording.with_interval(candidate.metrics, metric, comparison.candidate)
    rows = [
        row((header, "muted")),
        _figures(
            wording.metric_title(metric), wording.amount(metric, comparison.baseline), own,
            wording.percent(comparison.relative), wording.VERDICT_ROLES[comparison.verdict],
        ),
    ]  # fmt: skip
    rows += [
        shown for name in _SHOWN if name != metric and (shown := _compared(name, baseline.metrics, candidate.metrics))
    ]
    low, high = comparison.ci95
    unit = comparison.unit
    rows.append(
        row(
            (pad("difference", _LABEL), "muted"),
            f"{wording.signed(comparison.difference)} {unit}",
            (f"  (95%: {wording.signed(low)} to {wording.signed(high)}, {comparison.seeds} seeds)", "muted"),
            hang=_LABEL,
        )
    )
    return rows


def _compared(name: str, baseline: Mapping[str, JsonValue], candidate: Mapping[str, JsonValue]) -> Row | None:
    before, after = wording.measured(baseline, name), wording.measured(candidate, name)
    if before is None or after is None:
        return None
    change = wording.percent(after / before - 1) if before else ""
    return _figures(
        wording.metric_title(name), wording.amount(name, before), wording.amount(name, after), change, "muted"
    )


def _figures(label: str, baseline: str, candidate: str, change: str, role: Role) -> Row:
    return Row(
        (
            Span(pad(label, _LABEL), "muted"),
            Span(pad(baseline, _BASELINE)),
            Span(pad(candidate, _CANDIDATE), "strong"),
            Span(change, role),
        )
    )


def _single(arm: ev.Arm, metric: str) -> list[Row]:
    rows = [row((pad("", _LABEL) + arm.design, "muted"))]
    for name in dict.fromkeys((metric, "e2e_s.mean", *_SHOWN)):
        value = wording.measured(arm.metrics, name)
        if value is not None:
            text = wording.with_interval(arm.metrics, name, value)
            rows.append(row((pad(wording.metric_title(name), _LABEL), "muted"), text))
    return rows


def _prediction(result: ev.ExperimentFinished, prediction: ev.Prediction) -> list[Row]:
    outcome, role = _PREDICTIONS[result.prediction]
    metric = prediction.metric
    assert result.candidate is not None
    assert result.baseline is not None
    after = wording.measured(result.candidate.metrics, metric)
    before = wording.measured(result.baseline.metrics, metric)
    seen = "not measured"
    is_objective = result.comparison is not None and result.comparison.metric == metric
    if after is not None and prediction.kind == "absolute":
        seen = wording.amount(metric, after)
    elif after is not None and before:
        seen = wording.percent(after / before - 1)
    return [
        row(
            (pad("predicted", _LABEL), "muted"),
            "" if is_objective else f"{wording.metric_title(metric)} ",
            f"{wording.predicted(prediction)}, measured {seen}  ",
            (outcome, role),
            hang=_LABEL,
        )
    ]
