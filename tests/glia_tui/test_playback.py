"""Recorded telemetry, how it is played and how it is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glia_tui.playback import WATCH_S, BadRecording, Player, Recording
from glia_tui.raster import Curve, column_ranges, nice_ceiling, rasterise
from tests.glia_tui.scripted_session import telemetry_of


def test_the_default_speed_shows_a_run_in_about_twenty_seconds() -> None:
    player = Player(1000.0)
    for _ in range(int(WATCH_S * 10) - 1):
        player.advance(0.1)
    assert player.playing
    player.advance(0.2)
    assert player.at_end
    assert not player.playing


def test_speed_doubles_and_halves_within_bounds() -> None:
    player = Player(1000.0)
    assert player.speed == 50.0
    player.faster()
    assert player.speed == 100.0
    for _ in range(20):
        player.slower()
    assert player.speed == 6.25


def test_pause_stops_time_and_the_end_can_be_replayed() -> None:
    player = Player(100.0)
    player.toggle()
    player.advance(5.0)
    assert player.position_s == 0.0
    player.skip()
    assert player.at_end
    player.toggle()
    assert (player.position_s, player.playing) == (0.0, True)


@given(st.lists(st.floats(-1, 1), max_size=20))
def test_seeking_never_leaves_the_run(shares: list[float]) -> None:
    player = Player(10.0)
    for share in shares:
        player.seek(share)
        assert 0.0 <= player.position_s <= 10.0


def test_a_recording_adds_held_requests_to_waiting_ones() -> None:
    telemetry = telemetry_of(24.0, samples=50)
    recording = Recording.from_json(telemetry)
    assert recording.kv_usage.shape == (50, 4)
    assert np.isnan(recording.mean_completion_s[:4]).all()
    series = telemetry["series"]
    assert isinstance(series, dict)
    waiting, held = series["vllm:num_requests_waiting"], series["router:held_requests"]
    assert isinstance(waiting, dict)
    assert isinstance(held, dict)
    expected = np.array(waiting["values"]).sum(axis=1) + np.array(held["values"])
    assert (recording.waiting == expected).all()


def test_tokens_per_second_are_those_of_the_last_ten_seconds() -> None:
    recording = Recording.from_json(telemetry_of(24.0, samples=100))
    assert recording.tokens_per_s(90.0) == pytest.approx(4 * 0 + 8600 / 1.8)
    assert recording.tokens_per_s(0.0) == 0.0


@pytest.mark.parametrize("name", ["vllm:kv_cache_usage_perc", "cluster:mean_completion_s"])
def test_a_recording_that_lacks_a_series_names_it(name: str) -> None:
    telemetry = telemetry_of(24.0, samples=5)
    series = telemetry["series"]
    assert isinstance(series, dict)
    del series[name]
    with pytest.raises(BadRecording, match=name):
        Recording.from_json(telemetry)


def test_an_empty_recording_is_refused() -> None:
    with pytest.raises(BadRecording, match="no samples"):
        Recording.from_json({"t_s": [], "series": {}})


@given(
    st.integers(2, 400), st.integers(1, 60), st.integers(0, 10_000),
)  # fmt: skip
def test_no_sample_is_lost_however_many_share_a_column(samples: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.sort(rng.random(samples)) * 100
    y = rng.random(samples)
    low, high = column_ranges(x, y, 100.0, columns)
    column = np.minimum((x / 100.0 * columns).astype(int), columns - 1)
    assert (low[column] <= y + 1e-12).all()
    assert (high[column] >= y - 1e-12).all()


def test_a_spike_of_one_sample_reaches_the_top_of_the_chart() -> None:
    x = np.arange(600.0)
    y = np.zeros(600)
    y[311] = 1.0
    for symbols in ("braille", "block", "ascii"):
        raster = rasterise([Curve("c", "candidate", x, y)], 599.0, 1.0, 50, 6, symbols)
        assert raster.rows[0].strip(), symbols
        assert 0 in raster.owners[0]


def test_joined_curves_leave_no_gap_between_columns() -> None:
    x = np.linspace(0, 100, 5)
    curve = Curve("c", "candidate", x, np.array([0.0, 1.0, 0.0, 1.0, 0.0]))
    raster = rasterise([curve], 100.0, 1.0, 40, 5)
    assert all((raster.owners[:, column] == 0).any() for column in range(40))


def test_a_gap_in_the_data_before_the_first_value_stays_empty() -> None:
    x = np.arange(100.0)
    y = np.where(x < 50, np.nan, 1.0)
    raster = rasterise([Curve("c", "candidate", x, y)], 99.0, 2.0, 20, 4)
    assert (raster.owners[:, :9] == -1).all()
    assert (raster.owners[:, 12] == 0).any()


def test_the_front_curve_owns_the_cell() -> None:
    x = np.arange(10.0)
    back = Curve("b", "baseline", x, np.ones(10))
    front = Curve("c", "candidate", x, np.ones(10))
    raster = rasterise([back, front], 9.0, 1.0, 10, 3)
    assert set(raster.owners[0].tolist()) == {1}


def test_ascii_charts_use_the_letters_of_their_curves() -> None:
    raster = rasterise([Curve("C", "candidate", np.arange(5.0), np.ones(5))], 4.0, 1.0, 8, 2, "ascii")
    assert raster.rows == ["CCCCCCCC", "        "]


@pytest.mark.parametrize(("value", "top"), [(0, 1), (0.9, 1), (54.6, 60), (1100, 1200), (100, 100), (81, 100)])
def test_axes_end_on_a_round_number(value: float, top: float) -> None:
    assert nice_ceiling(value) == pytest.approx(top)
