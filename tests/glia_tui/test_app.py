"""The app on a scripted study: what keys do, what they never do, and what is on the screen."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from glia_tui.app import GliaApp
from glia_tui.screens.reading import ReadingScreen
from glia_tui.screens.study import StudyScreen
from glia_tui.widgets.bars import Made, Tabs
from glia_tui.widgets.cluster import ClusterPanel
from glia_tui.widgets.designs import DesignsList
from glia_tui.widgets.paper import Paper
from glia_tui.widgets.proposal import ProposalCard
from glia_tui.widgets.transcript import Transcript
from sessions import events as ev
from tests.glia_tui.scripted_session import SHORTEST, Clock, ScriptedSession

SMALL, LARGE = (80, 24), (120, 40)
BOTH = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])


class Driven:
    """An app under test with its session, clock and pilot."""

    def __init__(self, app: GliaApp, session: ScriptedSession, clock: Clock, pilot: Pilot[None]) -> None:
        self.app, self.session, self.clock, self.pilot = app, session, clock, pilot

    @property
    def study(self) -> StudyScreen:
        screen = self.app.screen_stack[1]
        assert isinstance(screen, StudyScreen)
        return screen

    @property
    def screen_text(self) -> str:
        """What the terminal shows now."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    @property
    def message(self) -> str:
        return " ".join(self.study.query_one("#message", Paper).plain.split())

    @property
    def verbs(self) -> list[str]:
        return [answer[1] for answer in self.session.answers]

    async def settle(self) -> None:
        await self.pilot.pause()
        if short := [worker for worker in self.app.workers if worker.group in ("answer", "film")]:
            await self.app.workers.wait_for_complete(short)
            await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def type(self, text: str, *keys: str) -> None:
        """Puts ``text`` into the composer at once, as a paste does, and presses ``keys``."""
        self.study.composer.insert(text)
        await self.press(*keys)

    async def propose(self, number: int = 1, grace: bool = True, hypothesis: str = "") -> None:
        """A proposal that has been on the screen long enough to be answered."""
        self.session.propose(number, hypothesis=hypothesis)
        await self.settle()
        if grace:
            self.clock.now += 1.0

    async def finish(self, number: int = 1) -> None:
        self.session.emit("engineer", ev.ApprovalAnswered(approval=f"ask-{number}", verb="approve"))
        self.session.emit("system", ev.ExperimentStarted(experiment=f"exp-{number}"))
        self.session.finish(number)
        await self.settle()


@contextlib.asynccontextmanager
async def driven(
    size: tuple[int, int] = SMALL, session: ScriptedSession | None = None, *, animated: bool = False
) -> AsyncIterator[Driven]:
    session = session or ScriptedSession().start()
    clock = Clock()
    app = GliaApp(session, clock=clock)
    app.animation_level = "full" if animated else "none"
    async with app.run_test(size=size) as pilot:
        study = Driven(app, session, clock, pilot)
        await study.settle()
        yield study


@BOTH
async def test_it_starts_with_what_is_in_force_and_the_composer_focused(size: tuple[int, int]) -> None:
    async with driven(size) as study:
        assert study.study.composer.has_focus
        assert "offline researcher (rule-based, no" in study.screen_text
        assert "asks before every experiment" in study.screen_text


async def test_words_are_sent_to_the_study() -> None:
    async with driven() as study:
        await study.press(*"why axe", "enter")
        assert study.session.said == ["why axe"]
        assert "why axe" in study.screen_text
        assert study.study.composer.text == ""


@BOTH
async def test_a_proposal_is_approved_from_its_card(size: tuple[int, int]) -> None:
    async with driven(size) as study:
        await study.propose()
        for words in ("because", "refuted if", "+12 −3 vs llq", "10 seeds, about 9 s", "a approve", "x reject"):
            assert words in study.screen_text
        assert "Tab: answer" in study.screen_text
        await study.press("tab", "a")
        assert study.session.answers == [("ask-1", "approve", "", None)]
        assert not study.study.query_one(ProposalCard).display
        assert study.study.composer.has_focus


@BOTH
async def test_a_long_proposal_scrolls_and_its_verbs_stay_visible(size: tuple[int, int]) -> None:
    async with driven(size) as study:
        await study.propose(hypothesis="A long hypothesis goes on and on. " * 40)
        assert "a approve  e edit  r redirect  x reject" in study.screen_text
        await study.press("tab")
        assert "↑↓ scroll" in study.screen_text


async def test_typing_never_answers_a_proposal_nor_loses_the_focus_to_it() -> None:
    async with driven() as study:
        await study.press(*"a")
        await study.propose()
        assert study.study.composer.has_focus
        await study.press(*"xerA")
        assert study.session.answers == []
        assert study.study.composer.text == "axerA"


async def test_a_key_in_the_first_half_second_does_nothing() -> None:
    async with driven() as study:
        await study.propose(grace=False)
        await study.press("tab", "a", "x", "A")
        assert study.session.answers == []
        assert "only just arrived" in study.message
        study.clock.now += 0.6
        await study.press("a")
        assert study.verbs == ["approve"]


async def test_each_proposal_has_its_own_grace() -> None:
    async with driven() as study:
        await study.propose(1)
        await study.press("tab", "x")
        await study.propose(2, grace=False)
        await study.press("tab", "a")
        assert study.verbs == ["reject"]


async def test_redirect_takes_words_under_its_own_prompt() -> None:
    async with driven() as study:
        await study.propose()
        await study.press("tab", "r")
        assert "redirect exp-1>" in study.screen_text
        await study.type("order alone", "enter")
        assert study.session.answers == [("ask-1", "redirect", "order alone", None)]
        assert study.session.said == []
        assert "redirect exp-1>" not in study.screen_text


async def test_a_redirect_is_cancelled_with_escape() -> None:
    async with driven() as study:
        await study.propose()
        await study.press("tab", "r", *"order", "escape")
        assert study.session.answers == []
        assert study.study.composer.text == ""
        assert "redirect exp-1>" not in study.screen_text
        await study.press("x")
        assert study.verbs == ["reject"]


async def test_a_redirect_whose_proposal_was_answered_elsewhere_is_not_sent_as_one() -> None:
    async with driven() as study:
        await study.propose()
        await study.press("tab", "r", *"late")
        study.session.emit("system", ev.ApprovalAnswered(approval="ask-1", verb="approve", rule="gate: trusted"))
        await study.settle()
        assert "redirect exp-1>" not in study.screen_text
        assert study.study.composer.text == "late"


async def test_slash_commands_answer() -> None:
    async with driven() as study:
        typed = ("/approve", "/always", "/reject too costly", "/redirect ablate first")
        for number, command in enumerate(typed, start=1):
            await study.propose(number)
            await study.type(command, "enter")
        assert study.session.answers == [
            ("ask-1", "approve", "", None),
            ("ask-2", "approve_kind", "", None),
            ("ask-3", "reject", "too costly", None),
            ("ask-4", "redirect", "ablate first", None),
        ]


async def test_slash_commands_set_gate_and_budget() -> None:
    async with driven() as study:
        for command in ("/gate trusted", "/budget 7", "/budget none"):
            await study.type(command, "enter")
        assert study.session.gates == ["trusted"]
        assert study.session.budgets == [7, None]
        assert "trusted" in study.screen_text


async def test_a_command_that_can_not_be_done_says_why() -> None:
    sentences = {
        "/aprove": "There is no command /aprove; the nearest is /approve.",
        "/approve": "Nothing waits for an answer.",
        "/gate trused": "the nearest is trusted",
        "/budget many": "/budget takes a number",
        "/symbols dots": "/symbols takes one of braille, block, ascii.",
        "/replay": "nothing to play",
        "/diff": "no proposed design",
    }
    async with driven() as study:
        for typed, sentence in sentences.items():
            await study.type(typed, "enter")
            assert sentence in study.message
        assert study.session.said == []


async def test_tab_completes_a_command_that_is_being_typed() -> None:
    async with driven() as study:
        await study.press(*"/red")
        assert "Reject, and say what to do instead" in study.screen_text
        await study.press("tab")
        assert study.study.composer.text == "/redirect "


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``$EDITOR`` as a script whose text the test writes; the terminal is handed over without one."""
    path = tmp_path / "edit.py"
    path.write_text("")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"'{sys.executable}' '{path}'")
    monkeypatch.setattr(GliaApp, "suspend", lambda self: contextlib.nullcontext())
    return path


APPEND = "import sys; p = sys.argv[1]; t = open(p).read(); open(p, 'w').write(t + '# edited\\n')"


async def test_an_edited_design_is_answered_with_its_source(editor: Path) -> None:
    editor.write_text(APPEND)
    async with driven() as study:
        await study.propose()
        await study.press("tab", "e")
        assert study.session.answers == [("ask-1", "edit", "", SHORTEST + "# edited\n")]


async def test_an_unchanged_design_answers_nothing(editor: Path) -> None:
    async with driven() as study:
        await study.propose()
        await study.press("tab", "e")
        assert study.session.answers == []
        assert "Nothing was changed" in study.message


async def test_a_refused_edit_is_opened_again_as_it_was(editor: Path) -> None:
    editor.write_text(APPEND)
    async with driven() as study:
        study.session.refuse = "The edited design can't run (syntax): line 3."
        await study.propose()
        await study.press("tab", "e")
        assert "line 3" in study.message
        assert study.study.query_one(ProposalCard).display
        study.session.refuse = ""
        await study.press("e")
        assert study.session.answers[-1][3] == SHORTEST + "# edited\n" * 2


async def test_a_missing_editor_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "no-such-editor")
    monkeypatch.setattr(GliaApp, "suspend", lambda self: contextlib.nullcontext())
    async with driven() as study:
        await study.propose()
        await study.press("tab", "e")
        assert "$EDITOR names 'no-such-editor'" in study.message


async def test_the_diff_opens_over_the_study_and_closes() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        await study.press("tab", "d")
        assert isinstance(study.app.screen, ReadingScreen)
        assert "side by side" in study.screen_text
        assert "HEADROOM" in study.screen_text
        await study.press("a")
        await study.press("escape")
        assert study.session.answers == []
        assert isinstance(study.app.screen, StudyScreen)


async def test_help_is_made_from_the_registry_and_the_back_end() -> None:
    async with driven(LARGE) as study:
        for key in ("question_mark", "f1"):
            await study.press(key)
            text = study.app.screen.query_one("#reading-text", Paper).plain
            assert "/redirect TEXT" in text
            assert "focus on tail" in text
            await study.press("escape")


async def test_a_finished_experiment_plays_to_its_end_and_stops_the_timer() -> None:
    async with driven(LARGE, animated=True) as study:
        await study.propose()
        await study.finish()
        panel = study.study.query_one(ClusterPanel)
        assert panel.running
        assert "seed 3" in study.screen_text
        assert "▶ ×54" in study.screen_text
        panel.advance(10.0)
        assert panel.player is not None
        assert panel.player.position_s == pytest.approx(539.1, abs=1.0)
        panel.advance(10.1)
        await study.settle()
        assert not panel.running
        assert "■ end" in study.screen_text
        assert "t=1078 s" in study.screen_text


async def test_playback_keys_work_in_the_cluster_panel() -> None:
    async with driven(LARGE, animated=True) as study:
        await study.propose()
        await study.finish()
        panel = study.study.query_one(ClusterPanel)
        player = panel.player
        assert player is not None
        panel.focus()
        await study.press("space")
        assert not player.playing
        speed = player.speed
        await study.press(">")
        assert player.speed == 2 * speed
        await study.press("<", "<")
        assert player.speed == speed / 2
        await study.press("end")
        assert player.at_end
        await study.press("home")
        assert player.playing


async def test_a_run_is_shown_at_its_end_where_animations_are_off() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        await study.finish()
        panel = study.study.query_one(ClusterPanel)
        assert panel.player is not None
        assert panel.player.at_end
        assert not panel.running


async def test_nothing_plays_while_the_panel_is_not_on_the_screen() -> None:
    async with driven(SMALL, animated=True) as study:
        await study.propose()
        await study.finish()
        panel = study.study.query_one(ClusterPanel)
        assert not panel.running
        assert "cluster" in study.study.query_one(Tabs).fresh
        await study.press("f2")
        assert panel.running


async def test_damaged_telemetry_is_said_and_nothing_else_breaks() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        study.session.emit("engineer", ev.ApprovalAnswered(approval="ask-1", verb="approve"))
        study.session.emit("system", ev.ExperimentStarted(experiment="exp-1"))
        study.session.finish(1)
        study.session.recorded.clear()
        await study.settle()
        assert "no recorded telemetry exp-1-c" in study.message
        assert "better than llq" in study.screen_text


async def test_progress_of_a_running_experiment_is_shown() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        study.session.emit("engineer", ev.ApprovalAnswered(approval="ask-1", verb="approve"))
        study.session.emit("system", ev.ExperimentStarted(experiment="exp-1"))
        study.session.send(ev.Progress(subject="exp-1", done=7, total=20, remaining_s=12.0))
        await study.settle()
        assert "exp-1 runs: 7 of 20 runs done, about 12 s left" in study.screen_text
        await study.press("escape")
        assert study.session.interrupts == 1


async def test_escape_never_interrupts_or_answers_while_a_proposal_waits() -> None:
    async with driven() as study:
        await study.propose()
        await study.press("escape", "escape", "escape")
        assert study.session.interrupts == 0
        assert study.session.answers == []


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
        await study.press("home")
        assert "Study of" in study.screen_text
        await study.press("end")
        assert "line 999" in study.screen_text


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


async def test_verbs_stay_on_the_screen_in_every_pane() -> None:
    async with driven(SMALL) as study:
        await study.propose()
        await study.press("tab")
        for pane in ("2", "3"):
            await study.press(pane)
            assert "exp-1  Shortest" in study.screen_text
            assert "a approve" in study.screen_text
        await study.press("a")
        assert study.verbs == ["approve"]


async def test_designs_are_listed_and_opened() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        await study.finish()
        designs = study.study.query_one(DesignsList)
        assert [place.design for place in designs.places] == ["shortest-first", "llq"]
        await study.press("escape")
        designs.focus()
        await study.press("enter")
        assert isinstance(study.app.screen, ReadingScreen)
        assert "shortest-first" in study.screen_text


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


async def test_an_approval_rings_once() -> None:
    rings: list[int] = []
    async with driven() as study:
        study.app.bell = lambda: rings.append(1)  # type: ignore[method-assign]
        await study.propose()
        study.session.emit("system", ev.Notice(level="info", text="something else"))
        await study.settle()
        assert rings == [1]


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
        assert "Proposal: Approve what is proposed" not in offered
        assert "Theme" in offered
        await study.propose()
        offered = {command.title for command in study.app.get_system_commands(study.study)}
        assert "Proposal: Approve what is proposed" in offered
        assert not min(offered).startswith("Proposal")
        assert "Play or pause" not in offered


async def test_the_header_tells_how_the_study_stands() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        await study.finish()
        header = study.study.query_one("#header", Made).plain
        assert "exp 1/40" in header
        assert "best 24.5 ± 1.3 s (−56%)" in header
