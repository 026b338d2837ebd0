"""When a batch scheduler is asked, what it sees, and what it may not answer."""

from __future__ import annotations

import pytest

from sim.errors import IllegalDecision
from sim.hooks import SchedulerHooks
from tests.sim.rules.one_replica import OneReplica, requests


class Asked:
    """A scheduler that notes each call, with waiting or candidate ids, and answers as told (by default natively)."""

    def __init__(self, admit=None, chunk=None, victim=None, wake=None):
        self.calls = []
        self._answers = {"admit": admit, "chunk": chunk, "victim": victim}
        self.wake = wake

    def hooks(self, *methods):
        named = {method: getattr(self, f"_{method}") for method in methods}
        return SchedulerHooks("mine", **named, wake_iterations=lambda: self.wake)

    def _admit(self, waiting, engine):
        self.calls.append(("admit", [request.id for request in waiting], engine.now_ns))
        answer = self._answers["admit"]
        return waiting if answer is None else answer(waiting, engine)

    def _chunk(self, request, budget, engine):
        self.calls.append(("chunk", request.id, budget))
        answer = self._answers["chunk"]
        return budget if answer is None else answer(request, budget, engine)

    def _victim(self, candidates, engine):
        self.calls.append(("victim", [request.id for request in candidates], engine.now_ns))
        answer = self._answers["victim"]
        return candidates[-1] if answer is None else answer(candidates, engine)

    def take(self):
        calls, self.calls = self.calls, []
        return calls


def shortest_first(waiting, engine):
    return sorted(waiting, key=lambda request: request.prompt_tokens)


def nobody(waiting, engine):
    return []


@pytest.mark.parametrize("rules", ["sarathi", "vllm-v1", "vllm", "orca"])
def test_admission_tries_whom_the_policy_names_in_its_order(rules):
    asked = Asked(admit=shortest_first)
    one = OneReplica(rules, hooks=asked.hooks("admit"), max_num_seqs=2, engine={"reserved_tokens": 8})
    one.enqueue(*requests((9, 2), (5, 2), (3, 2)))
    one.step()
    assert (one.decisions, one.waiting) == ([(1, 2), (1, 1)], [0])


def test_admission_stops_at_the_first_that_does_not_fit_and_holds_back_who_is_not_named():
    asked = Asked(admit=lambda waiting, engine: [waiting[1], waiting[0]])
    one = OneReplica(hooks=asked.hooks("admit"), kv_blocks=3)
    one.enqueue(*requests((4, 2), (13, 2), (4, 2)))
    assert one.step() is None
    assert one.waiting == [0, 1, 2]


def test_admit_is_asked_only_when_its_answer_can_have_changed():
    asked = Asked(admit=nobody)
    one = OneReplica(hooks=asked.hooks("admit"), max_num_seqs=3)
    a, b, c = requests((4, 4), (4, 9), (4, 9))
    asked._answers["admit"] = lambda waiting, engine: waiting[:1] if not engine.num_running else []
    one.enqueue(a)
    one.step()
    assert asked.take() == [("admit", [0], 0)]
    one.enqueue(b)  # it came: asked, and again after the prefill of a
    one.step()
    assert asked.take() == [("admit", [1], 4_000)]
    one.steps(2)  # nothing changes until a leaves
    assert asked.take() == []
    one.step()  # it left with the iteration before
    assert asked.take() == [("admit", [1], 7_000)]
    one.enqueue(c)
    one.step()
    # b's prefill has ended, and c came.
    assert asked.take() == [("admit", [2], 11_000)]


def test_a_scheduler_that_asks_for_it_is_woken_after_so_many_iterations():
    asked = Asked(admit=lambda waiting, engine: waiting if not engine.num_running else [], wake=3)
    one = OneReplica(hooks=asked.hooks("admit"))
    a, b = requests((4, 20), (4, 2))
    one.enqueue(a)
    assert one.replica.start(0) == 4_000
    one.enqueue(b)
    one.replica.end(4_000)
    asked.take()
    # Asked for b; then the stretch is three iterations, and the next one, asked again, three more.
    assert one.replica.start(4_000) == 7_000
    one.replica.end(7_000)
    assert one.replica.start(7_000) == 10_000
    assert asked.take() == [("admit", [1], 4_000), ("admit", [1], 7_000)]


def test_what_comes_during_a_stretch_cuts_it_only_if_admission_is_open():
    asked = Asked(admit=nobody)
    asked._answers["admit"] = lambda waiting, engine: waiting if not engine.num_running else []
    open_, full = OneReplica(hooks=asked.hooks("admit")), OneReplica(hooks=asked.hooks("admit"), max_num_seqs=1)
    for one, cut in ((open_, True), (full, False)):
        a, b = requests((4, 20), (4, 2))
        one.enqueue(a)
        one.step()
        one.replica.start(one.now)
        assert one.replica.enqueue(b) is cut


def test_a_replica_whose_policy_holds_everything_back_is_idle_until_a_request_comes():
    asked = Asked(admit=lambda waiting, engine: waiting if len(waiting) > 1 else [])
    one = OneReplica(hooks=asked.hooks("admit"))
    a, b = requests((4, 1), (4, 1))
    one.enqueue(a)
    assert one.step() is None
    one.enqueue(b)
    assert one.step() == (8, [0, 1])


def test_chunks_are_as_large_as_the_policy_says_running_or_being_admitted():
    asked = Asked(chunk=lambda request, budget, engine: min(3, budget))
    one = OneReplica(hooks=asked.hooks("chunk"), chunk_tokens=8)
    one.enqueue(*requests((7, 2), (9, 2), (2, 9)))
    assert one.step() == (8, [])  # 3, 3, 2
    assert asked.take() == [("chunk", 0, 7), ("chunk", 1, 5), ("chunk", 2, 2)]
    assert one.step() == (7, [])  # 2 decodes; 3 and 3
    assert asked.take() == [("chunk", 0, 4), ("chunk", 1, 4)]
    assert one.step() == (1 + 1 + 3, [])


def test_without_tokens_for_anybody_the_replica_is_idle_and_keeps_their_blocks():
    asked = Asked(chunk=lambda request, budget, engine: 0 if engine.now_ns < 50 else budget)
    one = OneReplica(hooks=asked.hooks("chunk"))
    a, b = requests((4, 1), (4, 1))
    one.enqueue(a)
    assert one.step() is None
    assert (one.running, one.replica.used_blocks, one.replica.conserves()) == ([0], 1, True)
    one.now = 60
    one.enqueue(b)
    assert one.step() == (8, [0, 1])


def test_under_vllm_v1_a_decode_that_the_budget_does_not_reach_waits_for_the_next_iteration():
    first_little = Asked(chunk=lambda request, budget, engine: 1 if engine.now_ns == 0 else budget)
    one = OneReplica("vllm-v1", hooks=first_little.hooks("chunk"), chunk_tokens=4, max_num_seqs=3)
    long, short = requests((9, 2), (1, 5))
    one.enqueue(long, short)
    assert one.step() == (2, [])  # 1 token of the long one, all of the short one, which decodes from now on
    assert one.step() == (4, [])  # the long one takes the whole budget
    assert (one.processed(short), short.generated_tokens) == (1, 1)
    assert one.step() == (4, [])
    assert one.step() == (2, [0])  # the long one decodes its second and last token
    assert one.processed(short) == 2
    assert one.steps(3) == [(1, []), (1, []), (1, [1])]


def test_the_policy_picks_the_victim_among_those_not_placed_yet():
    asked = Asked(victim=lambda candidates, engine: candidates[0])
    one = OneReplica(hooks=asked.hooks("victim"), kv_blocks=7)
    one.enqueue(*requests((4, 9), (8, 9), (7, 9), (6, 9)))
    assert one.step() == (25, [])
    # All 7 blocks are used. The first needs another, picks itself and frees one: that is the second's.
    assert one.step() == (3, [])
    assert asked.take() == [("victim", [0, 1, 2, 3], 25_000)]
    assert (one.running, one.waiting) == ([1, 2, 3], [0])


@pytest.mark.parametrize(
    ("method", "answer", "message"),
    [
        ("admit", lambda waiting, engine: [waiting[0], waiting[0]], "admit named request 0 twice in one answer"),
        ("admit", lambda waiting, engine: [None], "admit named None, which isn't a waiting request"),
        ("admit", lambda waiting, engine: 7, "admit returned 7, which isn't a sequence of waiting requests"),
        ("chunk", lambda request, budget, engine: budget + 1, "chunk gave request 0 5 tokens, not 0 to 4"),
        ("chunk", lambda request, budget, engine: 1.5, "chunk gave request 0 1.5 tokens, not 0 to 4"),
        ("chunk", lambda request, budget, engine: True, "chunk gave request 0 True tokens, not 0 to 4"),
        ("victim", lambda candidates, engine: None, "victim returned None, which isn't one of the candidates"),
    ],
)
def test_an_illegal_answer_names_the_policy_the_time_and_the_decision(method, answer, message):
    asked = Asked(**{method: answer})
    one = OneReplica(hooks=asked.hooks(method), kv_blocks=1)
    one.enqueue(*requests((4, 9)))
    with pytest.raises(IllegalDecision) as error:
        one.steps(2)
    at = "0.000004" if method == "victim" else "0.000000"
    assert str(error.value) == f"Batch scheduler 'mine' made an illegal decision at {at} s: {message}."


def test_a_request_that_is_not_waiting_can_not_be_admitted():
    asked = Asked(admit=lambda waiting, engine: [*engine.running, *waiting])
    one = OneReplica(hooks=asked.hooks("admit"))
    a, b = requests((4, 9), (4, 9))
    one.enqueue(a)
    one.step()
    one.enqueue(b)
    with pytest.raises(IllegalDecision, match="admit named request 0, which isn't waiting at replica 0"):
        one.step()


def test_the_engine_shows_the_composition_at_hand():
    seen = []

    def admit(waiting, engine):
        seen.append((engine.now_s, engine.replica, engine.block_tokens, engine.kv_blocks_total, engine.kv_blocks_used))
        seen.append((engine.watermark_blocks, engine.max_num_seqs, engine.token_budget, engine.num_running))
        seen.append([(request.id, request.processed_tokens) for request in engine.running])
        seen.append(engine.cached_tokens(waiting[0]))
        return waiting

    one = OneReplica(hooks=SchedulerHooks("mine", admit=admit), watermark_fraction=0.25)
    a, b = requests((4, 9), (4, 9))
    one.enqueue(a)
    one.step()
    seen.clear()
    one.enqueue(b)
    one.step()
    # a's decode has taken its second block already.
    assert seen == [(0.000004, 0, 4, 100, 2), (25, 10, 100, 1), [(0, 4)], 0]
