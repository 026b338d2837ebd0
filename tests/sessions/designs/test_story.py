"""Why a design was accepted, from its commit alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sessions.designs import DesignCommit, DesignRepository
from sessions.designs.story import tell
from sessions.errors import WorkspaceError
from tests.sessions.designs.conftest import accept
from tests.sessions.designs.told import study


@pytest.fixture
def commit(tmp_path: Path) -> DesignCommit:
    repository = DesignRepository(tmp_path / "workspace")
    repository.ensure()
    accept(repository, study(tmp_path))
    return repository.show("last-edit1")


def without(commit: DesignCommit, name: str, **changed: str) -> DesignCommit:
    return dataclasses.replace(commit, files={k: v for k, v in commit.files.items() if k != name} | changed)


def test_the_story_has_the_proposal_the_decisions_and_the_outcomes(commit: DesignCommit) -> None:
    story = tell(commit)
    assert story.proposal.hypothesis == "The last replica is idle."
    assert (story.result.prediction, story.held_out.passed) == ("confirmed", True)
    assert story.reason == "It is better."
    decided = [(d.kind, d.subject, d.actor, d.verb) for d in story.decisions]
    assert decided == [
        ("experiment", "exp-2", "engineer", "edit"),
        ("acceptance", "acc-1", "engineer", "approve"),
    ]
    assert story.decisions[1].words == "Go."
    assert (story.record.problem, story.record.complete) == ("", True)


def test_an_edit_is_told_as_the_difference_that_it_made(commit: DesignCommit) -> None:
    (edit,) = tell(commit).edits
    assert (edit.before, edit.after) == ("last", "last-edit1")
    assert "-    return cluster.replicas[0]\n+    return cluster.replicas[-1]\n" in edit.diff


def test_of_the_supervisor_the_last_words_before_the_proposal_and_all_after_are_told(commit: DesignCommit) -> None:
    assert [question.text for question in tell(commit).questions] == ["What is the cause?", "And the tail?"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Another experiment's words.", "Changed words.", "line 6 was changed"),
        ('"verb":"redirect"', '"verb":"perhaps"', "line 6"),
        ("\n", "\nnot an event\n", "line 2 is no event"),
    ],
)
def test_an_altered_record_is_named_with_its_line(commit: DesignCommit, old: str, new: str, problem: str) -> None:
    segment = commit.files["journal.jsonl"].replace(old, new, 1)
    record = tell(without(commit, "journal.jsonl", **{"journal.jsonl": segment})).record
    assert record.problem.startswith(problem)


def test_a_line_left_out_breaks_the_chain_and_one_cut_off_leaves_it_incomplete(commit: DesignCommit) -> None:
    lines = commit.files["journal.jsonl"].splitlines(keepends=True)
    gap = tell(without(commit, "journal.jsonl", **{"journal.jsonl": "".join(lines[:3] + lines[4:])}))
    assert gap.record.problem == "line 4 doesn't continue the line before"
    short = tell(without(commit, "journal.jsonl", **{"journal.jsonl": "".join(lines[:-1])}))
    assert (short.record.problem, short.record.complete) == ("", False)


@pytest.mark.parametrize("evidence", ["", "[]", "null", "{}", '{"experiment": {"proposal": {"experiment": 1}}}'])
def test_evidence_that_can_not_be_read_is_one_sentence(commit: DesignCommit, evidence: str) -> None:
    with pytest.raises(WorkspaceError, match=r"evidence of .* can't be read"):
        tell(without(commit, "evidence.json", **{"evidence.json": evidence}))


def test_a_commit_without_its_journal_still_tells_what_the_evidence_says(commit: DesignCommit) -> None:
    story = tell(without(commit, "journal.jsonl"))
    assert story.decisions == []
    assert story.proposal.experiment == "exp-2"
    assert not story.record.complete
