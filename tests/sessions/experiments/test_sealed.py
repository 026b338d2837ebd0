"""Designs in their own process: the same decisions as in the simulator's, and every failure with its own outcome."""

from __future__ import annotations

import os
import subprocess
import textwrap

import pytest

from sessions.errors import SessionError
from sessions.experiments.statistics import held_out_seeds
from sessions.playground import DesignUnderTest, Job, JobResult, find_playground
from sim.policies import policy_seed, router_names

PLAYGROUND = find_playground()


def evaluate(source: str | None, name: str = "design", deadline_s: float = 20.0, seed: int = 3) -> JobResult:
    text = None if source is None else textwrap.dedent(source)
    return PLAYGROUND.run(Job("smoke", "router", DesignUnderTest(name, text), seed, True, deadline_s))


def in_route(*lines: str) -> str:
    body = "\n".join(f"        {line}" for line in lines)
    return f"class Design:\n    calls = 0\n\n    def route(self, queue, cluster):\n        self.calls += 1\n{body}\n"


ROUND = "return [(r, cluster.replicas[r.id % 2]) for r in queue]"


@pytest.mark.parametrize("name", router_names())
def test_a_shipped_router_given_as_a_file_decides_the_same(name: str) -> None:
    trusted = evaluate(None, name)
    sealed = evaluate(PLAYGROUND.shipped_source("router", name), name)
    assert trusted.outcome == sealed.outcome == "ok"
    assert trusted.metrics is not None
    assert trusted.metrics == sealed.metrics
    assert trusted.telemetry == sealed.telemetry


def test_an_oracle_runs_in_the_simulators_process_and_its_file_not_at_all() -> None:
    (name,) = PLAYGROUND.oracles("router")
    assert evaluate(None, name).outcome == "ok"
    sealed = evaluate(PLAYGROUND.shipped_source("router", name), name)
    assert (sealed.outcome, sealed.metrics) == ("interface", None)
    assert "output_tokens" in sealed.message
    assert PLAYGROUND.check("router", PLAYGROUND.shipped_source("router", name)).outcome == "interface"


LOOKS_AT_EVERYTHING = """
    import random

    from sim.api import HeldRequest

    class Curious:
        '''Its decisions depend on all that a view shows.'''

        def __init__(self, seed):
            self.random = random.Random(seed)
            self.kept = None

        def route(self, queue, cluster):
            self.kept = self.kept or cluster
            seen = [cluster.now_ns, self.kept.now_s, cluster.block_tokens, len(queue), len(queue.new)]
            for r in self.kept.replicas:
                seen += [r.id, r.accepts, r.num_waiting, r.num_running, r.kv_blocks_used, r.kv_blocks_total]
                for p in (*r.waiting, *r.running):
                    seen += [p.id, p.arrival_ns, p.prompt_tokens, p.processed_tokens, p.restarts]
            for h in (*reversed(queue), *queue[1:3], queue[-1]):
                seen += [h.id, h.arrival_ns, h.arrival_s, h.prompt_tokens, h.priority, h.session, h in queue]
            digest = hash(tuple(seen)) ^ self.random.getrandbits(30)
            held = list(queue)
            for request in held[: 1 + digest % 3] if sum(r.num_running for r in cluster.replicas) > 3 else held:
                yield request, cluster.replicas[digest % 2]
"""


def test_all_that_a_view_shows_is_the_same_in_both_processes() -> None:
    from sim.adapt import load_policy
    from sim.engine import Policies, simulate
    from sim.scenario import load_scenario

    namespace: dict[str, object] = {"__name__": "curious"}
    exec(textwrap.dedent(LOOKS_AT_EVERYTHING), namespace)
    router = load_policy(namespace, policy_seed(3))
    trusted = simulate(load_scenario("smoke"), Policies(router, {"router": "curious"}), 3)
    sealed = evaluate(LOOKS_AT_EVERYTHING)
    assert sealed.outcome == "ok", sealed.message
    assert sealed.metrics is not None
    assert sealed.metrics["decisions_sha256"] == trusted.decisions_sha256


@pytest.mark.parametrize(
    "body",
    ["cluster.replicas[0].num_waiting = 0", "cluster.now_ns = 0", "queue[0].prompt_tokens = 1", "queue[0] = None"],
)
def test_views_are_read_only(body: str) -> None:
    result = evaluate(in_route(body, ROUND))
    assert result.outcome == "exception"
    assert f"at line 6: {body}" in result.message


@pytest.mark.parametrize(
    ("source", "outcome", "words"),
    [
        ("def route(queue, cluster)\n    return []\n", "syntax", "Line 1 can't be parsed: expected ':'"),
        ("def route(queue, cluster):\n    return '\0'\n", "syntax", "can't be parsed"),
        ("(" * 5000 + ")" * 5000, "syntax", "can't be parsed"),
        ("\udcff = 1", "syntax", "not UTF-8"),
        ("", "interface", "defines no policy"),
        ("x = 1\n", "interface", "defines no policy"),
        ("def route(q, c): return []\ndef pick(r, c): return None\n", "interface", "2 policies"),
        ("def route(queue): return []\n", "interface", "must be callable as route(queue, cluster)"),
        ("import os\ndef pick(r, c): return None\n", "interface", "Line 1 imports os;"),
        ("def pick(r, c):\n    import sim.engine\n", "interface", "Line 2 imports sim.engine;"),
        ("def route(q, c): return None\n", "interface", "it returned NoneType"),
        ("1 / 0\n", "exception", "ZeroDivisionError (division by zero) at line 1: 1 / 0"),
        ("raise SystemExit\n", "exception", "SystemExit at line 1"),
        (in_route("if self.calls == 60:", "    queue[9999]", ROUND), "exception", "at line 7: queue[9999]"),
        (in_route("return [(queue[0], 1)]"), "illegal", "no (request, replica) pair"),
        (in_route("return [queue[0]]"), "illegal", "no (request, replica) pair"),
        (in_route("return [(queue[0], type('R', (), {'id': 7}))]"), "illegal", "there is no replica 7"),
        (in_route("return [(queue[0], cluster.replicas[0])] * 2"), "illegal", "assigned twice"),
        (in_route("while True: yield queue[0], cluster.replicas[0]"), "illegal", "assigned twice"),
        (in_route("return [(type('R', (), {'id': 99999}), cluster.replicas[0])]"), "illegal", "99999 is not held"),
        (in_route("return []"), "illegal", "requests unserved"),
        (in_route("x = [0] * 10**9", ROUND), "memory", "ran out of memory at line 6: x = [0] * 10**9"),
        (in_route("return self.route(queue, cluster)"), "exception", "RecursionError"),
    ],
)
def test_a_failure_has_its_outcome_and_says_what_to_change(source: str, outcome: str, words: str) -> None:
    result = PLAYGROUND.run(Job("smoke", "router", DesignUnderTest("design", source), 3, False, 20.0))
    assert (result.outcome, words in result.message) == (outcome, True), result.message
    assert result.metrics is None
    assert result.telemetry is None


NO_NUMBER = """
class F(float):
    def __ge__(self, other): return True
    __le__ = __gt__ = __lt__ = __ge__

class Design:
    timer_s = F("nan")

    def route(self, queue, cluster):
        return []
"""


def test_a_timer_that_compares_as_it_likes_is_refused() -> None:
    result = evaluate(NO_NUMBER)
    assert (result.outcome, "timer_s must be a number of seconds above 0" in result.message) == ("interface", True)


@pytest.mark.parametrize("bits", [0x7FF8000000000000, 0x7FF0000000000000, -(2**52), 1])
def test_a_timer_that_is_forged_on_the_wire_is_the_designs_failure(bits: int) -> None:
    """NaN, infinity, its negative, and the least number above 0."""
    result = evaluate(in_route(f"cluster.replicas[0]._moment.link._wire.send(11, [{bits}])", "while True: pass"))
    assert (result.outcome, "sent a time that is none" in result.message) == ("exception", True), result.message


def test_a_request_that_was_assigned_before_can_not_be_assigned_again() -> None:
    body = ("self.first = getattr(self, 'first', queue[0])", "return [(self.first, cluster.replicas[0])]")
    result = evaluate(in_route(*body))
    assert result.outcome == "illegal"
    assert "request 0 is not held" in result.message


# What follows passes the import rule by the back door: the rule is for readability, the process is the boundary.
BACK_DOOR = "random._os"


def with_back_door(*lines: str) -> str:
    return "import random\n" + in_route(f"os = {BACK_DOOR}", *lines, ROUND)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (in_route("while True: pass"), "spent"),
        ("while True: pass\n", "on loading"),
        (with_back_door("try:", "    while True: pass", "except BaseException: pass"), "on one decision"),
        (with_back_door("os.sys.modules['signal'].pause()"), "on one decision"),
    ],
)
def test_a_design_that_does_not_come_back_is_timed_out(source: str, words: str) -> None:
    result = evaluate(source, deadline_s=1.0)
    assert result.outcome == "timeout"
    assert words in result.message
    assert result.wall_s < 10.0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("os._exit(0)", "ended by itself (exit code 0)"),
        ("os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        ("os.kill(os.getpid(), 11)", "was ended by SIGSEGV"),
    ],
)
def test_a_process_that_ends_is_an_exception(line: str, words: str) -> None:
    result = evaluate(with_back_door(line))
    assert result.outcome == "exception"
    assert words in result.message


def test_a_design_that_writes_on_the_wire_itself_is_an_exception() -> None:
    forge = ("for fd in range(3, 32):", "    try: os.write(fd, bytes(40))", "    except OSError: pass")
    result = evaluate(with_back_door(*forge))
    assert result.outcome == "exception"
    assert "The design's process sent" in result.message


def test_what_a_design_prints_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    source = in_route("print('flood' * 20000, flush=True)", ROUND)
    assert evaluate(source).outcome == "ok"
    assert capfd.readouterr() == ("", "")


def test_the_environment_of_a_design_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    result = evaluate(with_back_door("raise ValueError(sorted(os.environ), os.getcwd())"))
    assert result.outcome == "exception"
    assert "sk-secret" not in result.message
    assert "ValueError (([], '/'))" in result.message


def test_the_seed_of_a_policy_is_no_workloads_seed() -> None:
    result = evaluate(
        "class Told:\n    def __init__(self, seed): raise ValueError(seed)\n    def route(self, q, c): pass\n"
    )
    assert f"ValueError ({policy_seed(3)})" in result.message
    held_out = [policy_seed(seed) for seed in held_out_seeds("0", 1, 2000)]
    assert set(held_out) == set(range(256))  # each stands for 2**24 held-out seeds


def test_a_finished_evaluation_leaves_no_process_and_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[call-overload]
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    before = set(os.listdir("/dev/fd"))
    evaluate(in_route(ROUND))
    evaluate(in_route("1 / 0"))
    evaluate("1 +")
    assert set(os.listdir("/dev/fd")) == before
    assert [process.returncode is not None for process in started] == [True] * 3


def test_the_check_of_a_design_is_its_smoke_run() -> None:
    assert PLAYGROUND.check("router", in_route(ROUND)).outcome == "ok"
    failed = PLAYGROUND.check("router", in_route("1 / 0"))
    assert (failed.outcome, "line 6" in failed.message) == ("exception", True)


def test_unknown_names_give_the_nearest() -> None:
    with pytest.raises(SessionError, match="'llq'"):
        evaluate(None, "lllq")
    with pytest.raises(SessionError, match="'smoke'"):
        PLAYGROUND.scenario("smok")
    with pytest.raises(SessionError, match="'router'"):
        PLAYGROUND.shipped("routr")
    with pytest.raises(SessionError, match="'serving'"):
        find_playground("servin")


def test_a_card_says_what_a_scenario_is() -> None:
    card = PLAYGROUND.scenario("smoke", {"cluster.kv_blocks": "64"})
    assert (card.name, card.baseline, card.metric, card.unit) == ("smoke", "llq", "e2e_s.mean", "s")
    assert card.digest != PLAYGROUND.scenario("smoke").digest
    assert card.hardware == "2×A10 · Llama-3-8B"
