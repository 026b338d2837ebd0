"""Autoscalers in their own process: the same decisions, and every failure with its outcome."""

from __future__ import annotations

import textwrap

import pytest

from sessions.errors import SessionError
from sessions.playground import DesignUnderTest, Job, JobResult, find_playground
from sim.policies import policy_names

PLAYGROUND = find_playground()
SCALING = (
    ("autoscaler.interval_s", "1.0"),
    ("autoscaler.cold_start_s", "1.5"),
    ("autoscaler.sample_interval_s", "0.5"),
    ("autoscaler.history_s", "4.0"),
    ("autoscaler.min_replicas", "1"),
    ("autoscaler.max_replicas", "5"),
)


def evaluate(
    source: str, *overrides: tuple[str, str], others: tuple[tuple[str, DesignUnderTest], ...] = ()
) -> JobResult:
    design = DesignUnderTest("design", textwrap.dedent(source), "autoscaler")
    job = Job("smoke", "autoscaler", design, 3, True, 20.0, overrides or SCALING, others=others)
    return PLAYGROUND.run(job)


@pytest.mark.parametrize("name", policy_names("autoscaler"))
def test_a_shipped_autoscaler_given_as_a_file_decides_the_same(name: str) -> None:
    def run(source: str | None) -> JobResult:
        return PLAYGROUND.run(Job("smoke", "autoscaler", DesignUnderTest(name, source), 3, True, 20.0, SCALING))

    trusted, sealed = run(None), run(PLAYGROUND.shipped_source("autoscaler", name))
    assert trusted.outcome == sealed.outcome == "ok", sealed.message
    assert trusted.metrics is not None
    assert trusted.metrics == sealed.metrics
    assert trusted.telemetry == sealed.telemetry


LOOKS_AT_EVERYTHING = """
    import random

    class Curious:
        '''Its decisions depend on all that it is shown.'''

        interval_s = 0.75

        def __init__(self, seed):
            self.random = random.Random(seed)
            self.seen = 0

        def scale(self, fleet, history):
            seen = [self.seen, fleet.now_ns, fleet.now_s, len(history)]
            for p in fleet.pools:
                h = p.hardware
                seen += [p.ready, p.starting, p.draining, p.down, p.min_replicas, p.max_replicas, p.cold_start_s]
                seen += [h.tensor_parallel, h.memory_gb, h.bandwidth_gb_s, h.dense_bf16_tflops, h.usd_per_gpu_hour]
                seen += [len(p.name), len(h.gpu)]
            for r in fleet.replicas:
                seen += [r.id, r.accepts, len(r.state), len(r.pool), r.num_waiting, r.num_running]
                seen += [r.kv_blocks_used, r.kv_blocks_total, len(r.waiting), sum(p.id for p in r.running)]
            for s in (*history, history[-1]):
                seen += [s.t_ns, s.t_s, s.ready, s.present, s.waiting, s.running, s.held, s.kv_usage]
                seen += [s.arrived_total, s.finished_total, s.prompt_tokens_total, s.output_tokens_total]
            self.seen = hash(tuple(seen)) ^ self.random.getrandbits(30)
            wanted = 1 + self.seen % 5
            return wanted if self.seen % 2 else {fleet.pools[0].name: wanted}
"""


def test_all_that_an_autoscaler_is_shown_is_the_same_in_both_processes() -> None:
    from sim.adapt import load_autoscaler
    from sim.engine import Policies, simulate
    from sim.policies import make_router, policy_seed
    from sim.scenario import load_scenario

    namespace: dict[str, object] = {"__name__": "curious"}
    exec(textwrap.dedent(LOOKS_AT_EVERYTHING), namespace)
    policies = Policies(
        make_router("llq", policy_seed(3)), {"router": "llq"}, autoscaler=load_autoscaler(namespace, policy_seed(3))
    )
    trusted = simulate(load_scenario("smoke", dict(SCALING)), policies, 3)
    sealed = evaluate(LOOKS_AT_EVERYTHING)
    assert sealed.outcome == "ok", sealed.message
    assert sealed.metrics is not None
    assert sealed.metrics["decisions_sha256"] == trusted.decisions_sha256


def test_a_sealed_router_sees_replicas_come_and_go_and_requests_return_after_a_crash() -> None:
    from sim.adapt import load_autoscaler, load_router
    from sim.engine import Policies, simulate
    from sim.policies import policy_seed
    from sim.scenario import load_scenario

    router = """
        class Watchful:
            timer_s = 0.4

            def __init__(self):
                self.seen = 0

            def route(self, queue, cluster):
                seen = [self.seen, cluster.content_block_tokens]
                for r in cluster.replicas:
                    seen += [r.id, len(r.state), len(r.pool), r.hardware.tensor_parallel, r.accepts, r.kv_blocks_used]
                    seen += [r.cached_tokens(q) for q in queue]
                for q in queue:
                    seen += [q.id, q.restarts, q.priority, q.session, q.ttft_slo_ns, len(q.prefix_hashes)]
                self.seen = hash(tuple(seen))
                self.timer_s = 0.2 + self.seen % 7 / 10
                ready = [r for r in cluster.replicas if r.accepts]
                if ready and self.seen % 3:
                    for q in queue:
                        yield q, ready[(self.seen + q.id) % len(ready)]
    """
    faults = (("faults.mean_between_s", "4.0"), ("faults.mean_down_s", "1.0"))
    namespaces: list[dict[str, object]] = [{"__name__": "watchful"}, {"__name__": "curious"}]
    for namespace, source in zip(namespaces, (router, LOOKS_AT_EVERYTHING), strict=True):
        exec(textwrap.dedent(source), namespace)
    seed = policy_seed(3)
    policies = Policies(
        load_router(namespaces[0], seed), {"router": "watchful"}, autoscaler=load_autoscaler(namespaces[1], seed)
    )
    trusted = simulate(load_scenario("smoke", dict((*SCALING, *faults))), policies, 3)
    others = (("router", DesignUnderTest("watchful", textwrap.dedent(router))),)
    sealed = evaluate(LOOKS_AT_EVERYTHING, *SCALING, *faults, others=others)
    assert sealed.outcome == "ok", sealed.message
    assert sealed.metrics is not None
    assert sealed.metrics["crash_restarts"]
    assert sealed.metrics["decisions_sha256"] == trusted.decisions_sha256


def test_a_view_that_a_sealed_router_kept_shows_its_own_replica_when_others_come_and_go() -> None:
    from sim.adapt import load_autoscaler, load_router
    from sim.engine import Policies, simulate
    from sim.policies import policy_seed
    from sim.scenario import load_scenario

    router = """
        class Keeps:
            def __init__(self):
                self.kept, self.seen, self.states = {}, 0, set()

            def route(self, queue, cluster):
                for r in cluster.replicas:
                    if self.kept.setdefault(r.id, r) is not r:
                        raise ValueError("another view of the same replica")
                seen = [self.seen]
                for r in self.kept.values():
                    seen += [r.id, r.accepts, len(r.state), len(r.pool), r.num_waiting, r.num_running]
                    seen += [r.kv_blocks_used, r.kv_blocks_total, len(r.waiting), sum(p.id for p in r.running)]
                    self.states.add(r.state)
                self.seen = hash(tuple(seen))
                if cluster.now_s > 8 and "off" not in self.states:
                    raise ValueError("no replica was ever off")
                ready = [r for r in cluster.replicas if r.accepts]
                return [(q, ready[(self.seen + q.id) % len(ready)]) for q in queue] if ready else []
    """
    scaler = "def scale(fleet, history): return 1 + fleet.now_ns // 1_000_000_000 % 4\n"
    faults = (("faults.mean_between_s", "4.0"), ("faults.mean_down_s", "1.0"))
    namespaces: list[dict[str, object]] = [{"__name__": "keeps"}, {"__name__": "waves"}]
    for namespace, source in zip(namespaces, (router, scaler), strict=True):
        exec(textwrap.dedent(source), namespace)
    policies = Policies(
        load_router(namespaces[0], policy_seed(3)),
        {"router": "keeps"},
        autoscaler=load_autoscaler(namespaces[1], policy_seed(3)),
    )
    trusted = simulate(load_scenario("smoke", dict((*SCALING, *faults))), policies, 3)
    others = (("router", DesignUnderTest("keeps", textwrap.dedent(router))),)
    sealed = evaluate(scaler, *SCALING, *faults, others=others)
    assert sealed.outcome == "ok", sealed.message
    assert sealed.metrics is not None
    assert sealed.metrics["decisions_sha256"] == trusted.decisions_sha256


@pytest.mark.parametrize(
    ("source", "outcome", "words"),
    [
        ("def scale(fleet): return 1\n", "interface", "must be callable as scale(fleet, history)"),
        ("def pick(r, c): return None\n", "interface", "fits the router slot"),
        ("class A:\n    interval_s = -1\n    def scale(self, f, h): return 1\n", "interface", "above 0, not -1"),
        ("def scale(fleet, history):\n    return history[99]\n", "exception", "at line 2: return history[99]"),
        (
            "class F(float):\n    def __ge__(s, o): return True\n    __le__ = __ge__\n"
            "class A:\n    interval_s = F('nan')\n    def scale(self, f, h): return 1\n",
            "interface",
            "interval_s must be a number of seconds above 0",
        ),
        ("def scale(fleet, history): return 'two'\n", "illegal", "scale returned 'two'"),
        ("def scale(fleet, history): return {'nowhere': 2}\n", "illegal", "a pool 'nowhere'; the pools are main"),
        ("def scale(fleet, history):\n    fleet.pools[0].ready = 2\n", "exception", "at line 2"),
        (
            "class M(dict):\n    def items(self):\n        while True: yield 'main', 2\n"
            "def scale(fleet, history): return M()\n",
            "illegal",
            "name each pool at most once",
        ),
    ],
)
def test_a_failure_has_its_outcome_and_says_what_to_change(source: str, outcome: str, words: str) -> None:
    result = evaluate(source)
    assert (result.outcome, words in result.message) == (outcome, True), result.message
    assert result.metrics is None


def test_where_nothing_scales_no_autoscaler_is_asked() -> None:
    with pytest.raises(SessionError, match=r"smoke has no \[autoscaler\] section"):
        evaluate("def scale(fleet, history): return 1\n", ("cluster.kv_blocks", "128"))


def test_the_check_of_an_autoscaler_is_its_smoke_run() -> None:
    assert PLAYGROUND.check("autoscaler", "def scale(fleet, history): return 2\n").outcome == "ok"
    assert PLAYGROUND.check("autoscaler", "def scale(fleet, history): return 1 // 0\n").outcome == "exception"
