"""The rule of the ``funsearch`` router: what it predicts, whom it takes first, where it sends it and when it holds.

A replica here has 100 blocks of 16 tokens; a prompt of 100 tokens is at first predicted to need 196, that is 13.
"""

from __future__ import annotations

from sim.api import HeldRequest, ReplicaRequest
from sim.policies import make_router
from sim.policies.routers.funsearch import OutputPredictor
from tests.sim.policies.test_routers import Seen, decide, held, waiting


def placed(request_id: int, prompt: int, processed: int) -> ReplicaRequest:
    return ReplicaRequest(request_id, 0, prompt, processed, 0)


def decoding(index: int, blocks: int) -> Seen:
    """A replica on which one old request holds ``blocks`` and has outgrown any prediction."""
    one = (placed(90 + index, 16, 16 * blocks),)
    return Seen(index, num_running=1, running=one, kv_blocks_used=blocks)


def test_a_prediction_is_the_moving_average_of_what_finished_in_the_class_of_the_prompt() -> None:
    predictor = OutputPredictor()
    assert predictor.total_tokens(100) == 100 + 96
    predictor.learn({1: placed(1, 50, 1050), 2: placed(2, 300, 300)})
    assert predictor.total_tokens(100) == 100 + 96  # nothing has finished
    predictor.learn({2: placed(2, 300, 301)})
    assert predictor.total_tokens(127) == 127 + 187  # 96 + 0.1 * (1000 - 96) = 186.4
    assert [predictor.total_tokens(prompt) for prompt in (128, 512, 513)] == [224, 608, 609]


def test_a_prediction_stays_between_its_bounds() -> None:
    predictor = OutputPredictor()
    predictor.learn({1: placed(1, 50, 20_050)} | {index: placed(index, 600, 0) for index in range(2, 14)})
    predictor.learn({})
    assert predictor.total_tokens(100) == 100 + 1024
    assert predictor.total_tokens(600) == 600 + 32


def test_funsearch_takes_the_shortest_predicted_total_first() -> None:
    assert [request for request, _ in decide(make_router("funsearch", 0), held(150, 100), Seen(0))] == [1, 0]
    router = make_router("funsearch", 0)
    decide(router, [], Seen(0, num_running=1, running=(placed(50, 90, 1090),)))
    # 1000 tokens of a short prompt have finished: 150 + 96 is now less than 100 + 187.
    assert [request for request, _ in decide(router, held(100, 150), Seen(0))] == [1, 0]


def test_funsearch_takes_equal_totals_in_order_of_arrival_and_remembers_what_it_holds() -> None:
    router = make_router("funsearch", 0)
    full = decoding(0, 99)
    assert decide(router, held(20, 100, 100), full) == []
    assert decide(router, [*held(20, 100, 100), HeldRequest(3, 3, 50)], Seen(0)) == [(0, 0), (3, 0), (1, 0), (2, 0)]


def test_funsearch_holds_what_would_overcommit_the_memory_by_more_than_three_percent() -> None:
    assert decide(make_router("funsearch", 0), held(100), decoding(0, 90)) == [(0, 0)]  # 90 + 13 = 103
    assert decide(make_router("funsearch", 0), held(113), decoding(0, 90)) == []  # 209 tokens: 14 blocks
    queued = Seen(0, waiting(1344))  # 1440 tokens predicted: 90 blocks although it holds none yet
    assert decide(make_router("funsearch", 0), held(113), queued) == []


def test_funsearch_counts_its_own_assignments() -> None:
    assert decide(make_router("funsearch", 0), held(100, 100, 100), decoding(0, 77)) == [(0, 0), (1, 0)]


def test_funsearch_gives_an_idle_replica_what_is_too_large_for_any() -> None:
    assert decide(make_router("funsearch", 0), held(5000), decoding(0, 10)) == []
    assert decide(make_router("funsearch", 0), held(5000), decoding(0, 10), Seen(1)) == [(0, 1)]


def test_funsearch_weighs_a_backlog_of_prefill_against_memory() -> None:
    # 0.55 * 0.63^2 + 0.25 * 100/1600 + 0.1 / 2 = 0.284 on replica 0.
    backlog = Seen(1, waiting(640))  # 0.55 * 0.59^2 + 0.25 * 740/1600 + 0.1 / 2 = 0.357
    assert decide(make_router("funsearch", 0), held(100), decoding(0, 50), backlog) == [(0, 0)]
    assert decide(make_router("funsearch", 0), held(100), decoding(0, 50), decoding(1, 46)) == [(0, 1)]


def test_funsearch_penalises_memory_above_capacity_twelve_fold() -> None:
    # Replica 0 at 1.01: 0.561 + 0.016 + 0.05 = 0.627, and 12 * 0.01 more; replica 1 at 0.93: 0.476 + 0.201 + 0.05.
    assert decide(make_router("funsearch", 0), held(100), decoding(0, 88), Seen(1, waiting(1184))) == [(0, 1)]
    # One block less on replica 0 is no excess: 0.55 * 1 + 0.016 + 0.05 = 0.616 against 0.727.
    assert decide(make_router("funsearch", 0), held(100), decoding(0, 87), Seen(1, waiting(1184))) == [(0, 0)]


def test_funsearch_prefers_fewer_requests_and_blocks_that_are_free_now() -> None:
    two = Seen(0, waiting(8, 8))
    one = Seen(1, waiting(112))  # as much predicted memory (7 + 7 and 13 blocks, nearly) but one request
    assert decide(make_router("funsearch", 0), held(100), two, one) == [(0, 1)]
    assert decide(make_router("funsearch", 0), held(100), Seen(0, kv_blocks_used=95), Seen(1)) == [(0, 1)]
