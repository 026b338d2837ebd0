"""Laws of lengths, and the recorded lengths that ship against the published statistics of their sources."""

from __future__ import annotations

import numpy as np
import pytest

from sim.errors import ScenarioError
from sim.workload.lengths import draw_lengths
from sim.workload.recorded import load_counts, load_pairs, pair_names
from sim.workload.spec import LogNormalLengths, PairLengths, QuantileLengths

MEANS = {
    "azure-conv": (1154.7, 211.1),
    "azure-code": (2047.8, 27.9),
    "mooncake-conversation-lengths": (12_035.1, 342.6),
}


@pytest.mark.parametrize("name", MEANS)
def test_a_sample_has_the_means_of_its_source(name):
    assert load_pairs(name).mean(axis=0) == pytest.approx(MEANS[name], rel=0.03)


@pytest.mark.parametrize("name", pair_names())
def test_drawn_pairs_are_recorded_ones(name):
    prompts, outputs = draw_lengths(PairLengths(name), 500, 1)
    assert set(zip(prompts.tolist(), outputs.tolist(), strict=True)) <= {tuple(p) for p in load_pairs(name).tolist()}


def test_quantiles_are_those_stated_and_linear_in_between():
    rows = ((0.0, 10), (0.5, 100), (1.0, 1000))
    prompts, outputs = draw_lengths(QuantileLengths(rows, ((0.0, 7), (1.0, 7))), 50_000, 1)
    assert np.quantile(prompts, [0, 0.25, 0.5, 0.75, 1]) == pytest.approx([10, 55, 100, 550, 1000], rel=0.03)
    assert set(outputs.tolist()) == {7}


def test_log_normal_lengths_have_their_median_spread_and_caps():
    law = LogNormalLengths(200.0, 1.0, 50.0, 0.0, max_prompt_tokens=1000)
    prompts, outputs = draw_lengths(law, 50_000, 1)
    assert np.median(prompts) == pytest.approx(200, rel=0.03)
    assert np.log(prompts[prompts < 1000]).std() < 1
    assert prompts.max() == 1000
    assert set(outputs.tolist()) == {50}


def test_no_request_is_empty_and_no_tail_is_endless():
    prompts, outputs = draw_lengths(LogNormalLengths(1.0, 5.0, 1e6, 5.0), 20_000, 1)
    assert (prompts.min(), outputs.max()) == (1, 10_000_000)


def test_unknown_names_name_the_nearest():
    with pytest.raises(ScenarioError, match="did you mean 'azure-conv'"):
        load_pairs("azure-con")
    with pytest.raises(ScenarioError, match="did you mean 'azure-code'"):
        load_counts("azure-kode")
