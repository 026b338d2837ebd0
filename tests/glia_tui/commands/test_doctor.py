"""`glia doctor`: exit codes, words in place of colours, and a broken settings file."""

from __future__ import annotations

import json
from pathlib import Path

from tests.glia_tui.commands.conftest import Glia


def test_a_usable_place_is_exit_0_without_a_terminal(glia: Glia, workspace: Path) -> None:
    done = glia("doctor")
    assert done.code == 0
    assert "Everything that a study needs is there." in done.out
    assert "a repository of its own; sessions: 1, accepted designs: 1." in " ".join(done.out.split())
    assert "\x1b" not in done.out


def test_json_has_every_topic_once(glia: Glia, workspace: Path) -> None:
    document = json.loads(glia("doctor", "--json").out)
    topics = [finding["topic"] for finding in document["findings"]]
    assert len(set(topics)) == len(topics)
    assert {"isolation", "back end", "engine", "simulator", "git", "workspace", "terminal", "editor"} <= set(topics)
    assert document["usable"] is True


def test_a_broken_settings_file_is_reported_in_words_with_exit_1(glia: Glia, workspace: Path, config: Path) -> None:
    config.write_text("gat = 1\n")
    done = glia("doctor")
    assert done.code == 1
    assert "PROBLEM  settings" in done.out
    assert "Broken: settings." in done.out
    assert json.loads(glia("doctor", "--json").out)["problems"] == ["settings"]


def test_values_are_shown_with_their_files(glia: Glia, workspace: Path, config: Path) -> None:
    (workspace / "glia.toml").write_text("max_minutes = 3.5\n")
    assert f"max_minutes = 3.5  ({workspace / 'glia.toml'})" in glia("doctor").out


def test_an_editor_that_is_not_installed_is_a_note_that_names_the_setting(
    glia: Glia, workspace: Path, config: Path
) -> None:
    config.write_text('editor = "no-such-editor-here"\n')
    document = json.loads(glia("doctor", "--json").out)
    [editor] = [f for f in document["findings"] if f["topic"] == "editor"]
    assert editor["status"] == "note"
    assert "`editor` in" in editor["text"]
    assert document["usable"] is True


def test_an_unknown_theme_is_a_problem(glia: Glia, workspace: Path, config: Path) -> None:
    config.write_text('theme = "nrd"\n')
    document = json.loads(glia("doctor", "--json").out)
    assert document["problems"] == ["terminal"]
