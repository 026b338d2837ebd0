"""A design file in each of its forms, and the sentences for files that are none."""

from __future__ import annotations

import pytest

from sim.adapt import load_policy
from sim.errors import PolicyInterfaceError


def load(source, seed=0):
    namespace = {"__name__": "design"}
    exec(compile(source, "design.py", "exec"), namespace)
    return load_policy(namespace, seed)


ALL_TO_LAST = {
    "class with route": """
class Mine:
    def route(self, queue, cluster):
        return [(r, cluster.replicas[-1]) for r in queue]
""",
    "class with pick": """
class Mine:
    def pick(self, request, cluster):
        return cluster.replicas[-1]
""",
    "function route": "def route(queue, cluster):\n    return [(r, cluster.replicas[-1]) for r in queue]\n",
    "function pick": "def pick(request, cluster):\n    return cluster.replicas[-1]\n",
    "subclass of an imported protocol": """
from sim.api import Router
class Mine(Router):
    def route(self, queue, cluster):
        return [(r, cluster.replicas[-1]) for r in queue]
""",
    "subclass of its own base, with helpers": """
class _Helper:
    def pick(self, things):
        return things[0]
class Base:
    def route(self, queue, cluster):
        return [(r, self.choose(cluster)) for r in queue]
class Mine(Base):
    def choose(self, cluster):
        return cluster.replicas[-1]
""",
}


@pytest.mark.parametrize("source", ALL_TO_LAST.values(), ids=ALL_TO_LAST.keys())
def test_every_form_of_a_design_becomes_a_router(source, small_cluster, workload, run_router):
    result = run_router(small_cluster(replicas=2), workload((0, 4, 1), (0, 4, 1)), load(source))
    assert result.requests.replica.tolist() == [1, 1]


def test_pick_sees_where_the_earlier_requests_of_the_same_call_went(small_cluster, workload, run_router):
    router = load(
        "def pick(request, cluster):\n"
        "    for r in cluster.replicas:\n"
        "        assert r.num_waiting == len(r.waiting)\n"
        "    return min(cluster.replicas, key=lambda r: (r.num_waiting + r.num_running, r.id))\n"
    )
    scenario, work = small_cluster(replicas=3), workload(*[(0, 4, 2)] * 7, (5, 4, 2))
    picked = run_router(scenario, work, router)
    assert picked.requests.replica.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert picked.decisions_sha256 == run_router(scenario, work, "llq").decisions_sha256


def test_pick_holds_a_request_by_answering_none_and_is_offered_it_again(small_cluster, workload, run_router):
    router = load("def pick(r, cluster):\n    return cluster.replicas[0] if cluster.now_ns or r.id else None\n")
    result = run_router(small_cluster(), workload((0, 4, 1), (0, 4, 1), (7, 4, 1)), router)
    assert result.requests.routed_ns.tolist() == [7, 0, 7]


def test_the_seed_is_passed_to_an_init_that_asks_for_it():
    source = "class Mine:\n    def __init__(self, margin=3, *, seed):\n        self.seed = seed\n"
    source += "    def route(self, queue, cluster):\n        return [self.seed]\n"
    assert load(source, seed=42).route([], None) == [42]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("x = 1\n", "defines no policy"),
        ("from sim.api import Router\n", "defines no policy"),
        ("class Mine:\n    def schedule(self): ...\n", "defines no policy"),
        ("def route(q, c): ...\ndef pick(r, c): ...\n", "2 policies .route and pick."),
        ("class A:\n    def pick(self, r, c): ...\nclass B:\n    def route(self, q, c): ...\n", "2 policies .A and B."),
        ("def route(queue): ...\n", r"route must be callable as route\(queue, cluster\)"),
        ("class A:\n    def pick(self, r): ...\n", r"A.pick must be callable as pick\(request, cluster\)"),
        ("class A:\n    def __init__(self, margin): ...\n    def pick(self, r, c): ...\n", "A.__init__ may have"),
    ],
)
def test_a_file_that_is_no_design_is_told_why(source, complaint):
    with pytest.raises(PolicyInterfaceError, match=complaint):
        load(source)
