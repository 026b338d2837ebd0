"""A design file in each of its forms, and the sentences for files that are none."""

from __future__ import annotations

import pytest

from sim.adapt import load_autoscaler, load_router, load_scheduler
from sim.errors import PolicyInterfaceError

LOADERS = {"router": load_router, "scheduler": load_scheduler, "autoscaler": load_autoscaler}


def load(source, seed=0, slot="router"):
    namespace = {"__name__": "design"}
    exec(compile(source, "design.py", "exec"), namespace)
    return LOADERS[slot](namespace, seed)


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


FILES = {
    "router": "class A:\n    def route(self, queue, cluster): ...\n",
    "scheduler": "class A:\n    def victim(self, candidates, engine): ...\n",
    "autoscaler": "class A:\n    def scale(self, fleet, history): ...\n",
}


@pytest.mark.parametrize("asked", LOADERS)
@pytest.mark.parametrize("is_for", LOADERS)
def test_a_file_fits_its_own_slot_and_another_names_the_slot_that_it_fits(asked, is_for):
    if asked == is_for:
        load(FILES[is_for], slot=asked)
        return
    complaint = f"no policy for the {asked} slot: A is an? .*, so it fits the {is_for} slot; or write one class"
    with pytest.raises(PolicyInterfaceError, match=complaint):
        load(FILES[is_for], slot=asked)


def test_two_policies_of_different_slots_are_too_many_but_a_helper_with_a_slots_word_is_none():
    both = FILES["router"] + FILES["scheduler"].replace("A", "B")
    for slot in ("router", "scheduler"):
        with pytest.raises(PolicyInterfaceError, match=r"2 policies \([AB], a.*; [AB], a.*\): keep exactly one"):
            load(both, slot=slot)
    one = "class A:\n    def route(self, queue, cluster): ...\n    def admit(self, waiting, engine): ...\n"
    with pytest.raises(PolicyInterfaceError, match="2 policies"):
        load(one)
    load(FILES["router"] + "class Share:\n    def scale(self, tokens): ...\n    def admit(self, request, room): ...\n")


def test_every_replica_has_a_scheduler_of_its_own_with_what_it_defines_and_the_same_seed():
    make = load(
        "class Mine:\n"
        "    wake_iterations = None\n"
        "    def __init__(self, seed):\n"
        "        self.asked = seed\n"
        "    def admit(self, waiting, engine):\n"
        "        self.asked += 1\n"
        "        self.wake_iterations = 3\n"
        "        return [self.asked]\n"
        "    def chunk(self, request, budget, engine):\n"
        "        return budget // 2\n",
        seed=40,
        slot="scheduler",
    )
    first, second = make(0), make(1)
    assert (first.name, first.victim) == ("Mine", None)
    assert first.wake_iterations() is None
    assert (first.admit([], None), first.admit([], None), second.admit([], None)) == ([41], [42], [41])
    assert first.wake_iterations() == 3
    assert first.chunk(None, 9, None) == 4


@pytest.mark.parametrize("form", ["class A:\n    def scale(self, fleet, history):", "def scale(fleet, history):"])
def test_an_autoscaler_is_a_class_or_a_function(form):
    assert load(f"{form} return 3\n", slot="autoscaler").scale(None, []) == 3


def test_a_routers_timer_and_an_autoscalers_interval_are_read_when_they_are_needed():
    router = load("class A:\n    timer_s = 2\n    def pick(self, request, cluster):\n        self.timer_s = None\n")
    assert router.timer_s == 2.0
    assert list(router.route([None], type("Empty", (), {"replicas": ()}))) == []
    assert router.timer_s is None
    assert load("def route(queue, cluster): ...\nroute.timer_s = 0.5\n").timer_s == 0.5
    assert load(FILES["router"]).timer_s is None
    assert load("class A:\n    interval_s = 7\n    def scale(self, f, h): ...\n", slot="autoscaler").interval_s == 7.0


@pytest.mark.parametrize("value", ["0", "-1.0", "'1'", "True", "float('nan')", "float('inf')"])
def test_a_time_that_is_none_is_told(value):
    router = load(f"class A:\n    timer_s = {value}\n    def route(self, q, c): ...\n")
    with pytest.raises(PolicyInterfaceError, match=r"A.timer_s must be a number of seconds above 0, not "):
        _ = router.timer_s


@pytest.mark.parametrize("value", ["0", "1.0", "True", "'2'"])
def test_a_wake_up_that_is_no_number_of_iterations_is_told(value):
    source = f"class A:\n    wake_iterations = {value}\n    def admit(self, w, e): ...\n"
    hooks = load(source, slot="scheduler")(0)
    with pytest.raises(PolicyInterfaceError, match=r"A.wake_iterations must be a whole number from 1 up, not "):
        hooks.wake_iterations()


@pytest.mark.parametrize(
    ("slot", "source", "complaint"),
    [
        (
            "scheduler",
            "class A:\n    def chunk(self, r, b): ...\n",
            r"A.chunk must .* chunk\(request, budget, engine\)",
        ),
        ("scheduler", "def admit(waiting, engine): ...\n", r"defines no policy: write one class with admit\("),
        ("autoscaler", "def scale(fleet): ...\n", r"scale must be callable as scale\(fleet, history\)"),
        ("autoscaler", "class A:\n    def __init__(self, k): ...\n    def scale(self, f, h): ...\n", "A.__init__ may"),
        ("autoscaler", "", r"defines no policy: write one class or function with scale\(fleet, history\)"),
    ],
)
def test_a_scheduler_or_an_autoscaler_that_is_none_is_told_why(slot, source, complaint):
    with pytest.raises(PolicyInterfaceError, match=complaint):
        load(source, slot=slot)(0)
