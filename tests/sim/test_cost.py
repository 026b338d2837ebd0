from __future__ import annotations

import pytest

from sim.cost import IterationCost, Profile, load_profile, profile_names
from sim.errors import ScenarioError
from sim.hardware import find_gpu
from sim.models import model_names
from sim.scenario import load_scenario


def cost_of(profile, decode=0, prefill=0):
    return IterationCost(profile, decode_attention_ns_per_token=decode, prefill_attention_ps_per_pair=prefill)


@pytest.fixture
def a10():
    return load_profile("a10-llama3-8b")


def test_measured_rows_are_returned_as_measured(a10):
    cost = cost_of(a10)
    assert all(cost.linear_ns(n) == t for n, t in zip(a10.num_tokens, a10.linear_ns, strict=True))
    # The published medians: 0.9515 ms and 28.754 ms a layer (two residual additions), 32 layers.
    assert (cost.linear_ns(1), cost.linear_ns(4096)) == (30_448_000, 920_144_000)


def test_between_rows_it_interpolates_linearly():
    cost = cost_of(Profile("p", "g", "m", "s", (1, 5, 6), (100, 300, 250)))
    assert [cost.linear_ns(n) for n in range(1, 7)] == [100, 150, 200, 250, 300, 250]


def test_past_the_last_row_it_grows_in_proportion(a10):
    cost = cost_of(a10)
    assert cost.linear_ns(8192) == 2 * cost.linear_ns(4096)
    assert cost.linear_ns(4097) == 920_144_000 * 4097 // 4096


def test_an_iteration_adds_both_attention_terms(a10):
    cost = cost_of(a10, decode=380, prefill=13576)
    # 3 decodes over 1,000 KV tokens and a chunk of 61 tokens after 100 cached ones: 61 * (200 + 61) half pairs.
    half_pairs = 61 * 261
    expected = cost.linear_ns(64) + 380 * 1000 + 13576 * half_pairs // 2000
    assert cost.iteration_ns(4, 1000, 1, 60, half_pairs) == expected


def test_the_prefill_coefficient_is_the_a100s_scaled_by_peak_rate():
    a100_ns_per_pair = 5.439
    scale = find_gpu("A100-80GB").dense_bf16_tflops / find_gpu("A10").dense_bf16_tflops
    spec = load_scenario("paper-routing").cost
    assert spec.prefill_attention_ps_per_pair == round(a100_ns_per_pair * scale * 1000)


@pytest.mark.parametrize(
    ("tokens", "times"),
    [((), ()), ((2, 3), (1, 1)), ((1, 1), (1, 1)), ((1, 2), (1, 0))],
    ids=["empty", "no row for one token", "not rising", "time of zero"],
)
def test_a_profile_that_makes_no_sense_is_refused(tokens, times):
    with pytest.raises(ScenarioError):
        Profile("odd", "g", "m", "s", tokens, times)


def test_an_unknown_profile_names_the_nearest():
    with pytest.raises(ScenarioError, match="a10-llama3-8b"):
        load_profile("a10-llama3")
    assert "a10-llama3-8b" in profile_names()


FULL = Profile(
    "full",
    "g",
    "m",
    "s",
    (1, 1000),
    (1_000, 1_000_000),
    decodes_ns=7,
    each_decode_ns=20,
    decode_attention_ps_per_token=1_500,
    prefills_ns=11,
    prefill_ps_per_token=2_500,
    prefill_attention_ps_per_pair=4_000,
)


def test_a_profile_may_carry_every_term():
    cost = IterationCost(FULL)
    # 3 decodes: 1.5 ns * 3 rounds to a step of 5 ns (half up) for 3 KV tokens, so 10 of them take 5 * 10 // 3 = 16 ns.
    assert cost.decodes_ns(3, 10) == (3_000 + 7 + 3 * 20 + 16, 5)
    # A chunk of 5 tokens after 2: 5 * 2 + 5 * 5 / 2 = 22.5 pairs, 45 half pairs.
    assert cost.iteration_ns(0, 0, 1, 5, 45) == 5_000 + 11 + 12 + 90
    assert cost.iteration_ns(3, 10, 1, 5, 45) == 8_000 + (7 + 60 + 16) + (11 + 12 + 90)


def test_a_scenarios_constants_take_the_place_of_the_profiles():
    cost = IterationCost(FULL, decode_attention_ns_per_token=2, prefill_attention_ps_per_pair=0)
    assert cost.decodes_ns(3, 10) == (3_000 + 7 + 60 + 20, 6)
    assert cost.iteration_ns(0, 0, 1, 5, 45) == 5_000 + 11 + 12


def test_a_profile_without_attention_constants_needs_them_stated(a10):
    assert not a10.has_attention
    with pytest.raises(ScenarioError, match="'a10-llama3-8b' has no attention constants of its own; state both"):
        IterationCost(a10, decode_attention_ns_per_token=380)


def test_a_slower_replica_takes_every_term_longer():
    slow = IterationCost(FULL).scaled(200)
    assert slow.decodes_ns(3, 10) == (6_000 + 14 + 3 * 40 + 30, 9)
    assert slow.iteration_ns(0, 0, 1, 5, 45) == 10_000 + 22 + 25 + 180
    assert slow.linear_ns(2_000) == 2 * cost_of(FULL).linear_ns(2_000)


@pytest.mark.parametrize(
    ("name", "batch", "ms"),
    [
        # Batches and times that Vidur recorded or that vidur's fits give.
        ("a100-llama3-8b-vidur", (0, 0, 1, 395, 395**2), 39.9),
        ("a100-llama3-8b-vidur", (14, 9856, 0, 0, 0), 11.8),
        ("a100-llama3-8b-vidur", (1, 396, 1, 511, 511**2), 43.2),
        ("a100-llama2-7b-vidur", (0, 0, 1, 395, 395**2), 43.3),
        ("a40-llama2-7b-vidur", (0, 0, 1, 395, 395**2), 88.0),
    ],
)
def test_profiles_follow_vidurs_recorded_iterations(name, batch, ms):
    cost = IterationCost(load_profile(name))
    assert cost.iteration_ns(*batch) / 1e6 == pytest.approx(ms, rel=0.1)


def test_every_profile_that_ships_says_where_it_is_from():
    for name in profile_names():
        profile = load_profile(name)
        assert "vidur" in profile.source
        assert find_gpu(profile.gpu).name == profile.gpu
        assert profile.model in model_names()


def test_rows_past_the_table_are_interpolated_alike():
    cost = cost_of(Profile("p", "g", "m", "s", (1, 4_096, 8_192, 9_001), (100, 4_000, 9_000, 20_001)))
    assert [cost.linear_ns(n) for n in (4_096, 6_144, 8_192, 8_193, 9_001)] == [4_000, 6_500, 9_000, 9_013, 20_001]
    assert cost.linear_ns(18_002) == 40_002
