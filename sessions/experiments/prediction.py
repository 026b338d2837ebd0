"""Whether what was measured is what was predicted."""

from __future__ import annotations

from typing import Literal

from sessions import events as ev
from sessions.experiments.statistics import compare
from sessions.figures import FIGURES, by_seed, figure

PredictionOutcome = Literal["confirmed", "refuted", "undecided"]

COMPARED = ("e2e_s.mean", "e2e_s.p50", "e2e_s.p99", "e2e_s.max", "ttft_s.mean", "preempted_share")
"""The figures on which every experiment compares its two arms."""


def compare_arms(metric: str, baseline: ev.Arm, candidate: ev.Arm) -> ev.Comparison:
    """The paired comparison of two arms on one figure."""
    return compare(metric, FIGURES[metric].unit, by_seed(baseline, metric), by_seed(candidate, metric))


def judge(prediction: ev.Prediction, candidate: ev.Arm, baseline: ev.Arm | None) -> PredictionOutcome:
    """*Confirmed* if the measured value lies in the predicted range; *refuted* if the range and the 95% interval
    of what was measured have nothing in common; *undecided* between the two.

    An absolute prediction is judged on the pooled value alone (it has no second arm to be paired with).
    """
    if prediction.kind == "absolute" or baseline is None:
        value = figure(candidate.metrics, prediction.metric)
        return "confirmed" if prediction.low <= value <= prediction.high else "refuted"
    comparison = compare_arms(prediction.metric, baseline, candidate)
    if comparison.baseline == 0:
        return "undecided"
    if prediction.low <= 100 * comparison.relative <= prediction.high:
        return "confirmed"
    low, high = (100 * bound / comparison.baseline for bound in comparison.ci95)
    return "refuted" if high < prediction.low or low > prediction.high else "undecided"
