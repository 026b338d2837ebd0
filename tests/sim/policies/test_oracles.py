"""The clairvoyant bound: its rule on hand-made cases, and that nothing but a shipped oracle learns an output length."""

from __future__ import annotations

import ast
from importlib import import_module

import pytest

from sim.adapt import load_policy
from sim.engine import Policies, simulate, simulate_workload
from sim.errors import PolicyInterfaceError, UnknownPolicy
from sim.oracle import Oracle
from sim.policies import make_oracle, make_router, oracle_names, router_names, router_source, router_summary
from tests.sim.policies.test_routers import ALLOWED_IMPORTS, ReplicaRequest, Seen, decide, held


def srpt(outputs):
    return make_oracle("srpt-oracle").make(outputs.__getitem__)


def test_the_oracle_takes_the_fewest_tokens_first_to_the_replica_with_the_lowest_peak_of_memory():
    # Tokens: 310, 110 and 150. Peaks in blocks of 16 tokens, with one more for each request:
    router = srpt({0: 300, 1: 10, 2: 100})
    assert decide(router, held(10, 100, 50), Seen(0), Seen(1)) == [
        (1, 0),  # 109 / 16 + 1 on both: the lower id
        (2, 1),  # (150 + 2 * 9) / 16 + 2 with the first, 149 / 16 + 1 alone
        (0, 0),  # 309 / 16 + 1 on both: by then the others have ended
    ]


def test_the_oracle_counts_on_memory_that_will_be_free_by_then():
    nearly_done = Seen(0, num_running=1, running=(ReplicaRequest(9, 0, 160, 160, 0),), kv_blocks_total=20)
    assert decide(srpt({0: 200, 9: 2}), held(16), nearly_done) == [(0, 0)]  # 176 / 16 + 2, then 215 / 16 + 1
    assert decide(srpt({0: 200, 9: 100}), held(16), nearly_done) == []  # (176 + 2 * 99) / 16 + 2 = 25.4


def test_the_oracle_counts_what_a_running_request_has_already_yielded():
    def decoding(processed):
        return Seen(0, num_running=1, running=(ReplicaRequest(9, 0, 16, processed, 0),), kv_blocks_total=24)

    # Request 9 ends at 215 tokens: 199 more from 16 on, 19 more from 196 on. Request 0 grows by 149.
    assert decide(srpt({0: 150, 9: 200}), held(16), decoding(196)) == [(0, 0)]  # (212 + 2 * 19) / 16 + 2 = 17.6
    assert decide(srpt({0: 150, 9: 200}), held(16), decoding(16)) == [(0, 0)]  # (32 + 2 * 149) / 16 + 2 = 22.6
    assert decide(srpt({0: 180, 9: 200}), held(16), decoding(16)) == []  # (32 + 2 * 179) / 16 + 2 = 26.4


def test_the_oracles_head_blocks_the_rest_and_an_idle_replica_takes_anything():
    assert decide(srpt({0: 2000}), held(8), Seen(0)) == [(0, 0)]
    assert decide(srpt({0: 2000, 1: 3000}), held(8, 8), Seen(0)) == [(0, 0)]
    assert decide(srpt({0: 1}), held(1), Seen(0, accepts=False)) == []


def test_an_oracle_is_told_the_output_tokens_of_the_run_by_request_id(small_cluster, workload):
    told = []

    def make(output_tokens):
        told.extend(output_tokens(request) for request in range(3))
        return make_router("llq", 0)

    work = workload((0, 4, 7), (1, 4, 5), (2, 4, 9))
    simulate_workload(small_cluster(), work, Policies(Oracle(make), {"router": "mine"}), 0)
    assert told == [7, 5, 9]


def test_the_oracle_finishes_everything_without_a_preemption_and_sooner_than_any_shipped_router(smoke):
    def mean_s(router, name):
        summary = simulate(smoke, Policies(router, {"router": name}), 1).summary
        assert summary["requests"]["finished"] == summary["requests"]["arrived"]
        return summary["e2e_s"]["mean"], summary["preemptions"]

    bound_s, preemptions = mean_s(make_oracle("srpt-oracle"), "srpt-oracle")
    assert preemptions == 0
    assert all(bound_s < mean_s(make_router(name, 1), name)[0] for name in router_names())


@pytest.mark.parametrize("name", oracle_names())
def test_the_file_of_an_oracle_is_no_design(name):
    module = import_module(f"sim.policies.oracles.{name.replace('-', '_')}")
    with pytest.raises(PolicyInterfaceError, match="output_tokens"):
        load_policy(vars(module), 1)


def test_a_design_that_asks_for_output_lengths_gets_what_it_has_itself():
    namespace = {"__name__": "design"}
    exec(
        "class Design:\n"
        "    def __init__(self, seed, output_tokens=None):\n"
        "        assert output_tokens is None\n"
        "    def route(self, queue, cluster):\n"
        "        return [(r, cluster.replicas[0]) for r in queue]\n",
        namespace,
    )
    router = load_policy(namespace, 1)
    assert not isinstance(router, Oracle)
    assert decide(router, held(1), Seen(0)) == [(0, 0)]


def test_oracles_are_a_catalogue_of_their_own():
    assert oracle_names() == ["srpt-oracle"]
    assert not set(oracle_names()) & set(router_names())
    with pytest.raises(UnknownPolicy, match="There is no router 'srpt-oracle'"):
        make_router("srpt-oracle", 1)
    with pytest.raises(UnknownPolicy, match="There is no oracle 'srpt'; did you mean 'srpt-oracle'"):
        make_oracle("srpt")


@pytest.mark.parametrize("name", oracle_names())
def test_an_oracle_says_in_its_first_words_that_it_is_one_and_imports_no_more_than_a_design(name):
    assert router_summary(name).startswith("Oracle (knows output lengths, no design)")
    assert router_summary(name).endswith(".")
    tree = ast.parse(router_source(name))
    assert {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} <= ALLOWED_IMPORTS
