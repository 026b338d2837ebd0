"""`glia sessions`: show, fork, export, delete, on a terminal and without one."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pexpect
import pytest

from sessions.journal import read
from sessions.store import Workspace
from tests.glia_tui.commands.conftest import Glia


def only(workspace: Path) -> str:
    [name] = Workspace(workspace).names()
    return name


def test_show_has_each_experiment_with_its_prediction_and_what_became_of_it(glia: Glia, workspace: Path) -> None:
    done = glia("sessions", "show")
    assert done.code == 0
    rows = [line for line in done.out.splitlines() if line.startswith("exp-")]
    assert len(rows) == 3
    assert all(re.search(r"(confirmed|refuted|undecided)$", row) for row in rows)
    assert "insights:" in done.out
    assert re.search(r"acc-1 \S+: accepted [0-9a-f]{7} \(held-out: ", done.out)


def test_show_json_has_the_keys_of_a_headless_run_and_how_the_study_stands(glia: Glia, workspace: Path) -> None:
    document = json.loads(glia("sessions", "show", "last", "--json").out)
    assert {"session", "experiments", "accepted", "baseline", "best", "usage", "stopped_because"} <= set(document)
    assert document["status"] == "finished"
    assert document["session"] == only(workspace)
    assert [e["prediction"]["outcome"] for e in document["experiments"]]
    assert document["waits_for"] is None
    assert document["forked_from"] is None


def test_fork_prints_the_new_id_and_tells_where_it_was_cut(glia: Glia, workspace: Path) -> None:
    name = only(workspace)
    done = glia("sessions", "fork", name, "--at", "exp-1")
    new = done.out.strip()
    assert done.code == 0
    assert Workspace(workspace).names() == sorted([name, new])
    assert "exp-1 is told" in done.err
    shown = json.loads(glia("sessions", "show", new, "--json").out)
    assert shown["forked_from"]["session"] == name
    assert [e["id"] for e in shown["experiments"]] == ["exp-1"]
    listed = json.loads(glia("sessions", "list", "--json").out)
    assert [entry["forked_from"] for entry in listed if entry["session"] == new] == [name]


def test_a_place_that_is_not_there_is_a_usage_error_with_the_nearest(glia: Glia, workspace: Path) -> None:
    done = glia("sessions", "fork", "last", "--at", "exp-33")
    assert done.code == 2
    assert "did you mean 'exp-3'" in done.err
    assert done.out == ""


@pytest.mark.parametrize("suffix", [".md", ".json", ".jsonl"])
def test_an_export_is_one_file_that_is_never_replaced_unasked(glia: Glia, workspace: Path, suffix: str) -> None:
    output = workspace.parent / f"study{suffix}"
    assert glia("sessions", "export", "last", "-o", str(output)).code == 0
    content = output.read_bytes()
    assert content
    again = glia("sessions", "export", "last", "-o", str(output))
    assert again.code == 2
    assert "--replace" in again.err
    assert glia("sessions", "export", "last", "-o", str(output), "--replace").code == 0
    assert output.read_bytes() == content
    assert sorted(path.name for path in output.parent.iterdir()) == ["config.toml", output.name, "workspace"]


def test_the_exported_journal_is_a_journal_and_the_json_has_every_event(glia: Glia, workspace: Path) -> None:
    journal, document = workspace.parent / "study.jsonl", workspace.parent / "study.json"
    glia("sessions", "export", "last", "-o", str(journal))
    glia("sessions", "export", "last", "-o", str(document))
    events = read(journal).events
    exported = json.loads(document.read_text())
    assert [e["hash"] for e in exported["events"]] == [e.hash for e in events]
    assert exported["accepted"]


def test_an_unknown_format_and_a_folder_that_is_not_there_are_told(glia: Glia, workspace: Path) -> None:
    assert "'.md'" in glia("sessions", "export", "last", "-o", "study.mdd").err
    done = glia("sessions", "export", "last", "-o", str(workspace.parent / "none" / "study.md"))
    assert done.code == 2
    assert "can't be written" in done.err


def test_without_a_terminal_deleting_needs_yes(glia: Glia, workspace: Path) -> None:
    name = only(workspace)
    done = glia("sessions", "delete", "last")
    assert done.code == 2
    assert f"glia sessions delete {name} --yes" in done.err
    assert only(workspace) == name
    done = glia("sessions", "delete", name, "--yes")
    assert done.code == 0
    assert "stay in git" in done.err
    assert Workspace(workspace).names() == []


@pytest.mark.parametrize(("answer", "code", "left"), [("n", 1, 1), ("", 1, 1), ("y", 0, 0)])
def test_on_a_terminal_deleting_asks_and_only_yes_deletes(workspace: Path, answer: str, code: int, left: int) -> None:
    environment = {**os.environ, "TERM": "xterm"}
    child = pexpect.spawn(sys.executable, ["-m", "glia_tui", "sessions", "delete", "last"], env=environment, timeout=30)
    child.expect("Delete .* with everything")
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == code
    assert len(Workspace(workspace).names()) == left


def test_an_unreadable_session_is_listed_told_how_to_remove_and_removed(glia: Glia, workspace: Path) -> None:
    name = only(workspace)
    path = workspace / ".glia" / "sessions" / name / "journal.jsonl"
    path.write_bytes(b"not a journal\n" + path.read_bytes())
    listed = glia("sessions", "list")
    assert listed.code == 0
    assert "unreadable" in listed.out
    assert "line 1" in listed.err
    assert f"glia sessions delete {name}" in listed.err
    assert glia("sessions", "show", name).code == 2
    assert glia("sessions", "delete", name, "--yes").code == 0
    assert Workspace(workspace).names() == []
