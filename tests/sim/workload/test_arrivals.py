"""Laws of arrivals: their rates, how irregular they are, where the rate goes, and that a seed settles everything."""

from __future__ import annotations

import numpy as np
import pytest

from sim.errors import SimError
from sim.scenario import load_scenario
from sim.workload import arrivals, build_workload
from sim.workload.arrivals import draw_arrivals, expected_requests
from sim.workload.recorded import count_names, load_counts
from sim.workload.spec import (
    DiurnalShape,
    GammaArrivals,
    LogNormalArrivals,
    MmppArrivals,
    PoissonArrivals,
    ProfileShape,
    RampShape,
    ReplayArrivals,
    StepsShape,
)

POISSON = PoissonArrivals(50.0, 1000.0)
LAWS = [
    POISSON,
    GammaArrivals(50.0, 1000.0, 3.0),
    LogNormalArrivals(50.0, 1000.0, 1.0),
    MmppArrivals(50.0, 1000.0, 5.0, 2.0, 6.0),
]
SHAPES = [
    DiurnalShape(100.0, 3.0, 25.0),
    ProfileShape(50.0, (1.0, 0.0, 2.0)),
    RampShape(2.0),
    StepsShape(((5.0, 2.0),)),
]


def per_second(arrivals, duration_s):
    return np.bincount(arrivals // 10**9, minlength=duration_s)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_every_law_keeps_its_mean_rate_order_and_end(law):
    arrivals = draw_arrivals(law, None, 1)
    assert arrivals.dtype == np.int64
    assert np.all(np.diff(arrivals) >= 0)
    assert arrivals[0] >= 0
    assert arrivals[-1] < 1000 * 10**9
    assert len(arrivals) == pytest.approx(50_000, rel=0.08)


@pytest.mark.parametrize("law", [*LAWS, ReplayArrivals("azure-code", 500.0)], ids=lambda law: type(law).__name__)
def test_a_seed_settles_the_arrivals_and_another_one_changes_them(law):
    one, again, other = (draw_arrivals(law, None, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("cv", "law"), [(1.0, POISSON), (0.5, None), (3.0, None)])
def test_gaps_are_as_irregular_as_asked_for(cv, law):
    arrivals = draw_arrivals(law or GammaArrivals(50.0, 1000.0, cv), None, 3)
    gaps = np.diff(arrivals)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.05)


def test_log_normal_gaps_have_the_stated_logarithm():
    gaps = np.diff(draw_arrivals(LogNormalArrivals(50.0, 1000.0, 1.5), None, 1)) / 1e9
    assert np.log(gaps[gaps > 0]).std() == pytest.approx(1.5, rel=0.02)


def test_bursts_are_that_much_faster_than_calms_and_the_mean_is_kept():
    law = MmppArrivals(20.0, 20_000.0, 10.0, 20.0, 80.0)
    counts = per_second(draw_arrivals(law, None, 1), 20_000)
    calm, burst = 20 / (0.8 + 0.2 * 10), 200 / (0.8 + 0.2 * 10)
    assert counts.mean() == pytest.approx(20, rel=0.1)
    assert np.mean(counts > (calm + burst) / 2) == pytest.approx(0.2, abs=0.05)
    assert np.median(counts[counts > 3 * calm]) == pytest.approx(burst, rel=0.1)


def test_a_diurnal_rate_peaks_where_it_should():
    counts = per_second(draw_arrivals(PoissonArrivals(100.0, 1000.0), DiurnalShape(1000.0, 4.0, 250.0), 1), 1000)
    assert counts[230:270].mean() == pytest.approx(160, rel=0.05)
    assert counts[730:770].mean() == pytest.approx(40, rel=0.1)
    assert counts.mean() == pytest.approx(100, rel=0.02)


def test_a_profile_repeats_its_weights():
    counts = per_second(draw_arrivals(PoissonArrivals(90.0, 60.0), ProfileShape(30.0, (1.0, 0.0, 2.0)), 1), 60)
    parts = counts.reshape(6, 10).mean(axis=1)
    assert parts == pytest.approx([90, 0, 180, 90, 0, 180], rel=0.15)
    assert parts[1] == 0


def test_a_ramp_ends_at_its_factor():
    counts = per_second(draw_arrivals(PoissonArrivals(100.0, 1000.0), RampShape(3.0), 1), 1000)
    assert (counts[:20].mean(), counts[-20:].mean()) == (pytest.approx(102, rel=0.1), pytest.approx(298, rel=0.1))


def test_a_step_holds_until_the_next_one():
    steps = StepsShape(((10.0, 5.0), (20.0, 0.0), (30.0, 1.0)))
    counts = per_second(draw_arrivals(PoissonArrivals(100.0, 40.0), steps, 1), 40).reshape(4, 10).mean(axis=1)
    assert counts == pytest.approx([100, 500, 0, 100], rel=0.1)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_the_expected_number_is_what_comes_on_average_under_every_shape(law, shape):
    drawn = [len(draw_arrivals(law, shape, seed)) for seed in range(5)]
    assert np.mean(drawn) == pytest.approx(expected_requests(law, shape), rel=0.1)


@pytest.mark.parametrize("trace", count_names())
def test_a_replay_has_the_recorded_arrivals_of_every_second(trace):
    counts = load_counts(trace)
    arrivals = draw_arrivals(ReplayArrivals(trace, 100.0, 1.0, 1000.0), None, 1)
    assert np.array_equal(per_second(arrivals, 100), counts[1000:1100])


def test_a_replay_goes_faster_by_its_scale_and_goes_round():
    counts = load_counts("azure-conv")
    arrivals = draw_arrivals(ReplayArrivals("azure-conv", 50.0, 2.0, len(counts) - 50.0), None, 1)
    assert len(arrivals) == counts[-50:].sum() + counts[:50].sum()
    assert np.sum(arrivals < 25 * 10**9) == counts[-50:].sum()


def test_recorded_rates_and_lengths_have_the_published_means():
    assert (load_counts("azure-conv").sum(), load_counts("azure-code").sum()) == (19_366, 8_819)


def test_gaps_whose_arrivals_outnumber_what_the_rate_says_are_refused_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(arrivals, "MOST_DRAWN", 200_000)
    heavy = LogNormalArrivals(400.0, 1000.0, 5.0)
    with pytest.raises(SimError, match=r"Seed 1 draws more than 200,000 arrivals, .* lower the rate"):
        draw_arrivals(heavy, None, 1)
    keys = {"workload.rate_rps": "400.0", "workload.duration_s": "1000.0", "workload.sigma": "5.0"}
    with pytest.raises(SimError, match="Seed 1 draws more than 200,000 arrivals"):
        build_workload(load_scenario("smoke", keys), 1)
