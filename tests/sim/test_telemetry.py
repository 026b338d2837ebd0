from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from sim.engine import Policies, simulate
from sim.policies import make_router

PER_REPLICA = (
    "vllm:num_requests_waiting",
    "vllm:num_requests_running",
    "vllm:kv_cache_usage_perc",
    "vllm:num_preemptions_total",
    "cluster:replica_state",
)
CLUSTER_WIDE = (
    "router:held_requests",
    "cluster:finished_requests",
    "cluster:mean_completion_s",
    "vllm:generation_tokens_total",
    "vllm:prompt_tokens_total",
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
    "vllm:e2e_request_latency_seconds_sum",
    "cluster:finished_ttft_seconds_sum",
    "cluster:replicas_ready",
    "cluster:replicas_starting",
    "cluster:crash_restarts_total",
    "cluster:cost_usd",
)


def test_to_json_has_every_series_in_the_documented_shape(smoke):
    result = simulate(smoke, Policies(make_router("hra", 1), {"router": "hra"}), 1)
    data = json.loads(json.dumps(result.telemetry.to_json()))
    steps = len(data["t_s"])
    assert (data["interval_s"], data["replicas"]) == (1.0, 2)
    assert data["t_s"] == [float(k) for k in range(steps)]
    assert set(data["series"]) == {*PER_REPLICA, *CLUSTER_WIDE}
    for name, series in data["series"].items():
        assert series["per_replica"] is (name in PER_REPLICA)
        assert series["unit"]
        assert len(series["values"]) == steps
        if series["per_replica"]:
            assert all(len(value) == 2 for value in series["values"])


def test_the_last_sample_agrees_with_the_summary(smoke):
    result = simulate(smoke, Policies(make_router("llq", 1), {"router": "llq"}), 1)
    series = result.telemetry.to_json()["series"]
    last = {name: content["values"][-1] for name, content in series.items()}
    assert last["cluster:finished_requests"] == result.summary["requests"]["finished"]
    assert last["cluster:mean_completion_s"] == result.summary["e2e_s"]["mean"]
    assert sum(last["vllm:num_preemptions_total"]) == result.summary["preemptions"]
    assert last["vllm:generation_tokens_total"] == result.requests.output_tokens.sum()
    assert last["vllm:kv_cache_usage_perc"] == [0.0, 0.0]
    count = result.summary["requests"]["finished"]
    assert last["vllm:e2e_request_latency_seconds_sum"] / count == pytest.approx(result.summary["e2e_s"]["mean"])
    assert last["cluster:finished_ttft_seconds_sum"] / count == pytest.approx(result.summary["ttft_s"]["mean"])
    assert last["vllm:prompt_tokens_total"] >= result.requests.prompt_tokens.sum()
    end_h = result.telemetry.rows[-1].t_ns / 3.6e12
    assert last["cluster:cost_usd"] == pytest.approx(2 * end_h)
    assert (last["cluster:replica_state"], last["cluster:replicas_ready"]) == (["ready", "ready"], 2)
    assert series["cluster:mean_completion_s"]["values"][0] is None


def test_a_sample_shows_its_instant_after_everything_else_happened(small_cluster, workload, run_router):
    result = run_router(small_cluster(replicas=2, kv_blocks=10), workload((0, 20, 3), (0, 4, 1)), "llq")
    first = result.telemetry.rows[0]
    assert (first.t_ns, first.waiting, first.running, first.kv_usage) == (0, (0, 0), (1, 1), (0.2, 0.1))


def test_an_observer_gets_every_sample_as_it_is_taken(small_cluster, workload, run_router):
    class Watcher:
        rows = ()

        def on_sample(self, row):
            self.rows += (row,)

    watcher = Watcher()
    work = workload((0, 4, 40), (2_500_000_000, 4, 1))
    result = run_router(small_cluster(), work, observer=watcher)
    assert watcher.rows == result.telemetry.rows
    assert [(row.t_ns, row.finished) for row in watcher.rows] == [(0, 0), (10**9, 0), (2 * 10**9, 1), (3 * 10**9, 2)]


def test_a_run_of_very_many_samples_keeps_a_bounded_record_at_a_coarser_interval(smoke, monkeypatch):
    def run(interval_s):
        scenario = replace(smoke, telemetry_interval_s=interval_s)
        return simulate(scenario, Policies(make_router("llq", 1), {"router": "llq"}), 1)

    every = run(0.01)
    monkeypatch.setattr("sim.telemetry.MAX_SAMPLES", 200)
    kept = run(0.01)
    assert len(every.telemetry.rows) > 1000
    assert len(kept.telemetry.rows) <= 101
    assert kept.summary == every.summary
    times = [row.t_ns for row in kept.telemetry.rows]
    assert times[0] == 0
    assert {b - a for a, b in pairwise(times)} == {kept.telemetry.interval_ns}
    assert times[-1] >= kept.summary["simulated_s"] * 1e9
    assert kept.telemetry.rows[-1].finished == every.telemetry.rows[-1].finished
    assert set(kept.telemetry.rows[:-1]) <= set(every.telemetry.rows)


def test_at_a_sample_a_view_that_a_router_was_given_shows_the_present(smoke):
    class Watched:
        """A router that keeps the cluster it was shown, and an observer that looks at it."""

        def __init__(self):
            self.router = make_router("llq", 1)
            self.seen = []

        def route(self, queue, cluster):
            self.cluster = cluster
            return self.router.route(queue, cluster)

        def on_sample(self, row):
            if row.finished:
                usage = [replica.kv_blocks_used / replica.kv_blocks_total for replica in self.cluster.replicas]
                self.seen.append(
                    (row.kv_usage == tuple(round(share, 6) for share in usage), self.cluster.now_ns == row.t_ns)
                )

    watched = Watched()
    simulate(replace(smoke, telemetry_interval_s=0.01), Policies(watched, {}), 1, watched)
    assert set(watched.seen) == {(True, True)}
