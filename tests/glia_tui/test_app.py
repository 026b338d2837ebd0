"""The app as a whole: starting, resuming, sizes, colours, leaving."""

from __future__ import annotations

import pytest

from glia_tui.widgets.bars import Made
from glia_tui.widgets.cluster import ClusterPanel
from glia_tui.widgets.paper import Paper
from glia_tui.widgets.transcript import Transcript
from sessions import events as ev
from tests.glia_tui.driven import BOTH, LARGE, driven
from tests.glia_tui.scripted_session import ScriptedSession


@BOTH
async def test_it_starts_with_what_is_in_force_and_the_composer_focused(size: tuple[int, int]) -> None:
    async with driven(size) as study:
        assert study.study.composer.has_focus
        assert "offline researcher (rule-based, no" in study.screen_text
        assert "asks before every experiment" in study.screen_text


async def test_help_is_made_from_the_registry_and_the_back_end() -> None:
    async with driven(LARGE) as study:
        for key in ("question_mark", "f1"):
            await study.press(key)
            text = study.app.screen.query_one("#reading-text", Paper).plain
            assert "/redirect TEXT" in text
            assert "focus on tail" in text
            await study.press("escape")


async def test_the_screen_follows_the_size_of_the_terminal() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        await study.finish()
        await study.propose(2)
        panel = study.study.query_one(ClusterPanel)
        assert panel.is_on_screen
        await study.pilot.resize_terminal(80, 24)
        await study.settle()
        assert not panel.is_on_screen
        assert "1 Conversation" in study.screen_text
        assert "a approve" in study.screen_text
        await study.pilot.resize_terminal(59, 15)
        await study.settle()
        assert "terminal too small (need 60x15)" in study.screen_text
        assert "approve" not in study.screen_text
        await study.pilot.resize_terminal(60, 15)
        await study.settle()
        assert "a approve  e edit  r redirect  x reject" in study.screen_text


@BOTH
async def test_it_draws_without_colour(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with driven(size) as study:
        await study.propose()
        await study.finish()
        await study.propose(2)
        await study.press("f2")
        await study.press("f1")
        await study.press("escape", "/", "r")
        assert study.app.no_color
        used = {segment.style for strip in study.app.screen._compositor.render_strips() for segment in strip}
        colours = {style.color for style in used if style} | {style.bgcolor for style in used if style}
        assert all(colour is None or colour.is_default for colour in colours)
        assert "Designs" in study.screen_text


async def test_a_resumed_study_shows_its_record_its_last_run_and_what_waits() -> None:
    session = ScriptedSession().start()
    session.propose(1)
    session.emit("engineer", ev.ApprovalAnswered(approval="ask-1", verb="approve"))
    session.emit("system", ev.ExperimentStarted(experiment="exp-1"))
    session.finish(1)
    session.propose(2, "other")
    session.emit("system", ev.SessionResumed())
    async with driven(LARGE, session) as study:
        assert "better than llq" in study.study.query_one(Transcript).plain
        assert "■ end" in study.screen_text
        assert "a approve" in study.screen_text
        assert session.answers == []


@pytest.mark.parametrize("key", ["ctrl+q", "ctrl+c"])
async def test_leaving_saves_and_approves_nothing(key: str) -> None:
    session = ScriptedSession().start()
    async with driven(session=session) as study:
        await study.propose()
        await study.pilot.press(key)
        await study.pilot.pause()
        message = str(study.app._exit_renderables[0])
    assert session.closed == 1
    assert session.answers == []
    assert message == "Saved. Resume with: glia sessions resume s-20260101-1"


@pytest.mark.parametrize("typed", ["why is P99 so", "/redirect"])
async def test_ctrl_c_over_words_that_are_not_sent_keeps_them_and_has_to_be_pressed_again(typed: str) -> None:
    session = ScriptedSession().start()
    async with driven(session=session) as study:
        await study.type(typed)
        await study.press("ctrl+c")
        assert study.app.is_running
        assert study.study.composer.text == typed
        assert "Ctrl+C again quits" in study.message
        await study.type(" bad?", "ctrl+c")
        assert study.app.is_running
        assert session.draft == ""
        await study.pilot.press("ctrl+c")
        await study.pilot.pause()
    assert session.closed == 1
    assert session.draft == typed + " bad?"


@pytest.mark.parametrize("key", ["ctrl+q", "ctrl+c"])
async def test_what_was_typed_and_not_sent_is_there_again(key: str) -> None:
    session = ScriptedSession().start()
    async with driven(session=session) as study:
        await study.propose()
        await study.press("tab", "r")
        await study.type("order alone", *([key] if key == "ctrl+q" else [key, key]))
    assert session.answers == []
    assert session.draft == "/redirect order alone"
    async with driven(session=session) as study:
        assert study.study.composer.text == "/redirect order alone"
        assert "is here again" in study.message
        study.clock.now += 1.0
        await study.press("enter")
        assert session.answers == [("ask-1", "redirect", "order alone", None)]
        await study.pilot.press("ctrl+q")
    assert session.draft == ""


async def test_an_error_of_the_study_is_said_and_the_app_stays() -> None:
    class Failing(ScriptedSession):
        async def run(self) -> None:
            raise RuntimeError("disk is gone")

    session = Failing()
    session.start()
    async with driven(session=session) as study:
        assert "disk is gone" in study.message
        assert study.app.is_running


async def test_the_palette_offers_what_can_be_done_now() -> None:
    async with driven() as study:
        offered = {command.title for command in study.app.get_system_commands(study.study)}
        assert "Waiting proposal: Approve what is proposed" not in offered
        assert "Theme" in offered
        await study.propose()
        offered = {command.title for command in study.app.get_system_commands(study.study)}
        assert "Waiting proposal: Approve what is proposed" in offered
        assert min(offered) == "Keys and commands"
        assert "Play or pause" not in offered


async def test_the_header_tells_how_the_study_stands() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        await study.finish()
        header = study.study.query_one("#header", Made).plain
        assert "exp 1/40" in header
        assert "best 24.5 ± 1.3 s (−56%)" in header
