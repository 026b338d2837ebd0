"""What the screen says, decided without a screen."""

from __future__ import annotations

import pytest

from glia_tui import chrome, wording
from glia_tui.leaderboard import leaderboard, table
from glia_tui.lines import wrap_all
from glia_tui.present import Entry, Feed, Gone
from glia_tui.proposals import card_rows, card_title
from glia_tui.results import experiment_rows
from sessions import events as ev
from tests.glia_tui.scripted_session import LLQ, SHORTEST, ScriptedSession, Title, arm


def entries(session: ScriptedSession) -> dict[str, Entry]:
    """The conversation after all of the session's events, by key, in order."""
    feed = Feed(session.state, session.source_of, ("Back end: offline researcher.",))
    shown: dict[str, Entry] = {}
    for event in session.state.events:
        for change in feed.take(event):
            if isinstance(change, Gone):
                shown.pop(change.key, None)
            else:
                shown[change.key] = change
    return shown


def text(entry: Entry, width: int = 54) -> str:
    return "\n".join(line.plain for line in wrap_all(entry.rows, width))


def approved(session: ScriptedSession, number: int = 1) -> None:
    session.emit("engineer", ev.ApprovalAnswered(approval=f"ask-{number}", verb="approve"))
    session.emit("system", ev.ExperimentStarted(experiment=f"exp-{number}"))


def test_a_study_starts_by_saying_what_is_in_force() -> None:
    assert "Back end: offline researcher." in text(entries(ScriptedSession().start())["event:0"])


def test_a_proposal_is_followed_from_question_to_result() -> None:
    session = ScriptedSession().start()
    session.propose()
    assert "waits for your answer" in text(entries(session)["experiment:exp-1"])
    approved(session)
    running = text(entries(session)["experiment:exp-1"])
    assert "approved by you" in running
    assert "runs now" in running
    session.finish()
    shown = entries(session)
    assert "runs now" not in text(shown["experiment:exp-1"])
    assert list(shown)[-1] == "result:exp-1"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ev.ApprovalAnswered(approval="ask-1", verb="reject"), "rejected by you"),
        (ev.ApprovalAnswered(approval="ask-1", verb="redirect", words="less"), "redirected by you"),
        (ev.ApprovalAnswered(approval="ask-1", verb="approve_kind"), "from now on"),
        (ev.ApprovalAnswered(approval="ask-1", verb="edit", design="mine"), "your edit: mine"),
        (ev.ApprovalAnswered(approval="ask-1", verb="approve", rule="gate: trusted"), "without asking (gate: trusted)"),
    ],
)
def test_every_answer_is_said_for_what_it_was(answer: ev.ApprovalAnswered, words: str) -> None:
    session = ScriptedSession().start()
    session.propose()
    session.emit("engineer", answer)
    assert words in text(entries(session)["experiment:exp-1"], 200)


def test_redirecting_words_are_shown_as_the_engineers() -> None:
    session = ScriptedSession().start()
    session.propose()
    session.emit("engineer", ev.ApprovalAnswered(approval="ask-1", verb="redirect", words="ablate first"))
    last = list(entries(session).values())[-1]
    assert (last.speaker, text(last)) == ("you", "redirected exp-1: ablate first")


def test_a_result_shows_prediction_beside_outcome_with_interval_and_verdict() -> None:
    session = ScriptedSession().start()
    session.propose()
    approved(session)
    session.finish()
    shown = text(entries(session)["result:exp-1"])
    assert "better than llq" in shown
    assert "24.5 ± 1.3 s" in shown
    assert "−60% to −30%, measured −56%  ✓ confirmed" in shown
    assert "10 seeds" in shown
    assert "ran 9 s" in shown
    assert all(len(line) <= 54 for line in shown.split("\n"))


def test_a_failed_experiment_shows_its_message_and_no_figures() -> None:
    session = ScriptedSession().start()
    session.propose()
    result = ev.ExperimentFinished(experiment="exp-1", outcome="timeout", message="It took over 60 s.")
    rows = [row.plain for row in experiment_rows(result, session.state.experiments["exp-1"].proposal)]
    assert rows == ["exp-1  failed: timeout  ran under 1 s", "It took over 60 s."]


def test_tool_calls_are_one_line_with_their_result_folded() -> None:
    session = ScriptedSession().start()
    call = ev.ToolCall(id="c1", name="read_source", arguments={"name": "llq"})
    session.emit("researcher", ev.AgentReplied(text="I read.", tool_calls=[call], stop_reason="tool_use"))
    assert text(entries(session)["call:c1"]) == "read_source llq …"
    session.emit("system", ev.ToolReturned(call_id="c1", content={"source": LLQ}))
    entry = entries(session)["call:c1"]
    assert text(entry) == "read_source llq"
    assert entry.detail is not None
    assert "def pick(request, cluster):" in "\n".join(line.plain for line in entry.detail(80))


def test_a_call_that_became_a_proposal_is_not_shown_twice() -> None:
    session = ScriptedSession().start()
    call = ev.ToolCall(id="call-1", name="propose_experiment", arguments={"title": "t"})
    session.emit("researcher", ev.AgentReplied(text="", tool_calls=[call], stop_reason="tool_use"))
    session.propose()
    session.emit("system", ev.ToolReturned(call_id="call-1", content={"decision": "rejected"}, is_error=True))
    assert "call:call-1" not in entries(session)


def test_a_call_that_failed_before_it_had_an_effect_is_shown() -> None:
    session = ScriptedSession().start()
    call = ev.ToolCall(id="c9", name="propose_experiment", arguments={"title": "t"})
    session.emit("researcher", ev.AgentReplied(text="", tool_calls=[call], stop_reason="tool_use"))
    session.emit("system", ev.ToolReturned(call_id="c9", content={"error": "no prediction"}, is_error=True))
    assert "no prediction" in text(entries(session)["call:c9"])


def test_streamed_text_gives_way_to_the_recorded_reply() -> None:
    session = ScriptedSession().start()
    feed = Feed(session.state, session.source_of, ())
    feed.delta(ev.TextDelta(actor="researcher", text="Half a "))
    live = feed.delta(ev.TextDelta(actor="researcher", text="reply"))
    assert text(live).startswith("Half a reply")
    assert feed.streaming == "researcher"
    session.emit("researcher", ev.AgentReplied(text="Half a reply, whole.", stop_reason="end_turn"))
    changes = feed.take(session.state.events[-1])
    assert changes[0] == Gone("live:researcher")
    assert feed.streaming is None


def test_an_interrupted_reply_keeps_its_text_and_says_so() -> None:
    session = ScriptedSession().start()
    session.emit("researcher", ev.AgentReplied(text="I was", stop_reason="interrupted"))
    assert text(list(entries(session).values())[-1]) == "I was\n(interrupted)"


def test_an_acceptance_is_followed_to_its_commit() -> None:
    session = ScriptedSession().start()
    session.propose()
    approved(session)
    session.finish()
    proposal = ev.AcceptanceProposed(
        acceptance="acc-1", call_id="c", design="shortest-first", experiment="exp-1", reason="It holds."
    )
    session.emit("researcher", proposal)
    session.ask(2, "acceptance", "acc-1")
    state = session.state
    assert state.pending is not None
    card = "\n".join(row.plain for row in card_rows(state, state.pending, session.source_of))
    assert card_title(state, state.pending) == "Accept shortest-first?"
    assert "Held-out seeds will be run before the commit" in card
    assert "−56% better" in card
    session.emit("engineer", ev.ApprovalAnswered(approval="ask-2", verb="approve"))
    session.emit("system", ev.HeldOutStarted(acceptance="acc-1", scenario="paper-routing-family", seeds=[2**20]))
    assert chrome.status(state, None, None)[0] == "held-out seeds of shortest-first run"
    result = state.experiments["exp-1"].result
    assert result is not None
    session.emit(
        "system",
        ev.HeldOutFinished(
            acceptance="acc-1", outcome="ok", candidate=result.candidate, baseline=result.baseline,
            comparison=result.comparison, passed=True,
        ),
    )  # fmt: skip
    accepted = ev.DesignAccepted(acceptance="acc-1", design="shortest-first", commit="a1b2c3d4e5", tag="accepted/r/1")
    session.emit("system", accepted)
    shown = "\n".join(text(entry, 80) for entry in entries(session).values())
    assert "on seeds nobody had seen" in shown
    assert "✔ shortest-first accepted: commit a1b2c3d, tag accepted/r/1" in shown


def test_a_card_holds_everything_an_answer_rests_on() -> None:
    session = ScriptedSession().start()
    session.propose()
    assert session.state.pending is not None
    card = [row.plain for row in card_rows(session.state, session.state.pending, session.source_of)]
    assert [line.split("  ")[0] for line in card] == [
        "because",
        "how",
        "predicts",
        "refuted if the mean falls by less than 10%",
        "design",
        "runs",
    ]
    assert "+12 −3 vs llq" in card[4]
    assert "paper-routing-family × 10 seeds, about 9 s" in card[5]


def test_a_proposal_of_the_baseline_says_that_it_measures_it_alone() -> None:
    session = ScriptedSession().start()
    session.propose(design="llq")
    assert session.state.pending is not None
    card = "\n".join(row.plain for row in card_rows(session.state, session.state.pending, session.source_of))
    assert "llq itself: measures the baseline alone" in card


@pytest.mark.parametrize("width", range(60, 220, 7))
def test_the_header_drops_items_and_never_wraps(width: int) -> None:
    session = ScriptedSession().start()
    session.propose()
    approved(session)
    session.finish()
    header = chrome.header(session.state, Title(), width)
    assert header.width <= width
    assert header.plain.startswith(" Glia  paper-routing-family")
    assert "…" not in header.plain
    if width >= 80:
        assert "supervised" in header.plain or "asks before every experiment" in header.plain
        assert "exp 1/40" in header.plain
        assert "best 24.5" in header.plain


def test_the_gate_is_said_as_what_it_asks_for_now() -> None:
    session = ScriptedSession().start()
    assert wording.gate_words(session.state) == "asks before every experiment"
    session.emit("engineer", ev.GateChanged(mode="supervised", auto=["experiment"]))
    assert wording.gate_words(session.state) == "asks before accepting a design"
    session.emit("engineer", ev.GateChanged(mode="autonomous"))
    assert wording.gate_words(session.state) == "asks nothing"


def test_the_leaderboard_ranks_by_mean_and_shows_ties_as_ties() -> None:
    session = ScriptedSession().start()
    for number, (design, mean) in enumerate([("far", 24.0), ("near", 24.0), ("slow", 40.0)], start=1):
        session.propose(number, design)
        approved(session, number)
        session.finish(number, mean)
    session.write("broken")
    session.propose(4, "broken")
    approved(session, 4)
    session.emit("system", ev.ExperimentFinished(experiment="exp-4", outcome="exception", message="boom"))
    places = {place.design: place for place in leaderboard(session.state)}
    assert [place.design for place in places.values()][2:] == ["slow", "llq", "broken"]
    assert (places["far"].rank, places["near"].rank, places["slow"].rank, places["llq"].rank) == (1, 1, 3, 4)
    assert [places[name].standing for name in ("far", "slow", "llq", "broken")] == [
        "better", "better", "baseline", "failed",
    ]  # fmt: skip
    lines = [line.plain for line in table(list(places.values()), 76)]
    assert lines[1].startswith("● 1= ")
    assert lines[2].startswith("● 1= ")
    assert "failed: exception" in lines[5]


@pytest.mark.parametrize("width", [40, 48, 51, 60, 78, 120])
def test_leaderboard_lines_fit_and_keep_name_mean_and_commit(width: int) -> None:
    session = ScriptedSession().start()
    session.propose()
    approved(session)
    session.finish()
    session.state.designs["shortest-first"].commit = "a1b2c3d4e5f6"
    lines = table(leaderboard(session.state), width)
    assert all(line.width <= width for line in lines)
    assert "24.5 ± 1.3" in lines[1].plain
    assert ("a1b2c3d" in lines[1].plain) == (width >= 48)
    assert "shortest-first" in lines[1].plain


@pytest.mark.parametrize(
    ("value", "shown"),
    [(54.61, "54.6"), (221.4, "221"), (12345.0, "12\u2009345"), (0.123, "0.12"), (-3.0, "−3.00"), (-0.001, "0.00")],
)
def test_numbers_have_three_digits_and_a_true_minus(value: float, shown: str) -> None:
    assert wording.number(value) == shown


def test_relative_changes_and_durations_are_short() -> None:
    assert [wording.percent(v) for v in (-0.561, -0.0549, 0.0, 1.2)] == ["−56%", "−5.5%", "±0%", "+120%"]
    assert [wording.duration(v) for v in (0.2, 9, 130, 3900)] == ["under 1 s", "9 s", "2 min 10 s", "1 h 05 min"]


def test_an_arm_without_an_interval_is_shown_without_one() -> None:
    figures = arm("llq", {1: 50.0, 2: 54.0}).metrics
    assert wording.with_interval(figures, "e2e_s.p99", 221.0) == "221 s"
    assert wording.with_interval(figures, "e2e_s.mean", 52.0) == "52.0 ± 1.3 s"


def test_designs_that_were_edited_are_the_engineers() -> None:
    session = ScriptedSession().start()
    session.write("shortest-first")
    edited = ev.DesignWritten(
        design="shortest-first-edit1",
        slot="router",
        source=SHORTEST + "\n# mine\n",
        card="",
        parent="shortest-first",
        digest="d",
    )
    session.emit("engineer", edited)
    entry = list(entries(session).values())[-1]
    assert entry.speaker == "you"
    assert "edited, now shortest-first-edit1  +2 −0 vs shortest-first" in text(entry, 80)
