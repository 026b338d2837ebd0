"""Replicas that start, drain, crash, are repaired and slow down, on hand-made cases.

On the smoke cluster without attention cost an iteration of n tokens takes the A10 profile's linear time: 4 tokens
32.064 ms, 1 token 30.448 ms.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.alarms import FAR
from sim.cost import cost_of
from sim.engine import Policies, simulate, simulate_workload
from sim.errors import IllegalDecision
from sim.faults import drawn_crashes
from sim.policies import make_router, router_names
from sim.result import OUTCOMES
from sim.scenario import AutoscalerSpec, Fault, FaultsSpec, PoolSpec

NS4 = 32_064_000
NS1 = 30_448_000
S = 10**9


class Router:
    """Sends all it may to the replica that ``choose`` says (the first that accepts), and notes what it was shown."""

    def __init__(self, choose=None, timer_s=None):
        self.calls = []
        self.timer_s = timer_s
        self.choose = choose or (lambda queue, cluster: [(r, next(accepting(cluster))) for r in queue])

    def route(self, queue, cluster):
        self.calls.append((cluster.now_ns, [r.id for r in queue], [f"{r.id} {r.state}" for r in cluster.replicas]))
        if not any(replica.accepts for replica in cluster.replicas):
            return []
        return self.choose(queue, cluster)


def accepting(cluster):
    return (replica for replica in cluster.replicas if replica.accepts)


class Wants:
    """An autoscaler with its answers by the second at which it is asked; 1 where it has none."""

    def __init__(self, **answers):
        self.answers = {int(key.removeprefix("at")): value for key, value in answers.items()}
        self.shown = []
        self.last = 1

    def scale(self, fleet, history):
        (pool,) = fleet.pools
        self.shown.append((fleet.now_s, pool.ready, pool.starting, pool.draining, pool.down))
        self.last = self.answers.get(fleet.now_ns // S, self.last)
        return self.last


@pytest.fixture
def elastic(small_cluster):
    """One replica at the start, none to four under an autoscaler that is asked every second; cold starts take 2 s."""

    def make(replicas=1, cold_start_s=2.0, **fields):
        scenario = small_cluster(replicas=replicas, **fields)
        pool = PoolSpec("main", scenario.cluster, scenario.cost, 0, 4)
        spec = AutoscalerSpec(interval_s=1.0, cold_start_s=cold_start_s)
        return replace(scenario, more_pools=(pool,), autoscaling=spec)

    return make


def run(scenario, work, router, autoscaler=None, seed=0):
    policies = Policies(router, {"router": "mine", "autoscaler": "wants"}, autoscaler=autoscaler)
    return simulate_workload(scenario, work, policies, seed)


def faulty(scenario, *faults):
    return replace(scenario, faults=FaultsSpec(listed=tuple(Fault(*fault) for fault in faults)))


def prefill_ns(scenario, tokens):
    """What a prefill of so many tokens takes without attention."""
    return cost_of(scenario.pools[0]).iteration_ns(0, 0, 1, tokens, 0)


def finishes(result):
    return list(zip(result.requests.finish_ns.tolist(), result.requests.replica.tolist(), strict=True))


# -- crashes and repairs


def test_a_crash_loses_the_running_iteration_and_the_request_starts_over_elsewhere(small_cluster, workload):
    router = Router()
    scenario = faulty(small_cluster(replicas=2), ("crash", 0, 0.04, 1.0))
    result = run(scenario, workload((0, 4, 3)), router)
    # The prefill ended at 32 ms; the decode that ran at 40 ms is lost, the token before it isn't: 5 tokens to prefill.
    again = 40_000_000 + prefill_ns(scenario, 5)
    assert finishes(result) == [(again + NS1, 1)]
    assert result.requests.first_token_ns.tolist() == [NS4]
    assert result.requests.restarts.tolist() == [1]
    assert result.requests.routed_ns.tolist() == [0]
    assert router.calls[1] == (40_000_000, [0], ["0 down", "1 ready"])


def test_an_iteration_that_ends_at_the_crash_counts(small_cluster, workload):
    scenario = faulty(small_cluster(replicas=1), ("crash", 0, NS4 / S, 1.0))
    result = run(scenario, workload((0, 4, 1)), Router())
    assert finishes(result) == [(NS4, 0)]
    assert result.requests.restarts.tolist() == [0]


def test_a_crash_within_a_run_of_decodes_keeps_those_that_ended(small_cluster, workload):
    scenario = faulty(small_cluster(replicas=1), ("crash", 0, (NS4 + 10 * NS1) / S, 1.0))
    result = run(scenario, workload((0, 4, 20)), Router())
    # 11 tokens are out when it crashes; the prefill of 4 + 11 tokens yields the twelfth, 8 decodes follow.
    assert result.requests.restarts.tolist() == [1]
    repaired = NS4 + 10 * NS1 + S
    assert finishes(result) == [(repaired + prefill_ns(scenario, 15) + 8 * NS1, 0)]


def test_what_comes_back_takes_its_place_by_arrival_waiting_or_running(small_cluster, workload):
    def but_2(queue, cluster):
        return [(r, next(accepting(cluster))) for r in queue if r.id < 2 or r.restarts]

    hold_from_2 = Router(but_2)
    scenario = faulty(small_cluster(replicas=1, max_num_seqs=1), ("crash", 0, 0.01, 1.0))
    work = workload((0, 4, 1), (1, 4, 1), (2, 4, 1))
    run(scenario, work, hold_from_2)
    crashed = [call for call in hold_from_2.calls if call[0] == 10_000_000]
    assert crashed == [(10_000_000, [0, 1, 2], ["0 down"])]


def test_after_its_repair_a_replica_starts_cold_and_is_ready_again(elastic, workload):
    router = Router()
    scenario = faulty(elastic(cold_start_s=2.0), ("crash", 0, 0.5, 3.0))
    wants = Wants()
    result = run(scenario, workload((0, 4, 1), (S, 4, 1)), router, wants)
    assert [call[0] for call in router.calls] == [0, S, 5_500_000_000]
    assert finishes(result)[1] == (5_500_000_000 + NS4, 0)
    assert wants.shown[:4] == [(1.0, 0, 0, 0, 1), (2.0, 0, 0, 0, 1), (3.0, 0, 0, 0, 1), (4.0, 0, 1, 0, 0)]


def test_a_crash_while_it_starts_begins_the_repair_anew(elastic, workload):
    scenario = faulty(elastic(), ("crash", 0, 0.5, 1.0), ("crash", 0, 2.0, 1.0))
    router = Router()
    run(scenario, workload((S, 4, 1)), router, Wants())
    # Down until 1.5 s, starting until it crashes at 2 s, down until 3 s, ready at 5 s.
    assert [call[0] for call in router.calls] == [S, 5 * S]


def test_what_is_down_or_off_cant_crash(elastic, workload):
    scenario = faulty(elastic(), ("crash", 1, 0.5, 9.0), ("crash", 0, 0.5, 2.0), ("crash", 0, 2.4, 9.0))
    router = Router()
    run(replace(scenario, autoscaling=None), workload((S, 4, 1)), router)
    assert [call[0] for call in router.calls] == [S, 2_500_000_000]


def test_what_outgrew_every_pool_by_the_crash_is_rejected(small_cluster, workload):
    scenario = faulty(small_cluster(replicas=2, kv_blocks=3, watermark_fraction=0.4), ("crash", 0, 0.3, 1.0))
    # Two blocks can be admitted, 32 tokens; the third takes what decodes add: 31 + 9 tokens when it crashes.
    result = run(scenario, workload((0, 31, 16)), Router())
    assert [OUTCOMES[code] for code in result.requests.outcome] == ["rejected"]
    assert result.requests.finish_ns.tolist() == [300_000_000]


def test_a_run_waits_an_hour_for_what_could_still_move_a_request(small_cluster, workload):
    scenario = small_cluster(replicas=1)
    patient = run(faulty(scenario, ("crash", 0, 1.0, 3599.0)), workload((2 * S, 4, 1)), Router())
    assert patient.summary["requests"]["finished"] == 1
    gone = run(faulty(scenario, ("crash", 0, 1.0, 3602.0)), workload((2 * S, 4, 1)), Router())
    assert gone.summary["requests"]["unfinished"] == 1
    assert gone.summary["simulated_s"] == 2.0


def test_drawn_crashes_depend_on_the_seed_and_the_replica_alone(smoke):
    spec = FaultsSpec(mean_between_s=100.0, mean_down_s=10.0)

    def some(seed, replica):
        crashes = drawn_crashes(spec, replica, seed)
        return [next(crashes) for _ in range(400)]

    assert some(1, 0) == some(1, 0)
    assert len({some(seed, replica)[0] for seed in (1, 2) for replica in (0, 1)}) == 4
    ends = [at + down for at, down in some(1, 0)]
    assert all(later[0] > end for end, later in zip(ends, some(1, 0)[1:], strict=False))
    assert 80 < ends[-1] / S / 400 < 140
    assert list(drawn_crashes(FaultsSpec(), 0, 1)) == []


@pytest.mark.parametrize("name", router_names())
def test_every_shipped_router_serves_through_crashes(smoke, name):
    scenario = replace(smoke, faults=FaultsSpec(mean_between_s=4.0, mean_down_s=1.0))
    for seed in (1, 2):
        summary = simulate(scenario, Policies(make_router(name, seed), {"router": name}), seed).summary
        assert summary["requests"]["finished"] == summary["requests"]["arrived"]
        assert summary["crash_restarts"] > 0


# -- slowdowns


def test_a_slowdown_counts_from_the_next_iteration_on(small_cluster, workload):
    # The decode that runs when it begins keeps its time; the one that runs when it ends stays slow.
    begin, end = NS4 + NS1 + NS1 // 2, NS4 + 2 * NS1 + NS1 // 2
    scenario = faulty(small_cluster(replicas=1), ("slow", 0, begin / S, (end - begin) / S, 300))
    result = run(scenario, workload((0, 4, 6)), Router())
    assert finishes(result) == [(NS4 + 2 * NS1 + 3 * NS1 + 2 * NS1, 0)]


def test_at_the_end_of_an_iteration_a_slowdown_counts_for_the_next(small_cluster, workload):
    scenario = faulty(small_cluster(replicas=1), ("slow", 0, (NS4 + NS1) / S, 5.0, 200))
    result = run(scenario, workload((0, 4, 4)), Router())
    assert finishes(result) == [(NS4 + NS1 + 2 * 2 * NS1, 0)]


def test_a_slowdown_outlasts_a_repair(small_cluster, workload):
    scenario = faulty(small_cluster(replicas=1), ("slow", 0, 0.0, 9.0, 200), ("crash", 0, 1.0, 1.0))
    result = run(scenario, workload((3 * S, 4, 1)), Router())
    assert finishes(result) == [(3 * S + 2 * NS4, 0)]


# -- scaling


def test_a_replica_is_ready_a_cold_start_after_the_decision(elastic, workload):
    router, wants = Router(), Wants(at2=3)
    result = run(elastic(cold_start_s=2.5), workload((0, 4, 1), (4_400_000_000, 4, 1), (5 * S, 4, 1)), router, wants)
    assert router.calls[1][2] == ["0 ready", "1 starting", "2 starting"]
    assert router.calls[2][2] == ["0 ready", "1 ready", "2 ready"]
    assert wants.shown[:4] == [(1.0, 1, 0, 0, 0), (2.0, 1, 0, 0, 0), (3.0, 1, 2, 0, 0), (4.0, 1, 2, 0, 0)]
    assert result.telemetry.rows[3].states == ("ready", "starting", "starting", "off")


def test_scaling_down_drains_the_emptiest_ready_replica_and_the_highest_of_equals(elastic, workload):
    by_id = Router(lambda queue, cluster: [(r, cluster.replicas[r.id % 2 if r.id < 3 else 0]) for r in queue])
    # Replicas 0 and 1 have two requests and one; 2 has none. Asked for two, 2 goes; asked for one, 1 drains.
    work = workload((0, 4, 200), (0, 4, 200), (0, 4, 200), (4_500_000_000, 4, 1))
    result = run(elastic(replicas=3), work, by_id, Wants(at1=2, at2=1))
    states = [row.states for row in result.telemetry.rows]
    assert states[1] == ("ready", "ready", "off", "off")
    assert states[2] == ("ready", "draining", "off", "off")
    assert result.requests.restarts.tolist() == [0, 0, 0, 0]


def test_a_drain_finishes_what_it_has_and_accepts_nothing(elastic, workload):
    def even(queue, cluster):
        return [(r, list(accepting(cluster))[-1]) for r in queue]

    router = Router(even)
    result = run(elastic(replicas=2), workload((0, 4, 100), (2 * S, 4, 1)), router, Wants(at1=1))
    # Both are equally full but for request 0 on replica 1, so 0 goes: it is empty and off at once.
    assert router.calls[1][2] == ["1 ready"]
    assert result.telemetry.rows[1].states == ("off", "ready", "off", "off")


def test_a_draining_replica_is_off_when_its_last_request_finishes(elastic, workload):
    last = NS4 + 99 * NS1
    router = Router(lambda queue, cluster: [(r, cluster.replicas[r.id % 2]) for r in queue])
    result = run(elastic(replicas=2), workload((0, 4, 200), (0, 4, 100), (last, 4, 1)), router, Wants(at1=1))
    assert router.calls[-1][0] == last
    assert router.calls[-1][2] == ["0 ready"]
    assert result.telemetry.rows[1].states[1] == "draining"
    assert finishes(result)[1] == (last, 1)


def test_scaling_up_takes_back_what_drains_before_it_starts_anything(elastic, workload):
    router = Router(lambda queue, cluster: [(r, cluster.replicas[r.id % 2]) for r in queue])
    wants = Wants(at1=1, at2=3)
    result = run(elastic(replicas=2), workload((0, 4, 200), (0, 4, 200), (3 * S, 4, 1)), router, wants)
    assert result.telemetry.rows[1].states == ("ready", "draining", "off", "off")
    assert result.telemetry.rows[2].states == ("ready", "ready", "starting", "off")


def test_scaling_down_stops_starting_replicas_first_the_latest_first(elastic, workload):
    wants = Wants(at1=2, at2=4, at3=2)
    result = run(elastic(cold_start_s=60.0), workload((0, 4, 200)), Router(), wants)
    assert result.telemetry.rows[2].states == ("ready", "starting", "starting", "starting")
    assert result.telemetry.rows[3].states == ("ready", "starting", "off", "off")


def test_a_draining_replica_that_crashes_is_off_and_what_it_had_comes_back(elastic, workload):
    def choose(queue, cluster):
        return [(r, cluster.replicas[-1] if not r.restarts else cluster.replicas[0]) for r in queue]

    scenario = faulty(elastic(replicas=2), ("crash", 1, 1.5, 1.0))
    result = run(scenario, workload((0, 4, 100), (1, 4, 100)), Router(choose), Wants(at1=0))
    assert result.telemetry.rows[1].states == ("off", "draining", "off", "off")
    assert result.telemetry.rows[2].states == ("off", "off", "off", "off")
    assert result.summary["requests"]["unfinished"] == 2


def test_what_is_down_is_repaired_not_replaced(elastic, workload):
    scenario = faulty(elastic(), ("crash", 0, 0.5, 4.0))
    result = run(scenario, workload((0, 4, 1), (S, 4, 1)), Router(), Wants(at1=2))
    assert result.telemetry.rows[1].states == ("down", "starting", "off", "off")
    assert finishes(result)[1] == (3 * S + NS4, 1)


def test_a_number_is_kept_within_the_limits_of_the_pool(elastic, workload):
    result = run(elastic(cold_start_s=0.0), workload((0, 4, 100)), Router(), Wants(at1=99))
    assert result.telemetry.rows[1].states == ("ready",) * 4


def test_without_a_cold_start_a_replica_serves_at_the_decision(elastic, workload):
    scenario = elastic(cold_start_s=0.0)
    held = run(scenario, workload((0, 4, 1), (1_500_000_000, 4, 1)), Router(), Wants(at1=0, at3=1))
    assert finishes(held)[1] == (3 * S + NS4, 0)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (-1, "-1 is no number of replicas of pool 'main'"),
        (2.0, "2.0 is no number of replicas"),
        (True, "True is no number of replicas"),
        (None, "None is no number of replicas"),
        ({"mian": 2}, "there is no pool 'mian'; did you mean 'main'"),
        ({"main": "2"}, "'2' is no number of replicas"),
    ],
)
def test_an_illegal_answer_names_the_autoscaler_the_time_and_the_answer(elastic, workload, answer, complaint):
    start = "^Autoscaler 'wants' made an illegal decision at 2.000000 s: "
    with pytest.raises(IllegalDecision, match=start + complaint):
        run(elastic(), workload((0, 4, 100)), Router(), Wants(at2=answer))


def test_the_history_has_a_sample_every_interval_and_one_of_now(elastic, workload):
    seen = {}

    class Looks:
        interval_s = 3.0

        def scale(self, fleet, history):
            seen[fleet.now_s] = [sample.t_s for sample in history]
            seen["last"] = history[-1]
            return 1

    scenario = elastic()
    spec = AutoscalerSpec(interval_s=1.0, cold_start_s=0.0, sample_interval_s=2.0, history_s=4.0)
    run(replace(scenario, autoscaling=spec), workload((0, 4, 290), (8_990_000_000, 4, 1)), Router(), Looks())
    assert seen[3.0] == [0.0, 2.0, 3.0]
    assert seen[9.0] == [6.0, 8.0, 9.0]
    last = seen["last"]
    assert (last.ready, last.present, last.running, last.waiting, last.held) == (1, 1, 1, 0, 0)
    assert (last.arrived_total, last.finished_total, last.prompt_tokens_total) == (2, 1, 8)
    assert last.output_tokens_total == 290
    assert last.kv_usage == 1 / 128


def test_a_replica_of_one_pool_that_takes_the_place_of_another_pools_is_no_more_at_once(elastic, workload):
    scenario = elastic(cold_start_s=0.0)
    (pool,) = scenario.pools
    scenario = replace(scenario, more_pools=(replace(pool, name="first"), replace(pool, name="second")))
    swaps = Wants(at1={"first": 2, "second": 0})
    swaps.scale = lambda fleet, history: swaps.answers[1]
    result = run(scenario, workload((0, 4, 1), (2 * S, 4, 1)), Router(), swaps)
    assert [row.states.count("ready") for row in result.telemetry.rows] == [2, 2, 2, 2]
    assert result.summary["replicas_max"] == 2


# -- the router


def test_the_router_hears_of_every_change_of_what_accepts(elastic, workload):
    nowhere = Router(lambda queue, cluster: [])
    scenario = faulty(elastic(), ("crash", 0, 0.25, 0.25))
    run(scenario, workload((0, 4, 1)), nowhere, Wants(at1=2))
    assert [call[0] for call in nowhere.calls][:4] == [0, S // 4, 2_500_000_000, 3 * S]


def test_a_timer_asks_again_while_something_is_held(small_cluster, workload):
    def after_a_while(queue, cluster):
        return [(r, cluster.replicas[0]) for r in queue if cluster.now_ns - r.arrival_ns >= 25_000_000]

    router = Router(after_a_while, timer_s=0.01)
    result = run(small_cluster(replicas=1), workload((0, 4, 1), (5_000_000, 4, 1)), router)
    times = [call[0] // 1_000_000 for call in router.calls]
    assert times == [0, 5, 15, 25, 35]
    assert result.requests.routed_ns.tolist() == [25_000_000, 35_000_000]


def test_a_timer_that_is_too_short_is_refused(small_cluster, workload):
    with pytest.raises(IllegalDecision, match="a timer_s of 1e-06 is too short"):
        run(small_cluster(), workload((0, 4, 1)), Router(lambda queue, cluster: [], timer_s=1e-6))


class AlwaysInside(float):
    """A number that calls itself greater and less than every other."""

    def __ge__(self, other):
        return True

    __le__ = __gt__ = __lt__ = __ge__


@pytest.mark.parametrize("value", [float("nan"), float("inf"), AlwaysInside("nan"), -1.0, "x", True, 1e300, 10**400])
def test_a_time_that_is_no_number_of_seconds_is_an_illegal_decision(small_cluster, elastic, workload, value):
    with pytest.raises(IllegalDecision, match=r"Router 'mine' .* timer_s is .*, not a number of seconds above 0"):
        run(small_cluster(), workload((0, 4, 1)), Router(lambda queue, cluster: [], timer_s=value))
    wants = Wants()
    wants.interval_s = value
    with pytest.raises(IllegalDecision, match=r"Autoscaler 'wants' .* interval_s is .*, not a number of seconds"):
        run(elastic(), workload((0, 4, 1)), Router(), wants)


def test_a_router_that_answers_nothing_to_iterate_over_is_told_what_to_return(small_cluster, workload):
    with pytest.raises(IllegalDecision, match=r"route must return .* pairs, but it returned NoneType"):
        run(small_cluster(), workload((0, 4, 1)), Router(lambda queue, cluster: None))


def test_an_answer_without_end_is_illegal_after_one_pair_too_many(small_cluster, workload):
    def endless(queue, cluster):
        while True:
            yield queue[0], cluster.replicas[0]

    with pytest.raises(IllegalDecision, match="request 0 was assigned twice"):
        run(small_cluster(), workload((0, 4, 1)), Router(endless))


@pytest.mark.parametrize(
    ("target", "complaint"),
    [(1, "replica 1 accepts no requests, it is starting"), (3, r"no replica 3 \(known are 0 to 1\)")],
)
def test_routing_to_what_does_not_accept_or_exist_is_illegal(elastic, workload, target, complaint):
    class Target:
        id = target

    def choose(queue, cluster):
        return [(r, Target if r.id else cluster.replicas[0]) for r in queue]

    with pytest.raises(IllegalDecision, match=complaint):
        run(elastic(), workload((0, 4, 1), (1_500_000_000, 4, 1)), Router(choose), Wants(at1=2))


# -- pools


@pytest.fixture
def two_pools(small_cluster):
    """One large and slow replica, and one with room for 3 blocks, of which an admission leaves one free."""
    scenario = small_cluster(replicas=1)
    large = PoolSpec("large", scenario.cluster, scenario.cost, 1, 1)
    small = replace(scenario.cluster, kv_blocks=3, watermark_fraction=0.34, usd_per_gpu_hour=4.0)
    return replace(scenario, more_pools=(large, PoolSpec("small", small, scenario.cost, 1, 1)))


def test_replicas_are_counted_through_the_pools(two_pools, workload):
    shown = []

    def look(queue, cluster):
        shown.extend((r.id, r.pool, r.kv_blocks_total, r.hardware.usd_per_gpu_hour) for r in cluster.replicas)
        return [(r, cluster.replicas[1]) for r in queue]

    run(two_pools, workload((0, 4, 1)), Router(look))
    assert shown == [(0, "large", 128, 1.0), (1, "small", 3, 4.0)]


def test_a_prompt_that_one_pool_can_take_is_no_reject_and_sending_it_to_the_other_is_illegal(two_pools, workload):
    work = workload((0, 33, 1))
    assert run(two_pools, work, Router()).summary["requests"]["finished"] == 1
    to_small = Router(lambda queue, cluster: [(r, cluster.replicas[1]) for r in queue])
    complaint = "request 0: its prompt of 33 tokens can never fit replica 1, which takes 32 at most"
    with pytest.raises(IllegalDecision, match=complaint):
        run(two_pools, work, to_small)


def test_what_has_generated_too_much_for_a_pool_is_rejected_there_at_once(two_pools, workload):
    scenario = faulty(two_pools, ("crash", 0, 1.0, 5.0))
    router = Router(lambda queue, cluster: [(r, next(accepting(cluster))) for r in queue])
    result = run(scenario, workload((0, 20, 100)), router)
    # 20 + 32 tokens when replica 0 crashes: too many for replica 1, and the router couldn't know.
    assert [OUTCOMES[code] for code in result.requests.outcome] == ["rejected"]
    assert (result.requests.finish_ns.tolist(), result.requests.replica.tolist()) == ([S], [1])


# -- stale telemetry


def test_a_scrape_shows_counts_as_they_were_and_state_as_it_is(small_cluster, workload):
    shown = []

    class Looks:
        def route(self, queue, cluster):
            return look(queue, cluster)

    def look(queue, cluster):
        replica = cluster.replicas[0]
        lists = ([r.id for r in replica.waiting], [(r.id, r.processed_tokens) for r in replica.running])
        counts = (replica.num_waiting, replica.num_running, replica.kv_blocks_used, replica.kv_blocks_total)
        shown.append((cluster.now_ns, replica.state, counts, lists))
        return [(r, replica) for r in queue] if replica.accepts else []

    scenario = replace(small_cluster(replicas=1, max_num_seqs=1), scrape_interval_s=1.0)
    work = workload((0, 20, 90), (500_000_000, 4, 1), (1_500_000_000, 4, 1), (2_500_000_000, 4, 1))
    run(faulty(scenario, ("crash", 0, 2.2, 0.8)), work, Looks())
    assert shown[0] == (0, "ready", (0, 0, 0, 128), ([], []))
    # Of 0 s, after its start: the prefill has its blocks and no token yet.
    assert shown[1] == (500_000_000, "ready", (0, 1, 2, 128), ([], [(0, 0)]))
    ended = (S - prefill_ns(scenario, 20)) // NS1
    assert shown[2] == (1_500_000_000, "ready", (1, 1, -(-(20 + ended + 1) // 16), 128), ([1], [(0, 20 + ended)]))
    assert (shown[3][0], shown[3][1], shown[3][2][:2]) == (2_200_000_000, "down", (2, 1))


def test_a_fleet_that_never_changes_has_nothing_due(small_cluster, workload):
    from sim.run import Run

    run = Run(small_cluster(), workload((0, 4, 1)), Router(), {}, 0)
    assert (run._lifecycle.due_ns, run._scaling, run._routing.timer_ns, run._views.due_ns) == (FAR, None, FAR, FAR)
