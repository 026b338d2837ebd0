"""The event order, the router's turns, and how a run ends, on hand-made workloads.

On the smoke cluster without attention cost an iteration of n tokens takes the A10 profile's linear time: 4 tokens
32.064 ms, 1 token 30.448 ms.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace

import pytest

from sim.cost import IterationCost, load_profile
from sim.engine import Policies, simulate
from sim.errors import IllegalDecision
from sim.policies import make_router, router_names
from sim.result import OUTCOMES
from tests.sim.conftest import columns

NS4 = 32_064_000
NS1 = 30_448_000


class Recorder:
    """Sends everything to replica 0, or to whatever ``choose`` says, and notes what it was shown."""

    def __init__(self, choose=None):
        self.calls = []
        self.new = []
        self.choose = choose or (lambda queue, cluster: [(r, cluster.replicas[0]) for r in queue])

    def route(self, queue, cluster):
        self.calls.append((cluster.now_ns, [r.id for r in queue]))
        self.new.append([r.id for r in queue.new])
        return self.choose(queue, cluster)


def rows(result):
    table = result.requests
    return list(zip(table.first_token_ns.tolist(), table.finish_ns.tolist(), table.replica.tolist(), strict=True))


def test_two_requests_at_once_run_side_by_side_and_a_third_joins_the_next_iteration(
    small_cluster, workload, run_router
):
    work = workload((0, 4, 2), (0, 4, 1), (1, 4, 1))
    result = run_router(small_cluster(replicas=2), work, "llq")
    # Requests 0 and 1 go to replicas 0 and 1; request 2 to replica 0, whose running iteration it can't join: it is
    # prefilled together with request 0's one decode (5 tokens, halfway between the rows of 4 and 8 tokens).
    cost = IterationCost(
        load_profile("a10-llama3-8b"), decode_attention_ns_per_token=0, prefill_attention_ps_per_pair=0
    )
    second = NS4 + cost.linear_ns(5)
    assert rows(result) == [(NS4, second, 0), (NS4, NS4, 1), (second, second, 0)]


def test_at_one_instant_iterations_end_then_requests_arrive_then_the_router_is_asked_once(
    small_cluster, workload, run_router
):
    recorder = Recorder()
    work = workload((0, 4, 1), (0, 4, 1), (NS4, 4, 1))
    result = run_router(small_cluster(replicas=1, max_num_seqs=1), work, recorder)
    assert recorder.calls == [(0, [0, 1]), (NS4, [2])]
    assert result.requests.first_scheduled_ns.tolist() == [0, NS4, 2 * NS4]


def test_an_arrival_at_the_end_of_an_iteration_is_in_the_next_one(small_cluster, workload, run_router):
    work = workload((0, 4, 1), (NS4, 4, 1))
    result = run_router(small_cluster(replicas=1), work, "llq")
    assert result.requests.first_scheduled_ns.tolist() == [0, NS4]


def test_the_router_is_asked_at_arrivals_and_completions_while_something_is_held(small_cluster, workload, run_router):
    def one_at_a_time(queue, cluster):
        free = cluster.replicas[0].num_running + cluster.replicas[0].num_waiting == 0
        return [(queue[0], cluster.replicas[0])] if free else []

    recorder = Recorder(one_at_a_time)
    work = workload((0, 4, 1), (10, 4, 1), (20, 4, 1))
    result = run_router(small_cluster(replicas=1), work, recorder)
    assert recorder.calls == [(0, [0]), (10, [1]), (20, [1, 2]), (NS4, [1, 2]), (2 * NS4, [2])]
    assert recorder.new == [[0], [1], [2], [], []]
    assert result.requests.routed_ns.tolist() == [0, NS4, 2 * NS4]


def test_what_is_held_for_ever_ends_unfinished(small_cluster, workload, run_router):
    recorder = Recorder(lambda queue, cluster: [])
    result = run_router(small_cluster(), workload((0, 4, 1), (5, 4, 1)), recorder)
    assert result.summary["requests"] == {"arrived": 2, "finished": 0, "rejected": 0, "unfinished": 2}
    assert result.summary["e2e_s"]["mean"] is None
    assert result.requests.finish_ns.tolist() == [-1, -1]


def test_a_prompt_that_fits_no_replica_is_rejected_at_arrival(small_cluster, workload, run_router):
    recorder = Recorder()
    scenario = small_cluster(kv_blocks=100, watermark_fraction=0.02)  # 98 blocks of 16 tokens can be admitted
    result = run_router(scenario, workload((0, 98 * 16, 1), (7, 98 * 16 + 1, 1)), recorder)
    assert recorder.calls == [(0, [0])]
    assert result.summary["requests"] == {"arrived": 2, "finished": 1, "rejected": 1, "unfinished": 0}
    assert result.requests.finish_ns.tolist()[1] == 7


def test_a_request_that_outgrows_the_cluster_is_rejected_and_the_router_hears_of_it(
    small_cluster, workload, run_router
):
    def after_the_other(queue, cluster):
        busy = cluster.replicas[0].num_running + cluster.replicas[0].num_waiting
        return [] if busy else [(queue[0], cluster.replicas[0])]

    scenario = small_cluster(replicas=1, kv_blocks=2, watermark_fraction=0.0)
    result = run_router(scenario, workload((0, 30, 99), (1, 4, 1)), Recorder(after_the_other))
    assert result.summary["requests"] == {"arrived": 2, "finished": 1, "rejected": 1, "unfinished": 0}
    rejected_ns, _ = result.requests.finish_ns.tolist()
    assert result.requests.routed_ns.tolist()[1] == rejected_ns + 1


def test_the_hash_of_the_decisions_is_that_of_time_kind_request_and_replica(small_cluster, workload, run_router):
    result = run_router(small_cluster(replicas=2), workload((3, 4, 1), (9, 4, 1)), "round-robin")
    routed_and_admitted = [(3, 0, 0, 0), (3, 1, 0, 0), (9, 0, 1, 1), (9, 1, 1, 1)]
    packed = b"".join(struct.pack("<qqqq", *decision) for decision in routed_and_admitted)
    assert result.decisions_sha256 == hashlib.sha256(packed).hexdigest()


class Impostor:
    def __init__(self, replica_id):
        self.id = replica_id


@pytest.mark.parametrize(
    ("choose", "complaint"),
    [
        (lambda q, c: [(q[0], Impostor(9))], "request 0: there is no replica 9"),
        (lambda q, c: [(q[0], Impostor(-1))], "request 0: there is no replica -1"),
        (lambda q, c: [(q[0], c.replicas[0]), (q[0], c.replicas[1])], "request 0 was assigned twice"),
        (lambda q, c: [(Impostor(7), c.replicas[0])], "request 7 is not held at the router"),
        (lambda q, c: [q[0]], "is not a .request, replica. pair"),
        (lambda q, c: [(q[0], None)], "is not a .request, replica. pair"),
        (lambda q, c: [(q[0], Impostor(True))], "is not a .request, replica. pair"),
    ],
    ids=["unknown", "negative", "twice", "not held", "no pair", "no replica", "no id"],
)
def test_an_illegal_decision_names_the_router_the_time_and_the_decision(
    small_cluster, workload, run_router, choose, complaint
):
    with pytest.raises(IllegalDecision, match=f"'mine' .* at 2.500000 s: .*{complaint}") as caught:
        run_router(small_cluster(), workload((2_500_000_000, 4, 1)), Recorder(choose))
    assert (caught.value.policy, caught.value.time_ns) == ("mine", 2_500_000_000)


def test_assigning_a_request_that_left_the_queue_is_illegal(small_cluster, workload, run_router):
    kept = []

    def again(queue, cluster):
        kept.extend(queue)
        return [(r, cluster.replicas[0]) for r in kept]

    with pytest.raises(IllegalDecision, match="request 0 is not held"):
        run_router(small_cluster(), workload((0, 4, 1), (5, 4, 1)), Recorder(again))


def test_none_of_an_answer_takes_effect_before_all_of_it_was_given(small_cluster, workload, run_router):
    seen = []

    def lazily(queue, cluster):
        for request in queue:
            yield request, cluster.replicas[0]
            seen.append((len(queue), cluster.replicas[0].num_waiting))

    run_router(small_cluster(), workload((0, 4, 1), (0, 4, 1)), Recorder(lazily))
    assert seen == [(2, 0), (2, 0)]


def test_views_show_queue_batch_and_memory(small_cluster, workload, run_router):
    shown = []

    def look(queue, cluster):
        replica = cluster.replicas[0]
        shown.append((replica.num_waiting, replica.num_running, replica.kv_blocks_used, cluster.block_tokens))
        waiting, running = replica.waiting, replica.running
        shown.append(([r.id for r in waiting], [(r.id, r.processed_tokens) for r in running]))
        return [(r, replica) for r in queue]

    work = workload((0, 20, 9), (0, 4, 9), (1, 4, 1), (200_000_000, 4, 1))
    run_router(small_cluster(replicas=1, max_num_seqs=2, kv_blocks=50), work, Recorder(look))
    assert shown[2:4] == [(0, 2, 3, 16), ([], [(0, 0), (1, 0)])]
    # 200 ms are one prefill and five decodes later: 20 + 5 and 4 + 5 tokens in the cache.
    assert shown[4:6] == [(1, 2, 3, 16), ([2], [(0, 25), (1, 9)])]


def test_no_view_holds_an_output_length(small_cluster, workload, run_router):
    secret = 4321

    def look(queue, cluster):
        fields = [getattr(queue[0], name) for name in type(queue[0]).__slots__]
        fields += [getattr(r, name) for r in cluster.replicas[0].running for name in type(r).__slots__]
        assert secret not in fields
        return [(r, cluster.replicas[0]) for r in queue]

    run_router(small_cluster(kv_blocks=1000), workload((0, 4, secret), (60_000_000, 4, secret)), Recorder(look))


@pytest.mark.parametrize("router", router_names())
def test_a_run_is_a_pure_function_of_its_arguments(smoke, router):
    def once():
        return simulate(smoke, Policies(make_router(router, 3), {"router": router}), 3)

    one, two = once(), once()
    assert one.summary == two.summary
    assert one.telemetry == two.telemetry
    assert columns(one) == columns(two)


def test_the_telemetry_interval_changes_no_decision_and_no_time(smoke):
    often = replace(smoke, telemetry_interval_s=0.0305)
    runs = [simulate(s, Policies(make_router("hra", 1), {"router": "hra"}), 1) for s in (smoke, often)]
    assert len(runs[1].telemetry.rows) > 10 * len(runs[0].telemetry.rows)
    assert runs[0].summary == runs[1].summary
    assert columns(runs[0]) == columns(runs[1])


def test_the_summary_has_the_documented_keys(smoke):
    summary = simulate(smoke, Policies(make_router("llq", 1), {"router": "llq"}), 1).summary
    assert set(summary) == {
        *("requests", "e2e_s", "ttft_s", "tpot_s", "preemptions", "requests_preempted", "throughput_rps"),
        *("output_tokens_per_s", "goodput_rps", "gpu_hours", "cost_usd", "kv_usage_mean", "simulated_s"),
        *("normalised_latency_s", "preemptions_per_request", "crash_restarts", "restarts_per_request"),
        "slo_attainment",
        *("jain_fairness", "gpu_hours_by_state", "gpu_hours_by_pool", "cost_usd_by_pool", "replicas_mean"),
        *("replicas_max", "batch_mean", "imbalance", "prefix_hit_rate", "usd_per_1k_good"),
        *("decisions_sha256", "workload_sha256", "scenario", "policies", "seed", "simulator"),
    }
    assert set(summary["e2e_s"]) == {"mean", "p50", "p90", "p99", "max"}
    assert (summary["scenario"], summary["policies"], summary["seed"]) == ("smoke", {"router": "llq"}, 1)


def test_smoke_shows_preemptions_and_finishes_everything(smoke):
    summary = simulate(smoke, Policies(make_router("llq", 1), {"router": "llq"}), 1).summary
    assert summary["preemptions"] > 0
    assert summary["requests"]["finished"] == summary["requests"]["arrived"] >= 60


def test_an_empty_workload_is_no_error(small_cluster, workload, run_router):
    result = run_router(small_cluster(), workload())
    assert result.summary["requests"]["arrived"] == 0
    assert result.summary["simulated_s"] == 0


def test_the_request_table_has_minus_one_for_what_never_was(small_cluster, workload, run_router):
    table = run_router(small_cluster(), workload((0, 4, 1), (1, 100_000, 1))).requests
    rows_of = list(zip(*(getattr(table, name).tolist() for name in table.__slots__), strict=True))
    assert rows_of == [
        (0, 0, 0, 0, NS4, NS4, 4, 1, 0, 0, OUTCOMES.index("finished"), 0, 0, -1, 0),
        (1, 1, -1, -1, -1, 1, 100_000, 1, 0, -1, OUTCOMES.index("rejected"), 0, 0, -1, -1),
    ]


def test_a_decode_takes_the_time_of_one_token(small_cluster, workload, run_router):
    result = run_router(small_cluster(), workload((0, 4, 3)))
    assert rows(result) == [(NS4, NS4 + 2 * NS1, 0)]
