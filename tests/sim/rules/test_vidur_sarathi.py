"""Vidur's defects under ``sarathi``, on hand-made cases."""

from __future__ import annotations

from tests.sim.rules.one_replica import OneReplica, requests

VIDUR = {"vidur_compat": True}


def test_a_request_that_returns_is_behind_those_that_stayed():
    one = OneReplica(kv_blocks=8, engine=VIDUR)
    old, young = requests((8, 20), (8, 20))
    one.enqueue(young)
    one.step()
    one.enqueue(old)
    one.step()
    assert one.running == [1, 0]


def test_a_half_prefilled_victim_restarts_with_what_was_processed_as_its_prompt():
    one = OneReplica(kv_blocks=5, chunk_tokens=5, engine=VIDUR)
    old, young = requests((4, 9), (16, 2))
    one.enqueue(old, young)
    assert one.step() == (5, [])  # 4 of old, 1 of young; all 5 blocks are used
    # old needs a block: young loses its 4, with 1 token processed, and is admitted again at once: 1 token of prefill,
    # one block. Its 16 + 2 tokens leave 17 to generate.
    assert one.step() == (2, [])
    assert (young.restarts, young.prefill_target, young.generated_tokens) == (1, 1, 1 - 16 + 1)
    assert (young.prompt_tokens, young.output_tokens) == (16, 2)
    assert one.replica.forgotten_tokens == 15


def test_a_prefill_that_the_budget_did_not_reach_comes_before_the_batch():
    one = OneReplica(chunk_tokens=2, kv_blocks=50, engine=VIDUR)
    a, b, c = requests((1, 30), (1, 2), (9, 5))
    one.enqueue(a, b)
    assert one.step() == (2, [])
    late = requests((1, 9), (1, 9), (1, 9), (1, 9))[3]
    one.enqueue(c)
    assert one.step() == (2, [1])  # a and b decode, no budget for an admission
    assert one.step() == (2, [])  # a decodes, 1 token of c
    assert one.running == [0, 2]
    one.enqueue(late)
    assert one.step() == (2, [])
    assert one.running == [0, 2]
