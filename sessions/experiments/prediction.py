"""Whether what was measured is what was predicted."""

from __future__ import annotations

import contextlib
from typing import Literal

from sessions import events as ev
from sessions.errors import UnknownName
from sessions.experiments.statistics import compare
from sessions.figures import FIGURES, by_seed, figure, known_figures

PredictionOutcome = Literal["confirmed", "refuted", "undecided"]


def compare_arms(metric: str, baseline: ev.Arm, candidate: ev.Arm) -> ev.Comparison:
    """The paired comparison of two arms on one figure. Never *better* for a candidate that finished fewer requests:
    what is rejected is missing from the means."""
    kind = FIGURES[metric]
    higher = kind.better == "higher"
    seeds = by_seed(baseline, metric), by_seed(candidate, metric)
    found = compare(metric, kind.stored_unit, *seeds, higher_is_better=higher)
    why = finished_fewer(baseline, candidate)
    if found.verdict != "better" or not why:
        return found
    return found.model_copy(update={"verdict": "no difference shown", "method": f"{found.method}; {why}"})


def finished_fewer(baseline: ev.Arm, candidate: ev.Arm) -> str:
    """Says so if ``candidate`` finished fewer requests than ``baseline`` on the same seeds; else nothing."""
    lost = []
    for arm in (candidate, baseline):
        try:
            rows = [figure(row, "requests.arrived") - figure(row, "requests.finished") for row in arm.per_seed]
        except UnknownName:
            return ""
        lost.append(sum(rows) / len(rows))
    if lost[0] <= lost[1]:
        return ""
    return f"finished fewer requests: {lost[0]:.1f} rejected a seed against {lost[1]:.1f}"


def compared(baseline: ev.Arm, candidate: ev.Arm) -> dict[str, ev.Comparison]:
    """Both arms on every figure that all their seeds have (a run without second tokens has no TPOT)."""
    found = {}
    for metric in FIGURES:
        with contextlib.suppress(UnknownName):
            found[metric] = compare_arms(metric, baseline, candidate)
    return found


def judge(prediction: ev.Prediction, candidate: ev.Arm, baseline: ev.Arm | None) -> PredictionOutcome:
    """*Confirmed* if the measured value lies in the predicted range; *refuted* if the range and the 95% interval
    of what was measured have nothing in common; *undecided* between the two.

    An absolute prediction is judged on the pooled value alone (it has no second arm to be paired with).
    """
    if prediction.kind == "relative" and baseline is None:
        return "undecided"
    if prediction.kind == "absolute" or baseline is None:
        value = known_figures(candidate.metrics).get(prediction.metric)
        if value is None:
            return "undecided"
        return "confirmed" if prediction.low <= value <= prediction.high else "refuted"
    comparison = compare_arms(prediction.metric, baseline, candidate)
    if comparison.baseline == 0:
        return "undecided"
    if prediction.low <= 100 * comparison.relative <= prediction.high:
        return "confirmed"
    low, high = (100 * bound / comparison.baseline for bound in comparison.ci95)
    return "refuted" if high < prediction.low or low > prediction.high else "undecided"
