"""``vllm`` on hand-made cases; every expected number is worked out in the comments."""

from __future__ import annotations

from tests.sim.rules.one_replica import OneReplica, requests


def test_an_admission_makes_an_iteration_of_prefills_alone_and_decodes_wait():
    one = OneReplica("vllm")
    first, second = requests((4, 3), (5, 2))
    one.enqueue(first)
    assert one.step() == (4, [])
    one.enqueue(second)
    assert one.step() == (5, [])  # the whole prompt, and first doesn't decode
    assert (first.generated_tokens, second.generated_tokens) == (1, 1)
    assert one.step() == (2, [1])
    assert one.step() == (1, [0])


def test_the_batch_is_as_large_as_its_padding_makes_it():
    one = OneReplica("vllm", chunk_tokens=12)
    one.enqueue(*requests((3, 2), (6, 2), (2, 2)))
    # 2 * max(3, 6) = 12 fit; 3 * 6 = 18 don't.
    assert one.step() == (9, [])
    assert one.waiting == [2]
    assert one.step() == (2, [])  # before any decode


def test_a_prompt_over_the_budget_is_admitted_alone():
    one = OneReplica("vllm", chunk_tokens=8)
    one.enqueue(*requests((3, 2), (20, 2), (3, 2)))
    assert one.steps(3) == [(3, []), (20, []), (3, [])]


def test_under_vidurs_rules_a_prompt_over_the_budget_blocks_its_queue():
    one = OneReplica("vllm", chunk_tokens=8, engine={"vidur_compat": True})
    one.enqueue(*requests((20, 2), (3, 2)))
    assert one.step() is None
    assert one.waiting == [0, 1]


def test_the_youngest_is_preempted_and_waits_at_the_front():
    one = OneReplica("vllm", kv_blocks=5)
    old, young, last = requests((8, 9), (11, 2), (9, 1))
    one.enqueue(old, young, last)
    assert one.step() == (19, [])
    # old needs a third block: young's three go. 2 are left, and its 12 tokens need 3.
    assert one.step() == (1, [])
    assert (one.waiting, young.prefill_target) == ([1, 2], 12)


def test_a_lone_request_that_outgrows_its_blocks_leaves_an_empty_composition_that_is_done_again():
    one = OneReplica("vllm", kv_blocks=2)
    grows, waits = requests((8, 9), (4, 1))
    one.enqueue(grows)
    one.step()
    one.enqueue(waits)
    assert one.step() == (4, [1])
    assert [request.id for request in one.replica.outgrown] == [0]


def test_vidur_asks_for_a_free_block_even_if_it_will_not_be_taken():
    plain, vidur = OneReplica("vllm", kv_blocks=3), OneReplica("vllm", kv_blocks=3, engine={"vidur_compat": True})
    for one in (plain, vidur):
        one.enqueue(*requests((5, 4), (2, 3)))
        one.step()  # all 3 blocks are used, with room in each
        one.step()
    assert (plain.waiting, vidur.waiting) == ([], [1])
