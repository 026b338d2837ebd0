"""The form of a first run, and when it is shown."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from glia_tui.first_run import make_setup
from glia_tui.setup import OFFLINE, Choice, Form, Option, Setup, is_first_run
from sessions.errors import SessionError
from sessions.gate import PRESETS
from sessions.settings import Settings, examine
from tests.glia_tui.scripted_session import ScriptedSession


def setup(**given: object) -> Setup:
    scenarios = [Option("family", "drawn anew", "For studies."), Option("smoke", "small", "For a first look.")]
    base = Setup((OFFLINE,), scenarios, Choice("offline", "family", "supervised"), lambda c: ScriptedSession(), str)
    return replace(base, **given)  # type: ignore[arg-type]


def test_each_list_is_gone_through_by_itself_and_stops_at_its_ends() -> None:
    form = Form(setup())
    form.step(1)
    form.step(1)
    form.go(1)
    form.step(1)
    form.step(-5)
    form.step(2)
    assert form.choice == Choice("offline", "smoke", "autonomous")
    form.go(-2)
    form.step(1)
    assert form.choice.backend == "offline"


def test_a_budget_is_typed_or_stepped_and_never_leaves_its_range() -> None:
    form = Form(setup())
    for digit in "120999":
        form.digit(digit)
    assert form.choice.max_experiments == 1209
    form.erase()
    assert form.choice.max_experiments == 120
    form.step(-1)
    assert form.choice.max_experiments == 121
    for _ in range(4):
        form.erase()
    assert form.choice.max_experiments is None
    form.step(1)
    assert form.choice.max_experiments is None
    form.digit("0")
    assert form.choice.max_experiments is None


@pytest.mark.parametrize("width", [40, 76, 200])
def test_every_option_takes_one_line_and_says_what_it_is(width: int) -> None:
    rows = Form(make_setup(Settings(), Path("/nowhere"), lambda c: ScriptedSession())).rows(width, airy=False)
    text = "\n".join(entry.plain for entry, _, _ in rows)
    for words in ("no model, no key", "smoke", "paper-routing-family", *PRESETS, "no limit", "[ ] remember"):
        assert words in text
    assert all(len(entry.plain) <= width for entry, _, name in rows if name)


def test_the_settings_of_a_choice_leave_out_what_has_no_limit() -> None:
    assert "max_experiments" not in Choice("offline", "smoke", "trusted").settings
    assert Choice("offline", "smoke", "trusted", 5).settings["max_experiments"] == 5


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"GLIA_CONFIG": str(tmp_path / "config.toml"), "GLIA_WORKSPACE": str(tmp_path / "ws")}


def test_it_is_a_first_run_until_something_was_chosen(tmp_path: Path, environment: dict[str, str]) -> None:
    found = examine(None, environment)
    assert is_first_run(found, [], (None, None))
    assert not is_first_run(found, ["20260101-000000-aaaa"], (None, None))
    assert not is_first_run(found, [], (None, "smoke"))
    assert not is_first_run(found, [], (0,))
    (tmp_path / "config.toml").write_text('theme = "nord"\n')
    assert is_first_run(examine(None, environment), [], ())
    (tmp_path / "config.toml").write_text('gate = "trusted"\n')
    assert not is_first_run(examine(None, environment), [], ())


def test_what_is_remembered_is_what_the_next_run_finds(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "ws"
    folder.mkdir()
    made = make_setup(Settings(), folder, lambda c: ScriptedSession())
    assert "glia.toml" in made.remember(Choice("offline", "smoke", "trusted", 9, True))
    values = examine(None, environment).values
    assert (values.scenario, values.gate, values.max_experiments) == ("smoke", "trusted", 9)
    assert not is_first_run(examine(None, environment), [], ())


def test_in_a_repository_it_is_remembered_at_its_top(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    inside = tmp_path / "sub"
    inside.mkdir()
    (inside / "file").write_text("")
    make_setup(Settings(), inside, lambda c: ScriptedSession()).remember(Choice("offline", "smoke", "trusted"))
    assert (tmp_path / "glia.toml").exists()


def test_what_can_not_be_remembered_is_said_in_a_sentence(tmp_path: Path) -> None:
    made = make_setup(Settings(), tmp_path / "missing", lambda c: ScriptedSession())
    assert "can't be written" in made.remember(Choice("offline", "smoke", "trusted"))


def test_begin_may_refuse() -> None:
    def begin(choice: Choice) -> ScriptedSession:
        raise SessionError("The workspace can't be written.")

    with pytest.raises(SessionError, match="written"):
        setup(begin=begin).begin(Choice("offline", "smoke", "trusted"))
