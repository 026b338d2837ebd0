"""``glia designs diff|checkout|export`` and ``glia why`` on a real workspace."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from glia_tui.commands import designs
from glia_tui.commands.output import CommandError
from glia_tui.commands.why import why
from sessions.designs import CheckoutRefused, DesignRepository
from sessions.errors import UnknownName
from tests.sessions.designs.conftest import SOURCE, accept, accepted, git_in
from tests.sessions.designs.told import EDITED, study


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two versions of one design, and another design with a whole story."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    repository = DesignRepository(tmp_path / "workspace")
    repository.ensure()
    accept(repository, accepted())
    accept(repository, accepted(source=SOURCE + "# second\n"))
    accept(repository, study(tmp_path))
    return tmp_path / "workspace"


FIRST, SECOND, TOLD = (f"accepted/router/000{number}" for number in (1, 2, 3))


def test_diff_is_a_patch_between_two_designs(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    designs.diff(workspace, FIRST, SECOND, as_json=False)
    told = capsys.readouterr()
    assert told.out.startswith("--- a/designs/router/shortest-first/policy.py\n+++ b/designs/router/shortest-first/")
    assert "\n+# second\n" in told.out
    assert "a: " in told.err
    designs.diff(workspace, FIRST, TOLD, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["b"]["design"] == "last-edit1"
    assert "replicas[-1]" in document["policy_diff"]
    assert document["card_diff"] == ""


def test_a_design_is_checked_out_where_it_is_said_and_nothing_else_changes(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    designs.checkout(workspace, FIRST, tmp_path / "there", force=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["written"] == [
        "policy.py",
        "card.md",
        "evidence.json",
        "journal.jsonl",
    ]
    assert (tmp_path / "there/policy.py").read_text() == SOURCE
    assert git_in(workspace, "status", "--porcelain") == ""


def test_another_accepted_version_is_replaced_and_a_persons_change_is_kept(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = workspace / "designs/router/shortest-first/policy.py"
    designs.checkout(workspace, FIRST, None, force=False, as_json=False)
    assert policy.read_text() == SOURCE
    assert "policy.py replaced" in capsys.readouterr().err
    policy.write_text("# mine\n")
    card = policy.with_name("card.md")
    card.unlink()
    with pytest.raises(CheckoutRefused, match=r"policy\.py was changed by hand .*--force"):
        designs.checkout(workspace, SECOND, None, force=False, as_json=False)
    assert policy.read_text() == "# mine\n"
    assert not card.exists()
    designs.checkout(workspace, SECOND, None, force=True, as_json=False)
    assert policy.read_text() == SOURCE + "# second\n"
    assert "overwritten (it was changed by hand)" in capsys.readouterr().err


def test_in_an_engineers_repository_a_checkout_writes_into_their_tree_and_stages_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    git_in(tmp_path, "init", "-q", "theirs")
    repository = DesignRepository(tmp_path / "theirs")
    repository.ensure()
    accept(repository, accepted())
    assert not (tmp_path / "theirs/designs").exists()
    designs.checkout(tmp_path / "theirs", FIRST, None, force=False, as_json=False)
    assert (tmp_path / "theirs/designs/router/shortest-first/policy.py").read_text() == SOURCE
    assert git_in(tmp_path / "theirs", "status", "--porcelain") == "?? designs/"


def test_a_folder_that_can_not_be_written_is_one_sentence(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckoutRefused, match="can't be written"):
        designs.checkout(workspace, FIRST, tmp_path / "file", force=False, as_json=False)
    with pytest.raises(CommandError, match="can't be written"):
        designs.export(workspace, FIRST, tmp_path / "none/x.py", force=False, as_json=False)


def test_an_export_is_the_policy_under_comments_whatever_the_commit_says(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = accepted("evil", subject="coding: utf-7\nimport os", trailers=[("Hypothesis", "x\u2028import os")])
    accept(DesignRepository(workspace), evil)
    file = tmp_path / "evil.py"
    designs.export(workspace, "evil", file, force=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["file"] == str(file)
    text = file.read_text()
    assert text.endswith("\n\n" + SOURCE)
    assert "# Tag: accepted/router/0004" in text.splitlines()
    assert ast.dump(ast.parse(file.read_bytes())) == ast.dump(ast.parse(SOURCE))


def test_an_export_does_not_overwrite_another_file_unasked(workspace: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("mine")
    with pytest.raises(CommandError, match="--force"):
        designs.export(workspace, TOLD, file, force=False, as_json=False)
    designs.export(workspace, TOLD, file, force=True, as_json=False)
    designs.export(workspace, TOLD, file, force=False, as_json=False)
    assert EDITED in file.read_text()


def test_why_tells_the_story_in_words_that_can_not_move_the_cursor(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    why(workspace, TOLD, as_json=False)
    told = capsys.readouterr().out
    for words in (
        "hypothesis: The last replica is idle.",
        "prediction: mean completion time changes by -40% to -20%; refuted if less than 20%",
        "last became last-edit1",
        "  +    return cluster.replicas[-1]",
        "prediction: confirmed",
        "acceptance acc-1 approved by the engineer: Go.",
        "And the tail? (acceptance: continue)",
        "an intact chain up to the evidence's own",
    ):
        assert words in told
    assert "\x1b" not in told


def test_why_as_json_has_every_part(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    why(workspace, "last-edit1", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["proposal"]["prediction"]["low"] == -40
    assert document["result"]["comparison"]["verdict"] == "better"
    assert document["held_out"]["passed"] is True
    assert [decision["verb"] for decision in document["decisions"]] == ["edit", "approve"]
    assert document["edits"][0]["after"] == "last-edit1"
    assert document["record"]["complete"] is True


@pytest.mark.parametrize("rev", ["last-edit", "accepted/router/0009", "--force", ""])
def test_an_unknown_design_names_the_nearest(workspace: Path, rev: str) -> None:
    with pytest.raises(UnknownName, match=r"did you mean|known are"):
        why(workspace, rev, as_json=False)
