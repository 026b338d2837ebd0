"""A crash books exactly the iterations that ended before it, and loses everything else."""

from __future__ import annotations

import pytest

from tests.sim.rules.one_replica import OneReplica, requests


@pytest.mark.parametrize(("crash_ns", "generated"), [(4_000, 1), (4_999, 1), (5_000, 2), (7_999, 4), (8_000, 5)])
def test_a_stretch_is_booked_up_to_the_last_iteration_that_ended(crash_ns, generated):
    one = OneReplica()
    (request,) = requests((4, 10))
    one.enqueue(request)
    assert one.replica.start(0) == 4_000
    one.replica.end(4_000)
    assert one.replica.start(4_000) == 13_000
    assert one.replica.crash(crash_ns) == [request]
    assert (request.generated_tokens, request.prefill_target, request.restarts) == (generated, 4 + generated, 1)
    assert one.replica.generated_tokens == generated
    assert (one.running, one.waiting, one.replica.used_blocks, one.replica.stretch.count) == ([], [], 0, 0)
    # 1 block for the prompt, a second one from the first decode's start, a third one from the fifth's.
    blocks_ns = 4_000 + 2 * (crash_ns - 4_000)
    assert one.replica.block_ns(20_000) == blocks_ns


def test_running_and_waiting_come_back_in_order_of_arrival_having_lost_what_was_cached():
    one = OneReplica(max_num_seqs=2)
    a, b, c = requests((4, 5), (4, 5), (4, 5))
    one.enqueue(b, c, a)
    one.replica.start(0)
    assert one.replica.crash(3) == [a, b, c]
    assert [request.kv_tokens for request in (a, b, c)] == [0, 0, 0]
    assert one.replica.conserves()


def test_a_replica_that_crashed_serves_again():
    one = OneReplica()
    (request,) = requests((4, 3))
    one.enqueue(request)
    one.replica.start(0)
    one.replica.crash(1_000)
    one.now = 2_000
    one.enqueue(request)
    assert one.steps(3) == [(4, []), (1, []), (1, [0])]
