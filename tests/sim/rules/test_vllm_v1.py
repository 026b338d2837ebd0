"""``vllm-v1`` on hand-made cases; every expected number is worked out in the comments."""

from __future__ import annotations

from tests.sim.rules.one_replica import OneReplica, requests


def test_blocks_are_taken_as_chunks_need_them_though_the_whole_prompt_must_fit():
    one = OneReplica("vllm-v1", chunk_tokens=6, max_num_seqs=6, kv_blocks=4)
    long, longer = requests((16, 2), (5, 2))
    one.enqueue(long, longer)
    # 6 of 16 tokens: 2 of the 4 blocks. The second's 2 blocks would fit, but there is no budget left.
    assert one.step() == (6, [])
    assert (one.replica.used_blocks, one.running, one.waiting) == (2, [0], [1])
    assert one.step() == (6, [])
    assert one.replica.used_blocks == 3
    # The last 4 tokens of the prompt, and the 2 that the budget has left: but all 4 blocks are the first one's.
    assert one.step() == (4, [])
    assert (one.replica.used_blocks, one.waiting) == (4, [1])


def test_running_requests_are_in_order_of_admission_and_the_last_admitted_is_the_victim():
    one = OneReplica("vllm-v1", kv_blocks=4)
    old, young = requests((4, 9), (4, 9))
    one.enqueue(young)
    one.step()  # the younger one is admitted first
    one.enqueue(old)
    # young's decode needs a second block, old's prompt one: 3 of 4.
    assert one.step() == (1 + 4, [])
    assert (one.running, one.replica.used_blocks) == ([1, 0], 3)
    # old's decode needs its second block: 4 of 4. At the end of three such iterations young has 8 tokens.
    assert one.steps(3) == [(2, [])] * 3
    # young needs a third block: old, admitted last, goes though it arrived first.
    assert one.step() == (1, [])
    assert (one.running, one.waiting, one.decisions[-1]) == ([1], [0], (2, 0))


def test_nobody_is_admitted_in_a_composition_that_preempted():
    one = OneReplica("vllm-v1", kv_blocks=3, max_num_seqs=2)
    first, second, third = requests((8, 9), (4, 9), (1, 1))
    one.enqueue(first, second, third)
    assert one.step() == (12, [])
    # first's decode needs a third block, so second goes. Its block is first's now; third would need one too.
    assert one.step() == (1, [])
    assert (one.running, one.waiting, one.decisions[-1]) == ([0], [1, 2], (2, 1))


def test_a_prefill_that_lacks_blocks_preempts_itself_and_an_empty_composition_is_done_again():
    one = OneReplica("vllm-v1", kv_blocks=4, chunk_tokens=8, max_num_seqs=4)
    alone, growing = requests((16, 3), (4, 1))
    one.enqueue(alone)
    assert one.steps(2) == [(8, []), (8, [])]
    # Its first decode needs a fifth block: it preempts itself. Having outgrown the replica (17 tokens: 5 blocks) it
    # leaves; the composition came out empty, and the next one, at once, admits who waits.
    one.enqueue(growing)
    assert one.step() == (4, [1])
    assert [request.id for request in one.replica.outgrown] == [0]


def test_what_the_running_requests_leave_of_the_budget_goes_to_admissions():
    one = OneReplica("vllm-v1", chunk_tokens=8, max_num_seqs=4)
    a, b, c = requests((4, 9), (10, 9), (4, 9))
    one.enqueue(a, b, c)
    assert one.step() == (8, [])  # 4 of a, 4 of b
    assert one.running == [0, 1]
    assert one.step() == (8, [])  # a decodes, 6 of b, 1 of c
    assert (one.running, c.kv_tokens) == ([0, 1, 2], 1)
    assert one.step() == (5, [])  # a and b decode, 3 of c
    assert c.generated_tokens == 1
