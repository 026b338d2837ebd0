"""Batch schedulers and autoscalers in their own process: the same decisions, and every failure with its outcome."""

from __future__ import annotations

import textwrap

import pytest

from sessions.playground import DesignUnderTest, Job, JobResult, find_playground
from sim.policies import PREDICTED, policy_names

PLAYGROUND = find_playground()
FILES = [name for name in policy_names("scheduler") if name not in PREDICTED]


def evaluate(source: str | None, name: str = "design", *overrides: tuple[str, str], router: str = "llq") -> JobResult:
    text = None if source is None else textwrap.dedent(source)
    others = (("router", DesignUnderTest(router)),)
    design = DesignUnderTest(name, text, "scheduler")
    return PLAYGROUND.run(Job("smoke", "scheduler", design, 3, True, 20.0, overrides, others=others))


@pytest.mark.parametrize("rules", ["sarathi", "vllm-v1", "vllm", "orca"])
@pytest.mark.parametrize("name", FILES)
def test_a_shipped_scheduler_given_as_a_file_decides_the_same(name: str, rules: str) -> None:
    overrides = (("engine.rules", rules), ("engine.reserved_tokens", "512"))
    trusted = evaluate(None, name, *overrides)
    sealed = evaluate(PLAYGROUND.shipped_source("scheduler", name), name, *overrides)
    assert trusted.outcome == sealed.outcome == "ok", sealed.message
    assert trusted.metrics is not None
    assert trusted.metrics == sealed.metrics
    assert trusted.telemetry == sealed.telemetry


def test_a_predicted_scheduler_runs_in_the_simulators_process_and_its_file_not_at_all() -> None:
    assert evaluate(None, "predicted-sjf").outcome == "ok"
    sealed = evaluate(PLAYGROUND.shipped_source("scheduler", "predicted-sjf"))
    assert (sealed.outcome, sealed.metrics) == ("interface", None)
    assert "predicted_tokens" in sealed.message


LOOKS_AT_EVERYTHING = """
    import random

    class Curious:
        '''Its decisions depend on all that it is shown.'''

        wake_iterations = 3

        def __init__(self, seed):
            self.random = random.Random(seed)
            self.seen = []

        def look(self, engine, *requests):
            e = engine
            self.seen += [e.now_ns, e.now_s, e.replica, e.block_tokens, e.kv_blocks_total, e.kv_blocks_used]
            self.seen += [e.watermark_blocks, e.max_num_seqs, e.token_budget, e.tokens_left, e.num_running]
            for r in (*requests, *engine.running):
                self.seen += [r.id, r.arrival_ns, r.prompt_tokens, r.processed_tokens, r.restarts]
                self.seen += [r.priority, r.session, r.ttft_slo_ns]
            self.seen = [hash(tuple(self.seen))]
            return self.seen[0] ^ self.random.getrandbits(30)

        def admit(self, waiting, engine):
            digest = self.look(engine, *waiting, waiting[0], waiting[-1], *waiting[1:3])
            self.seen += [engine.cached_tokens(r) for r in waiting]
            self.wake_iterations = (None, 1, 5)[digest % 3]
            order = sorted(waiting, key=lambda r: (hash((digest, r.id)), r.id))
            return order if digest % 4 or not engine.num_running else order[:1]

        def chunk(self, request, budget, engine):
            return max(1, self.look(engine, request) % (budget + 1))

        def victim(self, candidates, engine):
            digest = self.look(engine, candidates[-1])
            return candidates[digest % len(candidates)]
"""


def in_this_process(source: str, *overrides: tuple[str, str], seed: int = 3, scenario: str = "smoke") -> str:
    from sim.adapt import load_scheduler
    from sim.engine import Policies, simulate
    from sim.policies import make_router, policy_seed
    from sim.scenario import load_scenario

    namespace: dict[str, object] = {"__name__": "curious"}
    exec(textwrap.dedent(source), namespace)
    scheduler = load_scheduler(namespace, policy_seed(seed))
    policies = Policies(make_router("llq", policy_seed(seed)), {"router": "llq"}, scheduler)
    return simulate(load_scenario(scenario, dict(overrides)), policies, seed).decisions_sha256


@pytest.mark.parametrize("rules", ["sarathi", "vllm-v1", "orca"])
def test_all_that_a_scheduler_is_shown_is_the_same_in_both_processes(rules: str) -> None:
    overrides = (("engine.rules", rules), ("engine.reserved_tokens", "512"))
    sealed = evaluate(LOOKS_AT_EVERYTHING, "curious", *overrides)
    assert sealed.outcome == "ok", sealed.message
    assert sealed.metrics is not None
    assert sealed.metrics["decisions_sha256"] == in_this_process(LOOKS_AT_EVERYTHING, *overrides)


def test_an_order_longer_than_what_is_sent_at_once_is_fetched_as_far_as_admission_gets() -> None:
    """Forty requests at once, of which more are admitted in one composition than come with an answer."""
    source = """
        class Reversed:
            held = True

            def admit(self, waiting, engine):
                self.held = self.held and len(waiting) < 30
                return [] if self.held else list(waiting)[::-1]
    """
    many = (("workload.rate_rps", "400.0"), ("workload.duration_s", "0.3"), ("cluster.kv_blocks", "4000"))
    many = (*many, ("cluster.replicas", "1"))
    sealed = evaluate(source, "reversed", *many)
    assert sealed.outcome == "ok", sealed.message
    assert sealed.metrics is not None
    assert sealed.metrics["decisions_sha256"] == in_this_process(source, *many)


def in_admit(*lines: str) -> str:
    body = "\n".join(f"        {line}" for line in lines)
    return f"class Design:\n    calls = 0\n\n    def admit(self, waiting, engine):\n        self.calls += 1\n{body}\n"


OTHER = "type('R', (), {'id': 99999})"


@pytest.mark.parametrize(
    ("source", "outcome", "words"),
    [
        (
            "class A:\n    def admit(self, waiting)\n        return []\n",
            "syntax",
            "Line 2 can't be parsed: expected ':'",
        ),
        ("def route(queue, cluster): return []\n", "interface", "route is a router, so it fits the router slot"),
        ("class A:\n    def victim(self, c): pass\n", "interface", "must be callable as victim(candidates, engine)"),
        ("class A:\n    def __init__(self): 1 / 0\n    def admit(self, w, e): return w\n", "exception", "at line 2"),
        ("class A:\n    wake_iterations = 0\n    def admit(self, w, e): return w\n", "interface", "from 1 up, not 0"),
        (in_admit("if self.calls == 9: waiting[9999]", "return waiting"), "exception", "at line 6"),
        (in_admit("return None"), "illegal", "isn't a sequence"),
        (in_admit("return [7]"), "illegal", "admit named 7, which isn't a waiting request"),
        (in_admit(f"return [{OTHER}]"), "illegal", "admit named request 99999, which isn't waiting"),
        (in_admit("return [waiting[0]] * 2"), "illegal", "twice in one answer"),
        (in_admit("while True: yield waiting[0]"), "illegal", "twice in one answer"),
        (in_admit("return []"), "illegal", "unserved"),
        (in_admit("x = [0] * 10**9", "return waiting"), "memory", "ran out of memory at line 6"),
        ("class A:\n    def chunk(self, r, budget, e): return budget + 1\n", "illegal", "chunk gave request"),
        ("class A:\n    def chunk(self, r, budget, e): return 0.5\n", "illegal", "chunk returned 0.5"),
        (f"class A:\n    def victim(self, c, e): return {OTHER}\n", "illegal", "victim"),
        ("class A:\n    def victim(self, c, e): return None\n", "illegal", "victim returned None"),
        (
            f"class A:\n    def victim(self, c, e): return {OTHER}\n",
            "illegal",
            "victim returned request 99999, which isn't one of the candidates",
        ),
        ("class A:\n    def victim(self, c, e): return object()\n", "illegal", "victim returned <object object>,"),
        (in_admit("return [object()]"), "illegal", "admit named <object object>,"),
        (in_admit("raise ValueError(object())"), "exception", "ValueError (<object object>)"),
        (in_admit("return 10**5000"), "illegal", "admit returned <int>, which"),
    ],
)
def test_a_failure_has_its_outcome_and_says_what_to_change(source: str, outcome: str, words: str) -> None:
    result = evaluate(source)
    assert (result.outcome, words in result.message) == (outcome, True), result.message
    assert result.metrics is None


def test_with_several_designs_a_failure_names_the_one_that_failed() -> None:
    good = DesignUnderTest("good", "def pick(request, cluster):\n    return cluster.replicas[0]\n")
    broken = DesignUnderTest("broken", in_admit("1 / 0"), "scheduler")
    result = PLAYGROUND.run(Job("smoke", "router", good, 3, False, 20.0, others=(("scheduler", broken),)))
    assert result.outcome == "exception"
    assert result.message.startswith("scheduler broken: At ")


def test_views_of_the_engine_are_read_only() -> None:
    result = evaluate(in_admit("engine.token_budget = 1", "return waiting"))
    assert result.outcome == "exception"
    assert "at line 6" in result.message


def test_the_check_of_a_scheduler_is_its_smoke_run() -> None:
    assert PLAYGROUND.check("scheduler", in_admit("return waiting")).outcome == "ok"
    assert PLAYGROUND.check("scheduler", in_admit("1 / 0")).outcome == "exception"


SHORT = (("workload.arrivals.duration_s", "12.0"), ("workload.sessions.turn_gap_median_s", "3.0"))


@pytest.mark.parametrize("name", ["cache-aware", "kv-cost", "lmetric", "prefix-scorer", "session-affinity"])
def test_a_sealed_router_sees_sessions_prefixes_and_caches_as_they_are(name: str) -> None:
    def run(source: str | None) -> JobResult:
        design = DesignUnderTest(name, source)
        return PLAYGROUND.run(Job("prefix-heavy", "router", design, 3, False, 60.0, SHORT))

    trusted, sealed = run(None), run(PLAYGROUND.shipped_source("router", name))
    assert trusted.outcome == sealed.outcome == "ok", sealed.message
    assert trusted.metrics is not None
    assert trusted.metrics["prefix_hit_rate"]
    assert trusted.metrics == sealed.metrics


def test_a_scheduler_sees_what_the_prefix_cache_would_give() -> None:
    source = """
        class CachedFirst:
            def admit(self, waiting, engine):
                return sorted(waiting, key=lambda r: (-engine.cached_tokens(r), r.id))
    """
    tight = (*SHORT, ("cluster.kv_blocks", "1200"))
    design = DesignUnderTest("cached-first", textwrap.dedent(source), "scheduler")
    llq = (("router", DesignUnderTest("llq")),)
    sealed = PLAYGROUND.run(Job("prefix-heavy", "scheduler", design, 3, False, 60.0, tight, others=llq))
    assert sealed.outcome == "ok", sealed.message
    assert sealed.metrics is not None
    assert sealed.metrics["decisions_sha256"] == in_this_process(source, *tight, scenario="prefix-heavy")


FORGES_IDS = """
    from dataclasses import replace

    from sim.api import HeldRequest

    def peek(queue, cluster):
        known = [r.cached_tokens(queue[-1]) for r in cluster.replicas]
        last = queue[-1].id
        for id in (last + 1, last + 5, 10**7, 2**63, 10**30, -1, -10**30, None, 1.5, "1"):
            for forged in (HeldRequest(id, 0, 10**6, prefix_hashes=(0, 1)), replace(queue[-1], id=id, arrival_ns=0)):
                seen = [r.cached_tokens(forged) for r in cluster.replicas]
                assert seen == [0] * len(seen), (id, seen)
        lies = replace(queue[-1], prefix_hashes=(0, 1, 2, 3), prompt_tokens=1)
        assert [r.cached_tokens(lies) for r in cluster.replicas] == known

    def route(queue, cluster):
        peek(queue, cluster)
        return [(request, cluster.replicas[request.id % len(cluster.replicas)]) for request in queue]
"""


@pytest.mark.parametrize("scrapes", [(), (("telemetry.scrape_interval_s", "5.0"),)], ids=["fresh", "stale"])
def test_no_design_learns_from_caches_what_requests_of_the_future_share(scrapes: tuple[tuple[str, str], ...]) -> None:
    from sim.adapt import load_router
    from sim.engine import Policies, simulate
    from sim.policies import policy_seed
    from sim.scenario import load_scenario

    source = textwrap.dedent(FORGES_IDS)
    sealed = PLAYGROUND.run(Job("prefix-heavy", "router", DesignUnderTest("peeks", source), 3, False, 60.0, scrapes))
    assert sealed.outcome == "ok", sealed.message
    namespace: dict[str, object] = {"__name__": "peeks"}
    exec(source, namespace)
    policies = Policies(load_router(namespace, policy_seed(3)), {"router": "peeks"})
    trusted = simulate(load_scenario("prefix-heavy", dict(scrapes)), policies, 3).decisions_sha256
    assert sealed.metrics is not None
    assert sealed.metrics["decisions_sha256"] == trusted


def test_a_forged_order_that_names_a_request_twice_is_illegal_before_any_of_it_takes_effect() -> None:
    result = evaluate(
        """
        class Forger:
            def admit(self, waiting, engine):
                if len(waiting) < 2:
                    return []
                first = waiting[0].id
                engine._link._wire.send(11, [0, 2, first, first])
                while True:
                    pass
        """
    )
    assert (result.outcome, "twice in one answer" in result.message) == ("illegal", True), result.message


@pytest.mark.parametrize(
    "numbers", ["2**40, *range(8)", "-1", "1", "0, 5", "len(waiting) + 1, *range(len(waiting) + 1)"]
)
def test_no_forged_order_is_longer_than_the_queue(numbers: str) -> None:
    """Its length is what the answer to the next question may take of the simulator's memory."""
    result = evaluate(in_admit(f"engine._link._wire.send(11, [0, {numbers}])", "while True: pass"))
    assert (result.outcome, "sent an order of others" in result.message) == ("exception", True), result.message
