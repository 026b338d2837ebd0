"""Each shipped router's rule, pinned on a hand-made case, and the contract all their files keep."""

from __future__ import annotations

import ast
import random
from dataclasses import dataclass, field

import pytest

from sim.api import HeldRequest, ReplicaRequest
from sim.errors import UnknownPolicy
from sim.policies import make_router, router_names, router_source

ALLOWED_IMPORTS = {
    *("__future__", "bisect", "collections", "collections.abc", "dataclasses", "functools", "heapq", "itertools"),
    *("math", "random", "sim.api", "statistics", "typing"),
}


@dataclass
class Seen:
    """A replica as a router sees it."""

    id: int
    waiting: list[ReplicaRequest] = field(default_factory=list)
    num_running: int = 0
    kv_blocks_used: int = 0
    kv_blocks_total: int = 100
    accepts: bool = True
    running: tuple[ReplicaRequest, ...] = ()

    def cached_tokens(self, request: HeldRequest) -> int:
        return 0

    @property
    def num_waiting(self) -> int:
        return len(self.waiting)


@dataclass
class SeenCluster:
    replicas: list[Seen]
    now_ns: int = 0
    now_s: float = 0.0
    block_tokens: int = 16
    content_block_tokens: int = 0


def held(*prompts):
    return [HeldRequest(index, index, tokens) for index, tokens in enumerate(prompts)]


def waiting(*prompts):
    return [ReplicaRequest(100 + index, 0, tokens, 0, 0) for index, tokens in enumerate(prompts)]


def decide(router, queue, *replicas):
    return [(request.id, replica.id) for request, replica in router.route(queue, SeenCluster(list(replicas)))]


def test_round_robin_takes_replicas_in_turn_across_calls():
    router = make_router("round-robin", 0)
    three = [Seen(0), Seen(1), Seen(2)]
    assert decide(router, held(1, 1), *three) == [(0, 0), (1, 1)]
    assert decide(router, held(1, 1), *three) == [(0, 2), (1, 0)]


def test_random_draws_uniformly_from_the_seed():
    four = [Seen(index) for index in range(4)]
    queue = held(*[1] * 4000)
    reference = random.Random(11)
    expected = [(index, reference.randrange(4)) for index in range(4000)]
    assert decide(make_router("random", 11), queue, *four) == expected
    assert decide(make_router("random", 12), queue, *four) != expected
    counts = [sum(replica == index for _, replica in expected) for index in range(4)]
    assert min(counts) > 900


def test_least_outstanding_counts_waiting_requests_only_and_its_own_assignments():
    busy_but_none_waits, one_waits = Seen(0, num_running=50), Seen(1, waiting(8))
    assert decide(make_router("least-outstanding", 0), held(1, 1, 1), busy_but_none_waits, one_waits) == [
        (0, 0),  # 0 against 1
        (1, 0),  # 1 against 1: the lower id
        (2, 1),  # 2 against 1
    ]


def test_llq_counts_waiting_and_running_and_its_own_assignments():
    replicas = [Seen(0, num_running=3), Seen(1, waiting(8), num_running=1), Seen(2, num_running=2)]
    assert decide(make_router("llq", 0), held(1, 1, 1, 1), *replicas) == [(0, 1), (1, 2), (2, 0), (3, 1)]


def test_hra_sends_the_shortest_prompt_first_to_the_replica_with_the_least_committed_memory():
    # 100 tokens reserve ceil(160 / 16) = 10 blocks, 50 tokens 5, 200 tokens 20.
    replicas = [Seen(0, kv_blocks_used=40), Seen(1, waiting(300), kv_blocks_used=5)]  # committed: 40 and 5 + 30
    assert decide(make_router("hra", 0), held(200, 50, 100), *replicas) == [
        (1, 1),  # 35 < 40, then 40
        (2, 0),  # 40 = 40 blocks: fewer requests at 0 (none against 2)
        (0, 1),  # 50 against 40
    ]


def test_hra_keeps_three_percent_free_and_its_head_blocks_the_rest():
    router = make_router("hra", 0)
    full = [Seen(0, kv_blocks_used=88), Seen(1, kv_blocks_used=90)]
    assert decide(router, held(100), *full) == []  # 88 + 10 leaves 2 of 100 free, 3 are kept
    assert decide(router, held(100, 101), Seen(0, kv_blocks_used=87)) == [(0, 0)]  # 97: exactly the margin


def test_hra_remembers_what_it_holds_and_takes_a_later_shorter_prompt_first():
    router = make_router("hra", 0)
    first, second, third = held(500, 400, 20)
    assert decide(router, [first, second], Seen(0, kv_blocks_used=80)) == []
    assert decide(router, [first, second, third], Seen(0, kv_blocks_used=80)) == [(2, 0)]
    assert decide(router, [first, second], Seen(0)) == [(1, 0), (0, 0)]


def test_hra_breaks_ties_of_prompts_by_arrival_and_of_replicas_by_id():
    assert decide(make_router("hra", 0), held(10, 10, 10), Seen(0), Seen(1)) == [(0, 0), (1, 1), (2, 0)]


def test_power_of_two_takes_the_less_loaded_of_two_different_replicas_drawn_from_the_seed():
    loads = (3, 0, 2, 1)
    four = [Seen(index, waiting(*[8] * (load // 2)), num_running=load - load // 2) for index, load in enumerate(loads)]
    router, reference = make_router("power-of-two", 5), random.Random(5)
    for _ in range(50):
        first, second = reference.randrange(4), reference.randrange(3)
        second += second >= first
        assert decide(router, held(1), *four) == [(0, min(first, second, key=lambda index: loads[index]))]


def test_power_of_two_never_takes_the_busiest_leaves_a_tie_to_chance_and_counts_its_own_assignments():
    taken = {decide(make_router("power-of-two", seed), held(1), Seen(0), Seen(1))[0][1] for seed in range(20)}
    assert taken == {0, 1}
    both = decide(make_router("power-of-two", 1), held(*[1] * 10), Seen(0, num_running=4), Seen(1))
    assert [replica for _, replica in both[:4]] == [1] * 4
    assert sorted(replica for _, replica in both).count(0) == 3  # 4 running and 3 against 7


def test_least_kv_counts_blocks_in_use_and_not_what_waits_and_leaves_ties_to_the_lowest_id():
    replicas = [Seen(0, kv_blocks_used=9), Seen(1, waiting(900), kv_blocks_used=5), Seen(2, kv_blocks_used=5)]
    assert decide(make_router("least-kv", 0), held(17, 64, 16), *replicas) == [(0, 1), (1, 2), (2, 1)]  # 5, 5, 7 of 9


def test_the_expert_counts_of_each_request_its_prompt_or_what_is_processed_if_that_is_more():
    # Of 16 blocks the limit is 15: 100 and 40 tokens make 7 + 3, 20 tokens processed to 241 make 16.
    prefilling = Seen(0, waiting(100), 1, running=(ReplicaRequest(7, 0, 40, 8, 0),), kv_blocks_total=16)
    decoding = Seen(1, num_running=1, running=(ReplicaRequest(8, 0, 20, 241, 0),), kv_blocks_total=16)
    assert decide(make_router("expert", 0), held(5), prefilling, decoding) == [(0, 0)]


def test_the_expert_sends_the_shortest_first_to_the_fewest_requests_of_the_replicas_up_to_their_limit():
    sixteens = tuple(ReplicaRequest(200 + index, 0, 16, 16, 0) for index in range(4))
    replicas = [Seen(0, waiting(64), kv_blocks_total=16), Seen(1, num_running=4, running=sixteens, kv_blocks_total=16)]
    assert decide(make_router("expert", 0), held(200, 16, 100, 300, 400), *replicas) == [
        (1, 0),  # 1 request against 4; then 4 + 1 blocks
        (2, 0),  # 2 against 4; then 12 blocks
        (0, 0),  # 3 against 4, and 12 blocks are not above 15; then 25 are
        (3, 1),  # the only one below its limit; then no replica is
    ]
    assert decide(make_router("expert", 0), held(999), Seen(0, waiting(240), kv_blocks_total=16)) == [(0, 0)]
    assert decide(make_router("expert", 0), held(1), Seen(0, waiting(241), kv_blocks_total=16)) == []


def test_the_expert_leaves_ties_to_the_seed():
    three = [Seen(0, num_running=1), Seen(1), Seen(2)]
    for seed in range(10):
        expected = (1, 2)[random.Random(seed).randrange(2)]
        assert decide(make_router("expert", seed), held(1), *three) == [(0, expected)]


@pytest.mark.parametrize("name", router_names())
def test_no_router_sends_anything_to_a_replica_that_does_not_accept(name):
    router = make_router(name, 1)
    decisions = decide(router, held(*[10] * 20), Seen(0, accepts=False), Seen(1, kv_blocks_total=9000))
    assert decisions == [(index, 1) for index in range(20)]
    assert decide(make_router(name, 1), held(10), Seen(0, accepts=False)) == []


@pytest.mark.parametrize("name", router_names())
def test_a_shipped_file_keeps_to_the_contract_of_a_design(name):
    tree = ast.parse(router_source(name))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= ALLOWED_IMPORTS
    assert (ast.get_docstring(tree) or "").partition("\n")[0].endswith(".")


def test_the_catalogue_is_complete_and_an_unknown_name_gets_the_nearest():
    assert router_names() == [
        *("cache-aware", "expert", "funsearch", "hra", "kv-cost", "least-kv", "least-outstanding", "llq", "lmetric"),
        *("load-aware", "power-of-two", "prefix-scorer", "random", "round-robin", "session-affinity"),
    ]
    with pytest.raises(UnknownPolicy, match="no router 'roundrobin'; did you mean 'round-robin'"):
        make_router("roundrobin", 0)
    with pytest.raises(UnknownPolicy, match="known are cache-aware, expert, funsearch"):
        router_source("xyzzy")
