"""Continuous batching and KV accounting on hand-made cases; every expected number is worked out in the comments."""

from __future__ import annotations

from tests.sim.reference.request import Request


def test_a_lone_request_takes_its_prefill_and_one_decode_per_further_token(new_replica, iterate):
    replica = new_replica(decode_ns=1)
    request = Request(0, 0, prompt_tokens=5, output_tokens=3)
    replica.enqueue(request)

    end, finished = iterate(replica)
    # 5 tokens of prefill yield the first output token; 5 tokens need 2 blocks of 4.
    assert (end, finished, request.generated_tokens, request.kv_tokens) == (5_000, [], 1, 5)
    assert (request.first_scheduled_ns, request.first_token_ns, replica.used_blocks) == (0, 5_000, 2)

    end, finished = iterate(replica, end)
    # One decode that reads 6 KV tokens, its own included.
    assert (end, finished, request.generated_tokens, request.kv_tokens) == (5_000 + 1_006, [], 2, 6)

    end, finished = iterate(replica, end)
    assert (end, finished, request.generated_tokens, request.kv_tokens) == (6_006 + 1_007, [request], 3, 7)
    assert (replica.used_blocks, replica.running, replica.generated_tokens) == (0, [], 3)
    assert replica.start_iteration(end) is None


def test_a_request_for_one_token_finishes_with_its_prefill(new_replica, iterate):
    replica = new_replica()
    request = Request(0, 0, prompt_tokens=4, output_tokens=1)
    replica.enqueue(request)
    assert iterate(replica) == (4_000, [request])


def test_prefill_attention_counts_half_of_the_chunk_and_all_before_it(new_replica, iterate):
    replica = new_replica(prefill_ps=2_000, chunk_tokens=4)
    replica.enqueue(Request(0, 0, prompt_tokens=6, output_tokens=2))
    # 4 tokens, 4 * 4/2 = 8 pairs of 2 ns; then 2 tokens, 2 * (4 + 2/2) = 10 pairs.
    end, _ = iterate(replica)
    assert end == 4_000 + 16
    end, _ = iterate(replica, end)
    assert end == 4_016 + 2_000 + 20


def test_a_prompt_over_the_budget_is_prefilled_in_chunks_and_reserves_its_blocks_at_once(new_replica, iterate):
    replica = new_replica(chunk_tokens=4)
    request = Request(0, 0, prompt_tokens=6, output_tokens=2)
    replica.enqueue(request)
    end, _ = iterate(replica)
    assert (request.kv_tokens, request.generated_tokens, request.first_token_ns) == (4, 0, -1)
    assert replica.used_blocks == 2
    end, _ = iterate(replica, end)
    assert (end, request.first_token_ns, request.generated_tokens) == (6_000, 6_000, 1)


def test_decodes_come_first_and_leave_the_rest_of_the_budget_to_prefills(new_replica, iterate):
    replica = new_replica(chunk_tokens=4)
    old, new = Request(0, 0, 4, 5), Request(1, 0, 6, 5)
    replica.enqueue(old)
    end, _ = iterate(replica)
    replica.enqueue(new)
    end, _ = iterate(replica, end)
    # 1 decode + 3 of the new prompt's 6 tokens; then 1 + the other 3.
    assert (end, old.kv_tokens, new.kv_tokens) == (8_000, 5, 3)
    end, _ = iterate(replica, end)
    assert (end, old.kv_tokens, new.kv_tokens, new.generated_tokens) == (12_000, 6, 6, 1)


def test_several_prompts_share_one_iteration(new_replica, iterate):
    replica = new_replica(chunk_tokens=10)
    requests = [Request(i, 0, 4, 2) for i in range(3)]
    for request in requests:
        replica.enqueue(request)
    end, _ = iterate(replica)
    assert (end, [r.kv_tokens for r in requests]) == (10_000, [4, 4, 2])


def test_a_block_is_allocated_only_when_the_last_one_is_full(new_replica, iterate):
    replica = new_replica()
    replica.enqueue(Request(0, 0, prompt_tokens=4, output_tokens=10))
    end, _ = iterate(replica)
    assert replica.used_blocks == 1
    for used in (2, 2, 2, 2, 3):
        end, _ = iterate(replica, end)
        assert replica.used_blocks == used


def test_a_decode_with_room_in_its_last_block_needs_no_free_block(new_replica, iterate):
    replica = new_replica(kv_blocks=2)
    request = Request(0, 0, prompt_tokens=5, output_tokens=4)
    replica.enqueue(request)
    end, _ = iterate(replica)
    assert replica.used_blocks == replica.total_blocks
    for _ in range(3):
        end, finished = iterate(replica, end)
    assert (finished, request.restarts) == ([request], 0)


def test_out_of_blocks_the_youngest_restarts_with_what_it_generated_and_keeps_its_ttft(new_replica, iterate):
    replica = new_replica(kv_blocks=4)
    old, young = Request(0, 0, 7, 6), Request(1, 0, 7, 3)
    replica.enqueue(old)
    replica.enqueue(young)
    end, _ = iterate(replica)
    assert (end, replica.used_blocks) == (14_000, 4)
    end, _ = iterate(replica, end)  # both decode into the room left in their second blocks
    assert (end, old.kv_tokens, young.kv_tokens) == (16_000, 8, 8)

    end, _ = iterate(replica, end)  # old needs a third block: young loses its two and goes back to the queue
    assert (end, old.kv_tokens, old.blocks, replica.used_blocks) == (17_000, 9, 3, 3)
    assert (list(replica.waiting), young.restarts, replica.preemptions) == ([young], 1, 1)
    assert (young.prefill_target, young.kv_tokens, young.generated_tokens) == (7 + 2, 0, 2)
    assert (young.as_placed().processed_tokens, young.as_placed().restarts) == (8, 1)

    while old.generated_tokens < 6:
        end, finished = iterate(replica, end)
    assert finished == [old]
    start = end
    end, finished = iterate(replica, start)  # 9 tokens are prefilled again, which yields the third and last token
    assert (end - start, finished, young.generated_tokens) == (9_000, [young], 3)
    assert young.first_token_ns == 14_000


def test_the_request_that_needs_the_block_is_the_victim_if_it_is_the_youngest(new_replica, iterate):
    replica = new_replica(kv_blocks=3)
    old, young = Request(0, 0, 5, 9), Request(1, 0, 4, 9)
    replica.enqueue(old)
    replica.enqueue(young)
    end, _ = iterate(replica)
    end, _ = iterate(replica, end)
    assert (old.generated_tokens, young.restarts, list(replica.waiting)) == (2, 1, [young])
    assert end == 10_000  # only the old one was in the second iteration


def test_a_half_prefilled_victim_must_prefill_its_whole_prompt_again(new_replica, iterate):
    replica = new_replica(kv_blocks=5, chunk_tokens=5)
    old, young = Request(0, 0, 4, 9), Request(1, 0, 16, 2)
    replica.enqueue(old)
    replica.enqueue(young)
    end, _ = iterate(replica)
    assert (old.kv_tokens, young.kv_tokens, replica.used_blocks) == (4, 1, 5)
    iterate(replica, end)  # old needs a second block
    assert (young.restarts, young.kv_tokens, young.prefill_target, young.generated_tokens) == (1, 0, 16, 0)
    assert young.as_placed().processed_tokens == 1


def test_victims_return_to_the_front_of_the_queue_in_order_of_arrival(new_replica, iterate):
    replica = new_replica(kv_blocks=5, max_num_seqs=3)
    oldest, middle, youngest, waiting = (Request(i, 0, prompt, 30) for i, prompt in enumerate((12, 4, 4, 4)))
    for request in (oldest, middle, youngest, waiting):
        replica.enqueue(request)
    end, _ = iterate(replica)
    iterate(replica, end)  # oldest takes the block of youngest, then middle finds none free but its own
    assert list(replica.waiting) == [middle, youngest, waiting]
    assert replica.running == [oldest]


def test_admission_leaves_the_watermark_free_and_the_head_blocks_those_behind_it(new_replica, iterate):
    replica = new_replica(kv_blocks=10, watermark_fraction=0.2)
    first, big, small = Request(0, 0, 16, 3), Request(1, 0, 17, 2), Request(2, 0, 4, 2)
    for request in (first, big, small):
        replica.enqueue(request)
    end, _ = iterate(replica)
    # 4 of 10 blocks used; big needs 5 and would leave 1 < 2, so small waits behind it although it would fit.
    assert (replica.running, list(replica.waiting)) == ([first], [big, small])
    big.prefill_target = big.prompt_tokens = 12  # needs 3: 5 + 3 leave exactly the 2 of the watermark
    iterate(replica, end)
    assert (replica.running, list(replica.waiting)) == ([first, big], [small])


def test_no_more_than_max_num_seqs_run(new_replica, iterate):
    replica = new_replica(max_num_seqs=2)
    for index in range(3):
        replica.enqueue(Request(index, 0, 4, 2))
    end, _ = iterate(replica)
    assert (len(replica.running), len(replica.waiting)) == (2, 1)
    end, _ = iterate(replica, end)
    assert replica.running == []
    iterate(replica, end)
    assert (len(replica.running), len(replica.waiting)) == (1, 0)


def test_nothing_joins_an_iteration_that_runs(new_replica):
    replica = new_replica()
    replica.enqueue(Request(0, 0, 4, 1))
    duration_ns = replica.start_iteration(0)
    late = Request(1, 1, 4, 1)
    replica.enqueue(late)
    assert duration_ns == 4_000
    replica.end_iteration(4_000)
    assert (late.kv_tokens, list(replica.waiting)) == (0, [late])


def test_a_request_that_outgrows_the_replica_leaves_instead_of_waiting_for_ever(new_replica, iterate):
    replica = new_replica(kv_blocks=2)
    request = Request(0, 0, prompt_tokens=5, output_tokens=20)
    replica.enqueue(request)
    end, _ = iterate(replica)
    for _ in range(3):
        end, _ = iterate(replica, end)
    assert request.kv_tokens == 8
    assert replica.start_iteration(end) is None
    assert (replica.outgrown, list(replica.waiting), replica.running, replica.used_blocks) == ([request], [], [], 0)
