"""Verdicts and seeds, against figures worked out by hand."""

from __future__ import annotations

import math

import pytest

from sessions.experiments.statistics import HELD_OUT_FROM, compare, held_out_seeds, seed_plan

SEEDS = range(1, 11)


def by_seed(values: list[float]) -> dict[int, float]:
    return dict(zip(SEEDS, values, strict=False))


def test_the_interval_is_that_of_the_paired_differences() -> None:
    # differences -1 .. -10: mean -5.5, variance 82.5 / 9, t(9) = 2.262157 -> half width 2.262157 * sqrt(9.16667 / 10)
    baseline = by_seed([100.0 + 13.0 * seed for seed in SEEDS])
    candidate = {seed: value - seed for seed, value in baseline.items()}
    result = compare("e2e_s.mean", "s", baseline, candidate)
    half = 2.262157162740992 * math.sqrt(82.5 / 9 / 10)
    assert result.difference == pytest.approx(-5.5)
    assert result.ci95 == pytest.approx((-5.5 - half, -5.5 + half), rel=1e-9)
    assert result.baseline == pytest.approx(171.5)
    assert result.candidate == pytest.approx(166.0)
    assert result.relative == pytest.approx(166.0 / 171.5 - 1.0)
    assert (result.verdict, result.seeds, result.method) == ("better", 10, "paired t, 95%, 10 seeds")


def test_higher_latency_is_worse() -> None:
    assert compare("m", "s", by_seed([1.0] * 10), by_seed([2.0 + s / 100 for s in SEEDS])).verdict == "worse"


def test_an_interval_that_touches_zero_shows_no_difference() -> None:
    candidate = by_seed([1.0 + (-1.0) ** seed for seed in SEEDS])
    result = compare("m", "s", by_seed([1.0] * 10), candidate)
    assert result.verdict == "no difference shown"
    assert result.ci95[0] < 0.0 < result.ci95[1]


def test_nine_seeds_give_no_verdict_however_clear() -> None:
    nine = dict.fromkeys(range(9), 10.0)
    assert compare("m", "s", nine, dict.fromkeys(range(9), 1.0)).verdict == "no difference shown"


def test_equal_differences_have_an_interval_of_no_width() -> None:
    result = compare("m", "s", by_seed([4.0] * 10), by_seed([3.0] * 10))
    assert result.ci95 == (-1.0, -1.0)
    assert result.verdict == "better"
    same = compare("m", "s", by_seed([4.0] * 10), by_seed([4.0] * 10))
    assert (same.difference, same.verdict) == (0.0, "no difference shown")


@pytest.mark.parametrize(
    ("baseline", "candidate"),
    [({1: 1.0, 2: 1.0}, {1: 1.0, 3: 1.0}), ({1: 1.0}, {1: 1.0}), ({}, {}), ({1: 1.0, 2: math.nan}, {1: 1.0, 2: 1.0})],
)
def test_arms_that_can_not_be_paired_are_refused(baseline: dict[int, float], candidate: dict[int, float]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- any sentence; the caller's mistake, not the user's
        compare("m", "s", baseline, candidate)


def test_the_order_of_the_seeds_changes_nothing() -> None:
    baseline, candidate = by_seed([s * 1.7 for s in SEEDS]), by_seed([s * s * 0.3 for s in SEEDS])
    turned = [dict(reversed(arm.items())) for arm in (baseline, candidate)]
    assert compare("m", "s", *turned) == compare("m", "s", baseline, candidate)


def test_held_out_seeds_are_never_seen_twice() -> None:
    attempts = [held_out_seeds("7", attempt, 10) for attempt in (1, 2, 3)]
    everything = [seed for attempt in attempts for seed in attempt]
    assert len(set(everything)) == 30
    assert min(everything) >= HELD_OUT_FROM > max(seed_plan(1000))
    assert max(held_out_seeds("0", 2**20 - 1, 50)) < 2**53
    assert held_out_seeds("7", 1, 10) == attempts[0]
    assert held_out_seeds("8", 1, 10) != attempts[0]


def test_more_seeds_of_an_attempt_begin_with_the_same() -> None:
    assert held_out_seeds("7", 1, 20)[:10] == held_out_seeds("7", 1, 10)


def test_where_higher_is_better_the_verdict_turns() -> None:
    low, high = ({seed: value + 0.1 * (seed % 3) for seed in range(10)} for value in (1.0, 2.0))
    verdicts = [
        compare("throughput_rps", "", *arms, higher_is_better=True).verdict for arms in ((low, high), (high, low))
    ]
    assert verdicts == ["better", "worse"]
