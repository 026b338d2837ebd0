"""``orca`` on hand-made cases; every expected number is worked out in the comments."""

from __future__ import annotations

from tests.sim.rules.one_replica import OneReplica, requests


def test_a_request_reserves_its_blocks_and_they_do_not_grow():
    one = OneReplica("orca", kv_blocks=11, engine={"reserved_tokens": 20}, watermark_fraction=0.5)
    one.enqueue(*requests((3, 30), (4, 2), (4, 2)))
    # 33 tokens need 9 blocks, which is more than the 5 of the reservation; 5 more don't fit. The watermark is idle.
    assert one.step() == (3, [])
    assert (one.replica.used_blocks, one.waiting) == (9, [1, 2])
    assert one.steps(28) == [(1, [])] * 28
    assert one.replica.used_blocks == 9
    assert one.step() == (1, [0])
    # 2 * 5 blocks fit.
    assert one.step() == (8, [])
    assert one.replica.used_blocks == 10


def test_whole_prompts_are_prefilled_beside_the_decodes():
    one = OneReplica("orca", chunk_tokens=4, engine={"reserved_tokens": 8})
    first, second = requests((3, 9), (50, 2))
    one.enqueue(first)
    one.step()
    one.enqueue(second)
    assert one.step() == (1 + 50, [])
    assert (one.processed(first), one.processed(second), second.generated_tokens) == (4, 50, 1)


def test_a_reservation_that_is_too_large_can_never_be_admitted():
    one = OneReplica("orca", kv_blocks=10, engine={"reserved_tokens": 8})
    fits, grows = requests((4, 36), (4, 37))
    assert (one.replica.can_ever_admit(fits), one.replica.can_ever_admit(grows)) == (True, False)
    assert one.replica.most_prompt_tokens == 40
    assert OneReplica("orca", kv_blocks=10, engine={"reserved_tokens": 41}).replica.most_prompt_tokens == 0
