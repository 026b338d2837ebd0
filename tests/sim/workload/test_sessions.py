"""Conversations: what a turn's prompt contains, which blocks turns and conversations share, and when turns come."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from sim.workload.generate import generate
from sim.workload.sessions import mean_turns
from sim.workload.spec import (
    GeneratedWorkload,
    LogNormalLengths,
    PoissonArrivals,
    Sessions,
    SloClass,
)

TALK = Sessions(4.0, 10, 20.0, 0.5, 4000, system_prompts=5, system_prompt_tokens=200, content_block_tokens=32)
SPEC = GeneratedWorkload(PoissonArrivals(10.0, 600.0), LogNormalLengths(60.0, 0.8, 90.0, 0.5), sessions=TALK)


def turns(work):
    """Places of every conversation's requests, in order."""
    places = {}
    for place, session in enumerate(work.session.tolist()):
        places.setdefault(session, []).append(place)
    return list(places.values())


def test_a_prompt_contains_the_one_before_and_its_answer():
    work = generate(SPEC, 1)
    for places in turns(work):
        for before, after in pairwise(places):
            said = work.prompt_tokens[before] + work.output_tokens[before]
            assert work.prompt_tokens[after] > said
            assert work.content[after][: said // 32] == work.content[before]


def test_there_is_one_id_for_every_full_block_of_prompt_and_output():
    work = generate(SPEC, 1)
    assert work.content_block_tokens == 32
    whole = (work.prompt_tokens + work.output_tokens) // 32
    assert [len(ids) for ids in work.content] == whole.tolist()


def test_an_id_always_stands_behind_the_same_ones():
    work = generate(SPEC, 1)
    before = {}
    for ids in work.content:
        for place, one in enumerate(ids):
            assert before.setdefault(one, (place, ids[place - 1] if place else -1)) == (
                place,
                ids[place - 1] if place else -1,
            )


def test_conversations_share_their_system_prompt_and_nothing_else():
    work = generate(SPEC, 1)
    shared = {one for ids in work.content for one in ids[: 200 // 32]}
    assert len(shared) == 5 * (200 // 32)
    owners = {}
    for session, ids in zip(work.session.tolist(), work.content, strict=True):
        for one in ids[200 // 32 :]:
            assert owners.setdefault(one, session) == session


def test_openings_are_as_popular_as_zipf_says():
    work = generate(replace(SPEC, arrivals=PoissonArrivals(50.0, 600.0)), 1)
    firsts = Counter(work.content[places[0]][0] for places in turns(work))
    whole = sum(1 / rank for rank in range(1, 6))
    expected = [1 / rank / whole for rank in range(1, 6)]
    assert [count / firsts.total() for _, count in firsts.most_common()] == pytest.approx(expected, rel=0.15)


def test_ids_of_prompts_are_counted_without_a_gap_for_outputs_and_turns_to_come():
    work = generate(SPEC, 1)
    seen = set()
    for ids, tokens in zip(work.content, work.prompt_tokens.tolist(), strict=True):
        new = [one for one in ids[: tokens // 32] if one not in seen]
        assert new == list(range(len(seen), len(seen) + len(new)))
        seen.update(new)


def test_requests_come_at_about_the_stated_rate_in_order():
    work = generate(replace(SPEC, arrivals=PoissonArrivals(10.0, 3000.0)), 1)
    assert len(work) / 3000 == pytest.approx(10.0, rel=0.1)
    assert np.all(np.diff(work.arrival_ns) >= 0)
    assert work.arrival_ns[-1] < 3000 * 10**9


def test_turns_follow_after_the_stated_gap():
    work = generate(replace(SPEC, arrivals=PoissonArrivals(10.0, 3000.0)), 1)
    gaps = np.concatenate([np.diff(work.arrival_ns[places]) for places in turns(work)]) / 1e9
    assert np.median(gaps) == pytest.approx(20.0, rel=0.05)


def test_a_conversation_ends_before_it_outgrows_its_context_or_its_turns():
    work = generate(SPEC, 1)
    assert (work.prompt_tokens + work.output_tokens).max() <= 4000
    assert max(len(places) for places in turns(work)) <= 10


def test_the_mean_number_of_turns_is_that_of_the_cut_geometric_distribution():
    assert mean_turns(replace(TALK, mean_turns=1.0)) == 1
    drawn = np.minimum(np.random.default_rng(1).geometric(1 / 4, size=200_000), 10)
    assert mean_turns(TALK) == pytest.approx(drawn.mean(), rel=0.01)


def test_without_system_prompts_conversations_share_nothing():
    work = generate(replace(SPEC, sessions=replace(TALK, system_prompts=0, system_prompt_tokens=0)), 1)
    owners = {}
    for session, ids in zip(work.session.tolist(), work.content, strict=True):
        assert all(owners.setdefault(one, session) == session for one in ids)


def test_a_conversation_stays_in_its_class():
    tiers = (SloClass("chat", 3.0, 0, 1.0), SloClass("batch", 1.0, 5))
    work = generate(replace(SPEC, classes=tiers), 1)
    for places in turns(work):
        assert len(set(work.priority[places].tolist())) == 1
    assert set(zip(work.priority.tolist(), work.ttft_slo_ns.tolist(), strict=True)) == {(0, 10**9), (5, -1)}


def test_classes_have_their_shares():
    tiers = (SloClass("chat", 3.0, 0, 1.0), SloClass("batch", 1.0, 5))
    work = generate(replace(SPEC, sessions=None, classes=tiers, arrivals=PoissonArrivals(50.0, 600.0)), 1)
    assert np.mean(work.priority == 5) == pytest.approx(0.25, abs=0.01)
    assert (work.session, work.content) == (None, None)


def test_a_stream_more_changes_no_other_draw():
    plain = generate(replace(SPEC, sessions=None), 1)
    tiered = generate(replace(SPEC, sessions=None, classes=(SloClass("all", 1.0),)), 1)
    assert np.array_equal(plain.arrival_ns, tiered.arrival_ns)
    assert np.array_equal(plain.prompt_tokens, tiered.prompt_tokens)
    assert plain.sha256 != tiered.sha256
