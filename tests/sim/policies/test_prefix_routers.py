"""The rules of the routers that look at prefixes and sessions, pinned on hand-made cases.

Content blocks have 16 tokens; a prompt's ids are written as words: an id stands for its block and all before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby

import pytest

from sim.api import NS_PER_S, HeldRequest, ReplicaRequest
from sim.policies import make_router
from sim.policies.routers import cache_aware, prefix_scorer
from sim.policies.routers.session_affinity import scatter
from tests.sim.policies.test_routers import Seen, SeenCluster, waiting

BLOCK = 16


def prompt(id, path, tokens=None, session=-1):
    """A request whose content blocks are the letters of ``path``: ``"ab"`` and ``"abc"`` share two."""
    hashes = tuple(int.from_bytes(path[: end + 1].encode(), "big") for end in range(len(path)))
    return HeldRequest(id, id, BLOCK * len(path) if tokens is None else tokens, session=session, prefix_hashes=hashes)


def decide(router, queue, *replicas, now_s=0):
    cluster = SeenCluster(list(replicas), now_ns=now_s * NS_PER_S, content_block_tokens=BLOCK)
    return [(request.id, replica.id) for request, replica in router.route(queue, cluster)]


@dataclass
class Caching(Seen):
    """A replica whose cache holds the prefixes of these paths."""

    holds: tuple[str, ...] = ()

    def cached_tokens(self, request):
        known = {hash for path in self.holds for hash in prompt(0, path).prefix_hashes}
        matched = next((i for i, hash in enumerate(request.prefix_hashes) if hash not in known), None)
        return BLOCK * (len(request.prefix_hashes) if matched is None else matched)


def test_cache_aware_follows_a_prefix_that_covers_more_than_three_tenths_and_else_takes_the_emptiest():
    router = make_router("cache-aware", 0)
    assert decide(router, [prompt(0, "abcdefghij")], Seen(0, num_running=1), Seen(1)) == [(0, 1)]
    busy = Seen(1, num_running=9)
    assert decide(router, [prompt(1, "abcvwxyzuv")], Seen(0), busy) == [(1, 0)]  # 3 of 10 blocks: not more than 0.3
    assert decide(router, [prompt(2, "abcdwxyzuv")], Seen(0), busy) == [(2, 1)]  # 4 of 10


def test_cache_aware_gives_up_the_prefix_when_the_load_is_too_uneven_and_remembers_where_it_went_instead():
    router = make_router("cache-aware", 0)
    decide(router, [prompt(0, "ab")], Seen(0), Seen(1, num_running=1))
    assert decide(router, [prompt(1, "ab")], Seen(0, num_running=64), Seen(1)) == [(1, 0)]  # 64 more: not above
    assert decide(router, [prompt(2, "ab")], Seen(0, num_running=65), Seen(1)) == [(2, 1)]
    assert decide(router, [prompt(3, "ab")], Seen(0, num_running=195), Seen(1, num_running=130)) == [(3, 1)]
    # 195 is 1.5 times 130 and not more, so the prefix decides: both have it, and replica 1 is emptier.


def test_cache_aware_forgets_the_least_recently_used_from_its_end_once_a_minute(monkeypatch):
    monkeypatch.setattr(cache_aware, "MAX_TREE_TOKENS", 3 * BLOCK)
    router = make_router("cache-aware", 0)
    decide(router, [prompt(0, "abc"), prompt(1, "xy")], Seen(0))
    assert decide(router, [prompt(2, "abc", BLOCK * 3)], Seen(0, num_running=1), Seen(1), now_s=59) == [(2, 0)]
    # Used last: c, b and a; x and y are forgotten.
    assert decide(router, [prompt(3, "xy")], Seen(0, num_running=1), Seen(1), now_s=60) == [(3, 1)]


def test_the_prefix_scorer_weighs_queue_and_memory_by_two_and_the_prefix_by_three():
    router = make_router("prefix-scorer", 0)
    assert decide(router, [prompt(0, "abcd")], Seen(0, num_running=5), Seen(1, waiting(8))) == [(0, 0)]  # 4 against 2
    worse = Seen(0, waiting(8), kv_blocks_used=49)
    assert decide(router, [prompt(1, "abcd")], worse, Seen(1)) == [(1, 0)]  # 0 + 1.02 + 3 against 2 + 2 + 0
    assert decide(router, [prompt(2, "abwx")], worse, Seen(1)) == [(2, 1)]  # 0 + 1.02 + 1.5 against 2 + 2 + 0
    assert decide(router, [prompt(3, "abcd")], worse, Seen(1, kv_blocks_used=80)) == [(3, 0)]  # against 2 + 0.4 + 1.5


def test_the_prefix_scorer_breaks_ties_by_chance_and_forgets_the_least_recently_used(monkeypatch):
    firsts = {decide(make_router("prefix-scorer", seed), [prompt(0, "a")], Seen(0), Seen(1))[0][1] for seed in range(9)}
    assert firsts == {0, 1}
    monkeypatch.setattr(prefix_scorer, "INDEX_TOKENS", 2 * BLOCK)
    router = make_router("prefix-scorer", 0)
    decide(router, [prompt(0, "abc")], Seen(0))  # a is forgotten, and with it the beginning of the prefix
    assert decide(router, [prompt(1, "abc")], Seen(0, num_running=1, kv_blocks_used=1), Seen(1)) == [(1, 1)]


def test_kv_cost_adds_blocks_to_prefill_and_blocks_in_use():
    router = make_router("kv-cost", 0)
    # For 4 new blocks: 4 + 7 + 4 on replica 0, (4 + 2) + 2 + 4 on replica 1.
    assert decide(router, [prompt(0, "abcd")], Caching(0, kv_blocks_used=7), Caching(1, waiting(32))) == [(0, 1)]
    # Its cache spares replica 0 three blocks twice, of prefill and of memory: 1 + 7 + 1 against 12.
    warm = Caching(0, kv_blocks_used=7, holds=("abc",))
    assert decide(router, [prompt(1, "abcd")], warm, Caching(1, waiting(32))) == [(1, 0)]


def test_kv_cost_counts_its_own_assignments_and_a_prefill_without_what_was_cached():
    router = make_router("kv-cost", 0)
    two = Caching(0, holds=("abc",)), Caching(1)
    assert decide(router, [prompt(0, "abcd"), prompt(1, "vwx")], *two) == [(0, 0), (1, 1)]  # 3 + 1 + 1 + 3, 3 + 3
    prefilling = (ReplicaRequest(0, 0, 4 * BLOCK, 8, 0),)
    # Request 0 still has its one new block to prefill: 1 + 2 + 0 + 2 against 2 + 4 + 2.
    running = Caching(0, num_running=1, running=prefilling)
    assert decide(router, [prompt(2, "yz")], running, Caching(1, kv_blocks_used=4)) == [(2, 0)]


def test_lmetric_multiplies_what_the_cache_lacks_by_the_load_plus_one():
    warm, cold = Caching(0, num_running=3, holds=("abc",)), Caching(1)
    assert decide(make_router("lmetric", 0), [prompt(0, "abcd")], warm, cold) == [(0, 0)]  # 16 * 4 and 64 * 1: a tie
    warm.num_running = 4
    assert decide(make_router("lmetric", 0), [prompt(0, "abcd")] * 2, warm, cold) == [(0, 1), (0, 0)]  # 80, 64; 80, 128


def test_load_aware_weighs_the_share_that_was_seen_against_the_load_above_the_mean():
    router = make_router("load-aware", 0)
    assert decide(router, [prompt(0, "abcd")], Seen(0), Seen(1)) == [(0, 0)]
    # Shares 0.75 and 0; the mean is 4, so load costs 0.5 and -0.5: 0.25 against 0.5.
    assert decide(router, [prompt(1, "abcx")], Seen(0, num_running=6), Seen(1, num_running=2)) == [(1, 1)]
    # Now both have seen "abc": 0.75 each, and the lower load wins; 0.75 against 0 at equal loads.
    assert decide(router, [prompt(2, "abcy")], Seen(0, num_running=1), Seen(1, num_running=2)) == [(2, 0)]
    assert decide(router, [prompt(3, "pq"), prompt(4, "pqrs")], Seen(0), Seen(1)) == [(3, 0), (4, 1)]
    # 0.5 - 0.5 / 1 against 0 + 0.5 / 1.


def test_a_session_stays_with_its_replica_and_few_move_when_one_goes():
    queue = [prompt(index, "a", session=index) for index in range(300)]
    router = make_router("session-affinity", 0)
    four = [Seen(index) for index in range(4)]
    before = dict(decide(router, queue, *four))
    assert before == dict(decide(router, list(reversed(queue)), *four))
    counts = [len(list(group)) for _, group in groupby(sorted(before.values()))]
    assert min(counts) > 40
    four[2].accepts = False
    after = dict(decide(router, queue, *four))
    assert {session for session in before if after[session] != before[session]} == {
        session for session, replica in before.items() if replica == 2
    }


def test_a_session_belongs_to_the_next_place_on_the_ring():
    places = sorted((scatter(replica * 160 + place), replica) for replica in range(3) for place in range(160))
    own = scatter(2**64 - 1 - 77)
    owner = next((replica for place, replica in places if place >= own), places[0][1])
    queue = [prompt(0, "a", session=77)]
    assert decide(make_router("session-affinity", 0), queue, Seen(0), Seen(1), Seen(2)) == [(0, owner)]


def test_without_a_session_the_replica_with_the_fewest_requests_of_the_last_minute_is_taken():
    router = make_router("session-affinity", 0)
    two = Seen(0), Seen(1)
    assert decide(router, [prompt(index, "a") for index in range(3)], *two) == [(0, 0), (1, 1), (2, 0)]
    assert decide(router, [prompt(3, "a")], *two, now_s=59) == [(3, 1)]
    assert decide(router, [prompt(4, "a"), prompt(5, "a")], *two, now_s=60) == [(4, 0), (5, 0)]  # 0 and 1, then 1 and 1


@dataclass
class NeverAsked(Seen):
    """A replica that accepts nothing: no router may look into its cache."""

    accepts: bool = False
    running: tuple[ReplicaRequest, ...] = field(default=())

    def cached_tokens(self, request):
        raise AssertionError


@pytest.mark.parametrize(
    "name", ["cache-aware", "kv-cost", "lmetric", "load-aware", "prefix-scorer", "session-affinity"]
)
def test_a_replica_that_accepts_nothing_is_not_asked_for_its_cache(name):
    queue = [prompt(0, "ab", session=4), prompt(1, "abc")]
    assert decide(make_router(name, 0), queue, NeverAsked(0), Caching(1)) == [(0, 1), (1, 1)]
