"""The conversation on the screen: streaming, scrolling, folding, hostile text."""

from __future__ import annotations

from glia_tui.widgets.transcript import Transcript
from sessions import events as ev
from tests.glia_tui.driven import LARGE, driven
from tests.glia_tui.scripted_session import SHORTEST, ScriptedSession


async def test_words_are_sent_to_the_study() -> None:
    async with driven() as study:
        await study.press(*"why axe", "enter")
        assert study.session.said == ["why axe"]
        assert "why axe" in study.screen_text
        assert study.study.composer.text == ""


async def test_streamed_text_is_shown_and_replaced_by_the_reply() -> None:
    async with driven() as study:
        study.session.send(ev.TextDelta(actor="researcher", text="Half a"))
        await study.settle()
        study.study._flush()
        await study.settle()
        assert "Half a▍" in study.screen_text
        study.session.emit("researcher", ev.AgentReplied(text="Half a reply.", stop_reason="end_turn"))
        await study.settle()
        assert "Half a reply." in study.screen_text
        assert "▍" not in study.screen_text


async def test_the_reader_who_scrolled_up_is_not_moved_and_end_goes_back() -> None:
    async with driven() as study:
        for number in range(30):
            study.session.emit("researcher", ev.AgentReplied(text=f"line {number}", stop_reason="end_turn"))
        await study.settle()
        transcript = study.study.query_one(Transcript)
        transcript.focus()
        await study.press("pageup", "pageup")
        top = transcript.lines[round(transcript.scroll_y)]
        assert not transcript.following
        study.session.emit("researcher", ev.AgentReplied(text="the newest", stop_reason="end_turn"))
        await study.settle()
        assert transcript.lines[round(transcript.scroll_y)] == top
        assert "1 new below" in study.screen_text
        await study.press("end")
        assert transcript.following
        assert "the newest" in study.screen_text


async def test_the_reader_is_not_moved_when_something_above_changes_its_height() -> None:
    async with driven() as study:
        study.session.propose(1)
        for number in range(30):
            study.session.emit("researcher", ev.AgentReplied(text=f"line {number}", stop_reason="end_turn"))
        await study.settle()
        transcript = study.study.query_one(Transcript)
        transcript.focus()
        await study.press("pageup", "pageup", "pageup")
        top = transcript.lines[round(transcript.scroll_y)]
        study.session.emit("engineer", ev.ApprovalAnswered(approval="ask-1", verb="approve"))
        await study.settle()
        await study.pilot.resize_terminal(80, 24)
        assert transcript.lines[round(transcript.scroll_y)] == top


async def test_cards_unfold_with_enter() -> None:
    async with driven(LARGE) as study:
        study.session.write("mine", SHORTEST, "llq")
        await study.settle()
        transcript = study.study.query_one(Transcript)
        transcript.focus()
        await study.press("j", "enter")
        assert "▾ wrote mine" in transcript.plain
        assert "def route(queue, cluster):" in transcript.plain
        await study.press("enter")
        assert "▸ wrote mine" in transcript.plain


async def test_a_long_history_is_laid_out_only_as_far_as_it_is_read() -> None:
    session = ScriptedSession().start()
    for number in range(1000):
        session.emit("researcher", ev.AgentReplied(text=f"line {number}", stop_reason="end_turn"))
    async with driven(session=session) as study:
        transcript = study.study.query_one(Transcript)
        assert "line 999" in study.screen_text
        assert "line 500\n" not in transcript.plain
        transcript.focus()
        window = len(transcript.lines)
        await study.press("home", "home", "home")
        assert "Study of" in study.screen_text
        assert len(transcript.lines) > 2 * window
        await study.press("end")
        assert "line 999" in study.screen_text
        assert len(transcript.lines) == window


async def test_a_study_that_goes_on_for_long_keeps_a_window_of_itself() -> None:
    async with driven() as study:
        transcript = study.study.query_one(Transcript)
        for number in range(2000):
            study.session.emit("researcher", ev.AgentReplied(text=f"line {number}", stop_reason="end_turn"))
        await study.settle()
        assert "line 1999" in study.screen_text
        assert "earlier: Home" in transcript.plain
        assert len(transcript.lines) < 2000


async def test_hostile_text_is_shown_as_text() -> None:
    text = "[red]x[/red] [@click=app.leave]y[/] \x1b]0;t\x07 \x9b31m \u202e end"
    async with driven(LARGE) as study:
        study.session.emit("researcher", ev.AgentReplied(text=text, stop_reason="end_turn"))
        study.session.propose(1, design="d", title=text, hypothesis=text)
        await study.settle()
        shown = study.screen_text
        assert "[red]x[/red] [@click=app.leave]y[/] ␛]0;t␇" in shown
        assert not [c for c in shown if c != "\n" and (ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c == "\u202e")]
        await study.press("tab", "d", "escape")
