"""Answering proposals: what keys and commands do, and what they never do."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from glia_tui.app import GliaApp
from glia_tui.screens.reading import ReadingScreen
from glia_tui.screens.study import StudyScreen
from glia_tui.widgets.proposal import ProposalCard
from sessions import events as ev
from tests.glia_tui.driven import BOTH, LARGE, SMALL, driven
from tests.glia_tui.scripted_session import SHORTEST


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
        await study.press("tab", "a")
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
        assert "redirect exp-1> what to do instead" in study.screen_text
        await study.type("order alone", "enter")
        assert study.session.answers == [("ask-1", "redirect", "order alone", None)]
        assert study.session.said == []
        assert "redirect exp-1>" not in study.screen_text


async def test_a_redirect_is_cancelled_with_escape() -> None:
    async with driven() as study:
        await study.propose()
        await study.press("tab", "r")
        await study.press(*"order", "escape")
        assert study.session.answers == []
        assert study.study.composer.text == ""
        assert "redirect exp-1>" not in study.screen_text
        assert study.study.composer.has_focus
        await study.press("tab", "x")
        assert study.verbs == ["reject"]


async def test_a_redirect_whose_proposal_was_answered_elsewhere_is_not_sent_as_one() -> None:
    async with driven() as study:
        await study.propose()
        await study.press("tab", "r")
        await study.press(*"late")
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


BYTES = "import sys; open(sys.argv[1], 'wb').write(bytes([255, 254]))"
APPEND = "import sys; p = sys.argv[1]; t = open(p).read(); open(p, 'w').write(t + '# edited\\n')"


async def test_an_edited_design_is_answered_with_its_source(editor: Path) -> None:
    editor.write_text(APPEND)
    async with driven() as study:
        await study.propose()
        await study.press("tab", "E")
        assert study.session.answers == [("ask-1", "edit", "", SHORTEST + "# edited\n")]


async def test_an_unchanged_design_answers_nothing(editor: Path) -> None:
    async with driven() as study:
        await study.propose()
        await study.press("tab", "E")
        assert study.session.answers == []
        assert "Nothing was changed" in study.message


async def test_a_refused_edit_is_opened_again_as_it_was(editor: Path) -> None:
    editor.write_text(APPEND)
    async with driven() as study:
        study.session.refuse = "The edited design can't run (syntax): line 3."
        await study.propose()
        await study.press("tab", "E")
        assert "line 3" in study.message
        assert "Your text is kept" in study.message
        assert study.study.query_one(ProposalCard).display
        study.session.refuse = ""
        await study.press("E")
        assert study.session.answers[-1][3] == SHORTEST + "# edited\n" * 2


async def test_a_missing_editor_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "no-such-editor")
    monkeypatch.setattr(GliaApp, "suspend", lambda self: contextlib.nullcontext())
    async with driven() as study:
        await study.propose()
        await study.press("tab", "E")
        assert "$EDITOR names 'no-such-editor'" in study.message


@pytest.mark.parametrize("failure", ["missing", "code 3", "not text"])
async def test_a_failing_editor_gives_the_terminal_back_and_answers_nothing(
    editor: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    handed: list[str] = []

    @contextlib.contextmanager
    def suspend(app: GliaApp) -> Iterator[None]:
        handed.append("away")
        yield  # like the terminal's own: an error here would leave the app suspended
        handed.append("back")

    monkeypatch.setattr(GliaApp, "suspend", suspend)
    if failure == "missing":
        monkeypatch.setenv("EDITOR", str(editor.parent / "no-such-editor"))
    editor.write_text("import sys; sys.exit(3)" if failure == "code 3" else BYTES)
    async with driven() as study:
        await study.propose()
        await study.press("tab", "E")
        assert handed == ([] if failure == "missing" else ["away", "back"])
        assert study.session.answers == []
        assert study.message
        await study.press("escape", *"still here")
        assert study.study.composer.text == "still here"


async def test_the_diff_opens_over_the_study_and_closes() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        await study.press("tab", "d")
        assert isinstance(study.app.screen, ReadingScreen)
        assert await study.shows("side by side")
        assert await study.shows("HEADROOM")
        await study.press("a")
        await study.press("escape")
        assert study.session.answers == []
        assert isinstance(study.app.screen, StudyScreen)


async def test_escape_never_interrupts_or_answers_while_a_proposal_waits() -> None:
    async with driven() as study:
        await study.propose()
        await study.press("escape", "escape", "escape")
        assert study.session.interrupts == 0
        assert study.session.answers == []
        assert study.study.composer.has_focus
        assert "exp-1 waits for your answer: Tab goes to it." in study.message


async def test_a_rule_that_answers_what_waited_on_the_screen_is_announced() -> None:
    async with driven() as study:
        await study.propose()
        study.session.emit("system", ev.ApprovalAnswered(approval="ask-1", verb="approve", rule="gate: trusted"))
        await study.settle()
        assert study.message == "exp-1 no longer waits for you: it is approved (gate: trusted)."


async def test_verbs_stay_on_the_screen_in_every_pane() -> None:
    async with driven(SMALL) as study:
        await study.propose()
        await study.press("tab")
        for pane in ("2", "3"):
            await study.press(pane)
            assert "exp-1  Shortest" in study.screen_text
            assert "a approve" in study.screen_text
        await study.press("a")
        assert study.session.answers == []
        await study.press("escape")
        await study.press("tab", "a")
        assert study.verbs == ["approve"]


async def test_an_approval_rings_once() -> None:
    rings: list[int] = []
    async with driven() as study:
        study.app.bell = lambda: rings.append(1)  # type: ignore[method-assign]
        await study.propose()
        study.session.emit("system", ev.Notice(level="info", text="something else"))
        await study.settle()
        assert rings == [1]
