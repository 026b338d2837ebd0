from __future__ import annotations

import math

import numpy as np
import pytest

from sim.errors import ScenarioError, SimError
from sim.request import requests_of
from sim.scenario import load_scenario
from sim.workload import build_workload, load_trace
from sim.workload.build import make_workload
from sim.workload.prefixes import PrefixNames


def test_the_papers_arrivals_are_reproduced_to_the_nanosecond():
    arrivals = load_trace("sharegpt-7.5").arrival_ns
    assert len(arrivals) == 7859
    assert (arrivals[0], arrivals[-1]) == (0, round(999.799952673071 * 1e9))
    gaps = np.random.RandomState(192).lognormal(math.log(1 / 7.5) - 2, 2, size=7858)
    generated = np.concatenate([[0.0], np.cumsum(gaps)]) * 1e9
    assert np.max(np.abs(arrivals - generated)) < 1


def test_the_known_lengths_have_the_published_statistics():
    pairs = load_trace("sharegpt-7.5").pairs
    assert len(pairs) == 3973
    assert [round(float(x)) for x in pairs.mean(axis=0)] == [295, 362]
    assert [int(x) for x in np.median(pairs, axis=0)] == [76, 243]
    assert pairs.max(axis=0).tolist() == [4134, 4096]


def test_seeds_of_the_trace_differ_only_in_the_unknown_lengths():
    scenario = load_scenario("paper-routing")
    one, two = build_workload(scenario, 1), build_workload(scenario, 2)
    assert np.array_equal(one.arrival_ns, two.arrival_ns)
    assert np.array_equal(one.prompt_tokens[:3973], two.prompt_tokens[:3973])
    assert np.array_equal(one.output_tokens[:3973], load_trace("sharegpt-7.5").pairs[:, 1])
    assert not np.array_equal(one.prompt_tokens[3973:], two.prompt_tokens[3973:])
    known = {tuple(pair) for pair in load_trace("sharegpt-7.5").pairs.tolist()}
    drawn = zip(one.prompt_tokens.tolist(), one.output_tokens.tolist(), strict=True)
    assert all(pair in known for pair in drawn)


def test_the_family_draws_arrivals_and_lengths_anew_from_the_same_laws():
    scenario = load_scenario("paper-routing-family")
    seeds = [build_workload(scenario, seed) for seed in range(40)]
    assert len({work.sha256 for work in seeds}) == 40
    assert all(work.arrival_ns[0] == 0 and work.arrival_ns[-1] < 1000 * 10**9 for work in seeds)
    assert np.mean([len(work) for work in seeds]) == pytest.approx(7500, rel=0.05)
    gaps = np.concatenate([np.diff(work.arrival_ns) for work in seeds])
    logs = np.log(gaps[gaps > 0] / 1e9)
    assert np.std(logs) == pytest.approx(2, rel=0.01)
    assert np.mean(logs) == pytest.approx(-math.log(7.5) - 2, rel=0.01)


def test_caps_shorten_lengths():
    work = build_workload(load_scenario("smoke"), 1)
    assert (work.prompt_tokens.max(), work.output_tokens.max()) == (1024, 128)


@pytest.mark.parametrize(
    ("scenario", "seed", "digest"),
    [
        ("paper-routing", 1, "014e1572eb5f30dd63da5421e1e7a93d34a9f4b687d4211bb2b9a5dffcdd0fb6"),
        ("paper-routing", 2, "b67535ee421c0c8adcc627b85aa00f8d829c373e66aa42a5d8f49d976f61292d"),
        ("paper-routing-family", 1, "505812c7c84b382d44b87b32004dfef406b0a6d87f1c99f217ddbc5b92f82fa3"),
        ("smoke", 1, "b44253c263978b46577e0ae1ca07ff4fa1ba91275470fc596d5b8b1a13860067"),
        ("azure-conv", 1, "cb5be7dcd69dd1471b3a7a49fb20172ae5542551385a67c501dcd1fadad4cf6d"),
        ("bursty", 1, "35099f332f86ef6476a9248d2d982f0571dcb5cf1b23334b1ec4045f7fe1fdeb"),
        ("prefix-heavy", 1, "11a114692d25154c844a04e922064b5d6c6dd2e6c49d3c3d98f835c1a954485f"),
        ("slo-tiers", 1, "4256c83fbcaa488cced1b0b0bd74c611ed781cbfe60617480e0dfefb7a7786fa"),
    ],
)
def test_digests_are_stable(scenario, seed, digest):
    assert build_workload(load_scenario(scenario), seed).sha256 == digest


def test_optional_columns_change_the_digest_and_their_absence_does_not():
    columns = [np.array(column) for column in ([0, 5], [10, 20], [3, 4])]
    plain = make_workload(*columns)
    content = {"content": ((1, 2), (1, 3, 4, 5)), "content_block_tokens": 6}
    others = [
        make_workload(*columns, priority=np.array([0, 0])),
        make_workload(*columns, session=np.array([0, 0])),
        make_workload(*columns, ttft_slo_ns=np.array([0, 0])),
        make_workload(*columns, **content),
        make_workload(*columns, **(content | {"content": ((1, 2), (3, 4, 5, 6))})),
    ]
    assert len({work.sha256 for work in (plain, *others)}) == 6
    assert make_workload(*columns, priority=None, content=None).sha256 == plain.sha256


def test_what_policies_see_of_content_is_the_same_whatever_the_outputs_are():
    def shown(outputs, last):
        """Two conversations side by side, the last turn of the first optional."""
        names = PrefixNames(4)
        prompts = [(0, 1), (9, 8), (0, 1, 2), (7,), (0, 1, 2, 3)][: 5 if last else 4]
        tokens = [4 * len(blocks) for blocks in prompts]
        content = [names.content(row, length, out) for row, length, out in zip(prompts, tokens, outputs, strict=False)]
        work = make_workload(
            *map(np.array, (range(len(tokens)), tokens, outputs[: len(tokens)])),
            content=tuple(content),
            content_block_tokens=4,
        )
        return [request.as_held(4) for request in requests_of(work)]

    short, long = shown([1, 1, 1, 1, 1], last=True), shown([90, 33, 7, 50, 2], last=True)
    assert short == long
    assert [held.prefix_hashes for held in short] == [(0, 1), (2, 3), (0, 1, 4), (5,), (0, 1, 4, 6)]
    assert shown([90, 1, 4, 4, 4], last=False) == short[:4]


def test_content_ids_are_numbered_anew_whatever_they_were():
    columns = [np.array(column) for column in ([0, 5], [10, 20], [3, 4])]
    works = [
        make_workload(*columns, content=content, content_block_tokens=6)
        for content in (((1, 2), (1, 3, 4, 5)), ((70, 5), (70, 0, 9, -4)))
    ]
    assert works[0].content == works[1].content == ((0, 3), (0, 1, 2, 4))
    assert works[0].sha256 == works[1].sha256


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"priority": np.array([1])}, "the same length"),
        ({"session": np.array([-2, 0])}, "from 0 up"),
        ({"content": ((), ())}, "number of tokens"),
        ({"content": ((1,), (1, 3, 4)), "content_block_tokens": 6}, "one content id for every full block"),
    ],
)
def test_optional_columns_that_make_no_workload_are_refused(more, complaint):
    with pytest.raises(ValueError, match=complaint):
        make_workload(np.array([0, 5]), np.array([10, 20]), np.array([3, 4]), **more)


def test_a_trace_that_ships_has_the_prefixes_that_were_recorded():
    trace = load_trace("mooncake-conversation")
    assert (len(trace.arrival_ns), len(trace.pairs), trace.content_block_tokens) == (1500, 1500, 512)
    prompts = [ids[: tokens // 512] for ids, tokens in zip(trace.content, trace.pairs[:, 0].tolist(), strict=True)]
    seen, hits = set(), 0
    for ids in prompts:
        hits += sum(one in seen for one in ids)
        seen.update(ids)
    assert hits / sum(map(len, prompts)) == pytest.approx(0.27, abs=0.02)


def test_the_digest_is_that_of_the_columns():
    one, two = [0, 5], [1, 2]
    work = make_workload(*(np.array(column) for column in (one, two, two)))
    assert work.sha256 != make_workload(*(np.array(column) for column in (one, two, [2, 1]))).sha256
    assert work.sha256 == make_workload(*(np.array(c, dtype=">i4") for c in (one, two, two))).sha256


@pytest.mark.parametrize(
    "columns",
    [([1, 0], [1, 1], [1, 1]), ([0], [0], [1]), ([0], [1], [0]), ([-1], [1], [1]), ([0], [1, 1], [1])],
    ids=["out of order", "no prompt", "no output", "before time", "ragged"],
)
def test_columns_that_make_no_workload_are_refused(columns):
    with pytest.raises(ValueError, match=r"\.$"):
        make_workload(*(np.array(column) for column in columns))


def test_an_unknown_trace_names_the_nearest():
    with pytest.raises(ScenarioError, match=r"did you mean 'sharegpt-7\.5'"):
        load_trace("sharegpt")


def test_a_negative_seed_is_refused_in_words():
    with pytest.raises(SimError, match="from 0 up, not -1"):
        build_workload(load_scenario("smoke"), -1)
