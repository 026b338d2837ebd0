"""The prefix cache on hand-made cases: units of 8 tokens are 2 blocks of 4; contents are tuples of ids."""

from __future__ import annotations

from sim.request import Request
from tests.sim.rules.one_replica import OneReplica, requests

CACHING = {"prefix_caching": True}


def caching(rules="sarathi", **fields):
    return OneReplica(rules, engine=CACHING, content_block_tokens=8, **fields)


def probe(prompt_tokens: int, *content: int) -> Request:
    return Request(99, 0, prompt_tokens, 1, content=content)


def cached(one: OneReplica, *content: int) -> int:
    """Tokens that a prompt of this content, and one token more, would be given."""
    return one.replica.cached_tokens(probe(len(content) * 8 + 1, *content), one.now)


def test_a_prompts_full_units_are_there_for_whoever_comes_after_the_iteration():
    one = caching()
    first, second = requests((20, 2), (18, 2), content={0: (1, 2), 1: (1, 2)})
    one.enqueue(first)
    one.step()
    one.enqueue(second)
    # first decodes, and of second's 18 tokens 16 are there: its 5 blocks share 4 with first's.
    assert one.step() == (1 + 2, [0])
    assert (second.cached_tokens, first.cached_tokens) == (16, 0)
    assert (one.replica.prefix_query_tokens, one.replica.prefix_hit_tokens) == (38, 16)
    # first is gone: second's 5 blocks are left, and first's own one is free.
    assert one.replica.used_blocks == 5
    assert one.step() == (1, [1])
    assert (one.replica.used_blocks, cached(one, 1, 2)) == (0, 16)


def test_one_token_at_least_is_computed():
    one = caching()
    one.enqueue(*requests((16, 1), content={0: (1, 2)}))
    one.step()
    one.enqueue(Request(1, 0, 16, 1, content=(1, 2)))
    assert one.step() == (8, [1])


def test_what_is_not_a_prefix_is_no_hit():
    one = caching()
    one.enqueue(*requests((16, 1), content={0: (1, 2)}))
    one.step()
    assert (cached(one, 1, 2), cached(one, 1, 3), cached(one, 3, 2)) == (16, 8, 0)


def test_two_that_compute_the_same_at_once_each_have_a_copy():
    one = caching()
    one.enqueue(*requests((9, 2), (9, 2), content={0: (1,), 1: (1,)}))
    assert one.step() == (18, [])
    assert one.replica.used_blocks == 6
    assert one.step() == (2, [0, 1])
    assert (one.replica.used_blocks, cached(one, 1)) == (0, 8)


def test_units_of_the_output_enter_at_the_end_as_far_as_their_tokens_were_computed():
    one = caching()
    one.enqueue(*requests((8, 9), (8, 10), content={0: (1, 2), 1: (1, 3)}))
    one.steps(10)
    # 8 + 9 - 1 = 16 tokens were computed by the first: both its units. Of the second 17, the same.
    assert (cached(one, 1, 2), cached(one, 1, 3)) == (16, 16)
    short = caching()
    short.enqueue(*requests((8, 8), content={0: (1, 2)}))
    short.steps(8)
    assert cached(short, 1, 2) == 8  # its 16th token was never fed


def test_the_tail_goes_before_the_head_and_the_one_unused_longest_first():
    one = caching(kv_blocks=8)
    one.enqueue(*requests((16, 1), content={0: (1, 2)}))
    one.step()
    one.enqueue(Request(1, 1, 16, 1, content=(3, 4)))
    one.step()
    # All 8 blocks hold units, unused: 2, 1, 4, 3 in order of eviction. 9 tokens need 3 blocks, so two units go.
    one.enqueue(Request(2, 2, 9, 1, content=()))
    one.step()
    assert (cached(one, 1, 2), cached(one, 3, 4)) == (0, 16)


def test_a_hit_is_kept_from_eviction_and_counts_as_used():
    one = caching(kv_blocks=6)
    one.enqueue(*requests((16, 1), content={0: (1, 2)}))
    one.step()
    # 2 of 6 blocks hold nothing, 4 hold units. 17 tokens need 5 blocks, 4 of them hit and unused: they fit.
    one.enqueue(Request(1, 1, 17, 3, content=(1, 2)), Request(2, 2, 5, 1))
    assert one.step() == (1, [])
    assert (one.replica.used_blocks, one.waiting) == (5, [2])


def test_a_stretch_of_decodes_evicts_as_it_grows():
    one = caching(kv_blocks=4)
    one.enqueue(*requests((8, 1), content={0: (1,)}))
    one.step()
    one.enqueue(Request(1, 1, 4, 9))
    one.step()
    start = one.now
    # 1 block runs, 1 is empty, 2 hold the unit. A second one is taken at the stretch's start, a third one after 4 more.
    assert one.replica.start(start) == start + 8_000
    assert one.replica.cached_tokens(probe(9, 1), start + 3_999) == 8
    assert one.replica.cached_tokens(probe(9, 1), start + 4_000, started=False) == 8
    assert one.replica.cached_tokens(probe(9, 1), start + 4_000, started=True) == 0


def test_a_preempted_request_finds_what_it_left_behind():
    one = caching(kv_blocks=5, max_num_seqs=2)
    old, young = requests((8, 3), (9, 3), content={0: (1,), 1: (2,)})
    one.enqueue(old, young)
    assert one.step() == (17, [])
    # old takes a third block: young goes, its unit stays in the 2 blocks that old leaves. 10 tokens need 3: none fit.
    assert one.step() == (1, [])
    assert (one.waiting, cached(one, 2)) == ([1], 8)
    assert one.step() == (1, [0])
    # 10 tokens less the 8 that are there.
    assert one.step() == (2, [])


def test_a_cold_replica_and_one_that_crashed_have_nothing():
    one = caching()
    one.enqueue(*requests((16, 1), content={0: (1, 2)}))
    one.step()
    one.replica.cold()
    assert cached(one, 1, 2) == 0
    one.enqueue(Request(1, 0, 16, 5, content=(1, 2)))
    one.step()
    one.replica.crash(one.now)
    assert (cached(one, 1, 2), one.replica.used_blocks) == (0, 0)


def test_under_vllm_v1_a_hit_is_taken_at_once_and_the_rest_as_it_is_computed():
    one = caching("vllm-v1", kv_blocks=10, chunk_tokens=5, max_num_seqs=5)
    one.enqueue(*requests((9, 1), content={0: (1,)}))
    one.steps(2)
    one.enqueue(Request(1, 1, 24, 1, content=(1, 2, 3)))
    # 8 tokens hit, 5 computed: 13 tokens in 4 blocks.
    assert one.step() == (5, [])
    assert one.replica.used_blocks == 4


def test_without_caching_or_without_content_nothing_is_cached():
    for one, content in ((OneReplica(content_block_tokens=8), (1, 2)), (caching(), ())):
        one.enqueue(*requests((16, 1), content={0: content}))
        one.step()
        assert cached(one, 1, 2) == 0
