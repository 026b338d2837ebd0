"""A prediction is judged by what was measured and its interval, on the figure it named."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from sessions import events as ev
from sessions.experiments.prediction import judge


def arm(name: str, means: list[float], preempted: float = 0.1) -> ev.Arm:
    rows: list[dict[str, JsonValue]] = [
        {"seed": seed, "e2e_s": {"mean": mean}, "requests": {"arrived": 100}, "requests_preempted": 100 * preempted}
        for seed, mean in enumerate(means, start=1)
    ]
    metrics: dict[str, JsonValue] = {
        "e2e_s": {"mean": sum(means) / len(means)},
        "requests": {"arrived": 100},
        "requests_preempted": 100 * preempted,
    }
    return ev.Arm(design=name, digest="0", metrics=metrics, per_seed=rows)


def relative(low: float, high: float) -> ev.Prediction:
    return ev.Prediction(metric="e2e_s.mean", kind="relative", low=low, high=high, refuted_if="not")


BASELINE = arm("llq", [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0])
HALVED = arm("a", [0.5 * v + (0.1 if v % 20 else -0.1) for v in range(10, 101, 10)])


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [(-60, -40, "confirmed"), (-100, 0, "confirmed"), (-5, 0, "refuted"), (10, 50, "refuted"), (-45, -40, "undecided")],
)
def test_a_relative_prediction(low: float, high: float, outcome: str) -> None:
    assert judge(relative(low, high), HALVED, BASELINE) == outcome


def test_an_absolute_prediction_is_about_the_candidate_alone() -> None:
    wanted = ev.Prediction(metric="preempted_share", kind="absolute", low=0.05, high=1.0, refuted_if="fewer")
    assert judge(wanted, arm("llq", [10.0, 11.0], preempted=0.2), None) == "confirmed"
    assert judge(wanted, arm("llq", [10.0, 11.0], preempted=0.01), None) == "refuted"


def test_a_relative_prediction_on_a_figure_that_is_zero_is_undecided() -> None:
    wanted = ev.Prediction(metric="preempted_share", kind="relative", low=-50, high=0, refuted_if="not")
    flat = arm("llq", [10.0, 11.0], preempted=0.0)
    assert judge(wanted, flat, flat) == "undecided"
