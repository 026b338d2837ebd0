"""The command registry, the answer desk and the editor."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from glia_tui.actions import BY_NAME, COMMANDS, UnknownCommand, help_rows, matching, parse
from glia_tui.answering import AnswerDesk
from glia_tui.editor import EditorError, edit_text, editor_command
from glia_tui.widgets.composer import completions
from sessions import events as ev
from tests.glia_tui.scripted_session import Clock, ScriptedSession


def test_slash_commands_are_parsed_with_their_argument() -> None:
    assert parse("/redirect  try aging ") == (BY_NAME["redirect"], "try aging")
    assert parse("/GATE trusted")[0] is BY_NAME["gate"]


def test_an_unknown_command_names_the_nearest() -> None:
    with pytest.raises(UnknownCommand, match="/aprove; the nearest is /approve"):
        parse("/aprove")
    with pytest.raises(UnknownCommand, match="/help lists them"):
        parse("/zzzzz")


def test_help_has_every_command_and_the_steering_grammar() -> None:
    text = "\n".join(row.plain for row in help_rows("try MECHANISM\navoid MECHANISM"))
    assert all(f"/{command.name}" in text and command.title in text for command in COMMANDS)
    assert "avoid MECHANISM" in text


def test_names_and_keys_are_given_once() -> None:
    keys = [key for command in COMMANDS for key in command.keys]
    assert len(keys) == len(set(keys))
    assert len(BY_NAME) == len(COMMANDS)


def test_completion_is_for_a_name_that_is_being_typed() -> None:
    assert [command.name for command in completions("/re")] == ["redirect", "reject", "replay"]
    assert completions("re") == []
    assert completions("/redirect x") == []
    assert [command.name for command in matching("/q")] == ["quit"]


async def test_verbs_do_nothing_in_the_first_half_second() -> None:
    session, clock = ScriptedSession().start(), Clock()
    desk = AnswerDesk(session, clock)
    assert desk.refusal("approve") == "Nothing waits for an answer."
    session.propose()
    assert desk.appeared()
    assert not desk.appeared()
    clock.now += 0.49
    assert "only just arrived" in desk.refusal("approve")
    clock.now += 0.02
    assert desk.refusal("approve") == ""


async def test_a_refused_edit_keeps_the_engineers_text() -> None:
    session, clock = ScriptedSession(refuse="Line 3: name 'x' is not defined.").start(), Clock()
    desk = AnswerDesk(session, clock)
    session.propose()
    pending = desk.pending
    assert pending is not None
    sentence = await desk.give(pending, "edit", source="broken")
    assert sentence == "Line 3: name 'x' is not defined."
    assert desk.text_to_edit(pending) == "broken"
    session.refuse = ""
    assert await desk.give(pending, "edit", source="fixed") == ""
    assert not desk.has_draft(pending)


async def test_an_acceptance_has_no_edit() -> None:
    session, clock = ScriptedSession().start(), Clock()
    desk = AnswerDesk(session, clock)
    session.propose()
    session.emit("engineer", ev.ApprovalAnswered(approval="ask-1", verb="reject"))
    session.emit(
        "researcher",
        ev.AcceptanceProposed(acceptance="acc-1", call_id="c", design="shortest-first", experiment="exp-1", reason="r"),
    )
    session.ask(2, "acceptance", "acc-1")
    desk.appeared()
    clock.now += 1
    assert "redirect" in desk.refusal("edit")
    assert desk.refusal("approve") == ""


def test_the_editor_may_have_arguments_and_visual_comes_first() -> None:
    environment = {"VISUAL": f"'{sys.executable}' -W ignore", "EDITOR": "nope", "PATH": ""}
    assert editor_command(environment) == [sys.executable, "-W", "ignore"]


def test_a_missing_editor_is_said_with_its_variable() -> None:
    with pytest.raises(EditorError, match=r"\$EDITOR names 'no-such-editor'"):
        editor_command({"EDITOR": "no-such-editor --wait", "PATH": "/nowhere"})
    with pytest.raises(EditorError, match=r"set \$EDITOR"):
        editor_command({"PATH": "/nowhere"})


def script(tmp_path: Path, code: str) -> dict[str, str]:
    path = tmp_path / "editor.py"
    path.write_text(code)
    return {"EDITOR": f"'{sys.executable}' '{path}'", "PATH": ""}


def test_the_text_comes_back_as_the_editor_left_it(tmp_path: Path) -> None:
    code = "import sys; p = sys.argv[1]; t = open(p).read(); open(p, 'w').write(t + '# ' + p.rsplit('/')[-1])"
    assert edit_text("x = 1\n", "aged", script(tmp_path, code)) == "x = 1\n# aged.py"


def test_an_editor_that_fails_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(EditorError, match="ended with code 3"):
        edit_text("x", "aged", script(tmp_path, "raise SystemExit(3)"))
