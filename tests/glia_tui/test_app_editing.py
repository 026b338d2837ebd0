"""Editing a proposed design in place."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel
from textual import events

from glia_tui.answering import MAX_SOURCE_CHARACTERS
from glia_tui.app import GliaApp
from glia_tui.screens.editing import EditScreen
from glia_tui.screens.study import StudyScreen
from glia_tui.widgets.paper import Paper
from glia_tui.widgets.source_area import SourceArea
from sessions.agents import tools
from tests.glia_tui.driven import BOTH, LARGE, SMALL, Driven, driven
from tests.glia_tui.scripted_session import SHORTEST

SYNTAX = "The edited design can't run (syntax): Line 8 can't be parsed: invalid syntax."


def area(study: Driven) -> SourceArea:
    return study.app.screen.query_one(SourceArea)


def told(study: Driven) -> str:
    return " ".join(study.app.screen.query_one("#editing-message", Paper).plain.split())


async def opened(study: Driven) -> SourceArea:
    await study.propose()
    await study.press("tab", "e")
    assert isinstance(study.app.screen, EditScreen)
    return area(study)


@BOTH
async def test_the_editor_shows_the_source_and_why_it_was_proposed(size: tuple[int, int]) -> None:
    async with driven(size) as study:
        text = await opened(study)
        assert text.text == SHORTEST
        assert text.has_focus
        for words in (
            "Edit shortest-first",
            "because",
            "predicts",
            "no change",
            "^s check",
            "Esc back",
            "1 ",
            "def route",
        ):
            assert words in study.screen_text
        assert ("most of the mean is queueing" in study.screen_text) == (size == LARGE)


async def test_why_it_was_proposed_unfolds_and_folds() -> None:
    async with driven(SMALL) as study:
        await opened(study)
        await study.press("f2")
        assert "queueing." in study.screen_text
        await study.press("f2")
        assert "queueing." not in study.screen_text


@BOTH
@pytest.mark.parametrize("key", ["ctrl+s", "f5"])
async def test_a_changed_text_is_checked_and_answers_with_an_edit(size: tuple[int, int], key: str) -> None:
    async with driven(size) as study:
        await opened(study)
        await study.press("ctrl+end", *"# mine", key)
        assert study.session.answers == [("ask-1", "edit", "", SHORTEST + "# mine")]
        assert isinstance(study.app.screen, StudyScreen)
        assert "was approved" in study.message


async def test_what_is_typed_before_the_key_that_runs_it_is_run() -> None:
    async with driven() as study:
        await opened(study)
        for key in (*"# fast", "ctrl+s"):
            character = key if len(key) == 1 else None
            study.app.post_message(events.Key({" ": "space", "#": "number_sign"}.get(key, key), character))
        await study.settle()
        assert study.session.answers == [("ask-1", "edit", "", "# fast" + SHORTEST)]


@BOTH
async def test_a_refusal_is_shown_in_the_editor_with_its_line_marked(size: tuple[int, int]) -> None:
    async with driven(size) as study:
        study.session.refuse = SYNTAX
        text = await opened(study)
        await study.press("ctrl+end", *"(", "ctrl+s")
        assert isinstance(study.app.screen, EditScreen)
        assert told(study) == SYNTAX
        assert text.marked == 8
        assert text.cursor_location == (7, 4)
        strip = text.render_line(7)
        assert any(segment.style and segment.style.underline for segment in strip)
        await study.press("x")
        assert text.marked is None
        study.session.refuse = ""
        await study.press("ctrl+s")
        assert isinstance(study.app.screen, StudyScreen)


async def test_a_line_there_is_not_and_a_refusal_without_one_do_no_harm() -> None:
    async with driven() as study:
        text = await opened(study)
        for sentence, marked in (("at line 4000: x", text.document.line_count), ("It can't run.", None)):
            study.session.refuse = sentence
            await study.press("ctrl+s")
            assert text.marked == marked


async def test_going_back_keeps_the_text_as_a_draft_and_says_so() -> None:
    async with driven() as study:
        await opened(study)
        await study.press("ctrl+end", *"# later", "escape")
        assert study.session.answers == []
        assert "kept as a draft of exp-1" in study.message
        await study.press("e")
        assert area(study).text == SHORTEST + "# later"
        assert "This is your draft" in told(study)


async def test_going_back_without_a_change_keeps_nothing() -> None:
    async with driven() as study:
        await opened(study)
        await study.press("ctrl+end", "x", "ctrl+z", "escape")
        assert study.message == ""
        assert study.study.desk.pending is not None
        assert not study.study.desk.has_draft(study.study.desk.pending)


async def test_each_proposal_has_its_own_draft() -> None:
    async with driven() as study:
        await opened(study)
        await study.press("ctrl+end", "x", "escape", "x")
        await study.propose(2)
        await study.press("tab", "e")
        assert area(study).text == SHORTEST


async def test_a_text_whose_line_ends_differ_is_unchanged_until_something_is_typed() -> None:
    async with driven() as study:
        source = SHORTEST.replace("\n\n\n", "\n\n\x0c\n") + 'x = "a\u2028b"\n'
        study.session.write("shortest-first", source)
        await opened(study)
        await study.press("ctrl+s")
        assert study.session.answers == [("ask-1", "edit", "", source)]


async def test_changes_are_counted_while_they_are_made_and_can_be_undone() -> None:
    async with driven() as study:
        text = await opened(study)
        screen = study.app.screen
        assert isinstance(screen, EditScreen)
        await study.press("ctrl+end", *"a", "enter", *"b")
        screen._count()
        await study.settle()
        assert "+2 −0 vs shortest-first" in study.screen_text
        for _ in range(3):
            await study.press("ctrl+z")
        assert text.text == SHORTEST


async def test_a_paste_that_is_too_long_is_refused_at_once() -> None:
    async with driven() as study:
        text = await opened(study)
        text.post_message(events.Paste("x = 1\n" * 175_000))
        await study.settle()
        assert text.text == SHORTEST
        assert "at most 200,000 characters" in told(study)
        assert "1,050,000" in told(study)


async def test_a_paste_that_fits_is_taken() -> None:
    async with driven() as study:
        text = await opened(study)
        text.post_message(events.Paste("x = 1\n" * 20_000))
        await study.settle()
        assert len(text.text) == len(SHORTEST) + 120_000


async def test_a_text_that_is_too_long_is_not_sent() -> None:
    async with driven() as study:
        text = await opened(study)
        text.replace_all("# " + "x" * MAX_SOURCE_CHARACTERS)
        await study.press("ctrl+s")
        assert study.session.answers == []
        assert "shorten it" in told(study)


def test_the_engineer_may_write_as_much_as_an_agent() -> None:
    models = [found for found in vars(tools).values() if isinstance(found, type) and issubclass(found, BaseModel)]
    fields = [model.model_fields["source"] for model in models if "source" in model.model_fields]
    limits = {getattr(limit, "max_length", None) for field in fields for limit in field.metadata}
    assert limits & {MAX_SOURCE_CHARACTERS}


async def test_control_characters_are_drawn_as_pictures_and_stay_in_the_text() -> None:
    async with driven() as study:
        source = SHORTEST + "# \x1b[31m red \u202e\n"
        study.session.write("shortest-first", source)
        text = await opened(study)
        await study.press("ctrl+end")
        assert "␛[31m red" in study.screen_text
        assert "\x1b" not in study.screen_text
        assert "\u202e" not in study.screen_text
        assert text.text == source


async def test_the_other_editor_goes_on_with_the_text_and_answers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "edit.py"
    script.write_text("import sys; p = sys.argv[1]; t = open(p).read(); open(p, 'w').write(t + '# outside\\n')")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"'{sys.executable}' '{script}'")
    monkeypatch.setattr(GliaApp, "suspend", lambda self: contextlib.nullcontext())
    async with driven() as study:
        text = await opened(study)
        await study.press("ctrl+end", *"# in", "enter", "ctrl+o")
        assert text.text == SHORTEST + "# in\n# outside\n"
        assert study.session.answers == []
        await study.press("ctrl+z")
        assert text.text == SHORTEST + "# in\n"


async def test_quitting_with_an_unfinished_text_has_to_be_asked_twice() -> None:
    async with driven() as study:
        await opened(study)
        await study.press("ctrl+end", "x", "ctrl+q")
        assert "Press Ctrl+Q again" in told(study)
        assert study.session.closed == 0
        await study.press("y", "ctrl+c", "ctrl+q")
        assert study.session.closed == 0
        await study.pilot.press("ctrl+q")
        await study.pilot.pause()
        assert study.session.closed == 1
        assert study.session.answers == []


async def test_keys_that_answer_a_proposal_only_type_in_the_editor() -> None:
    async with driven() as study:
        text = await opened(study)
        await study.press("ctrl+end", *"axrAd/?", "tab")
        assert study.session.answers == []
        assert text.text == SHORTEST + "axrAd/? "


async def test_the_editor_draws_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with driven(LARGE) as study:
        study.session.refuse = SYNTAX
        await opened(study)
        await study.press("ctrl+s")
        styles = {segment.style for strip in study.app.screen._compositor.render_strips() for segment in strip}
        colours = {style.color for style in styles if style} | {style.bgcolor for style in styles if style}
        assert all(colour is None or colour.is_default for colour in colours)
        assert any(style.underline for style in styles if style)


async def test_python_is_coloured_and_follows_the_theme() -> None:
    async with driven(LARGE) as study:
        text = await opened(study)
        before = text.get_line(5).spans[0].style
        study.app.theme = "textual-light"
        await study.settle()
        assert text.get_line(5).plain == "def route(queue, cluster):"
        assert text.get_line(5).spans[0].style != before


async def test_a_tiny_terminal_says_so_and_the_text_comes_back_with_the_size() -> None:
    async with driven(SMALL) as study:
        await opened(study)
        await study.pilot.resize_terminal(30, 8)
        await study.settle()
        assert "terminal too small" in study.screen_text
        await study.pilot.resize_terminal(60, 15)
        await study.settle()
        assert "Edit shortest-first" in study.screen_text
        assert "^s check and run" in study.screen_text
