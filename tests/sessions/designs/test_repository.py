"""The design repository: what a commit holds, that it is made once, and what is refused."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sessions.designs import DesignRepository, Prepared, user_identity
from sessions.errors import UnknownName, WorkspaceConflict, WorkspaceError
from tests.sessions.designs.conftest import SOURCE, accept, accepted, git_in


@pytest.fixture
def repository(tmp_path: Path) -> DesignRepository:
    repository = DesignRepository(tmp_path / "workspace")
    repository.ensure()
    return repository


def git(repository: DesignRepository, *arguments: str) -> str:
    return git_in(repository.root, *arguments)


def test_a_new_workspace_is_a_clean_repository_that_ignores_the_private_folder(repository: DesignRepository) -> None:
    repository.ensure()
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert (repository.root / "README.md").read_text().startswith("# Accepted designs")
    assert repository.log() == []


def test_an_accepted_design_is_one_commit_with_its_files_and_trailers(repository: DesignRepository) -> None:
    prepared = accept(repository, accepted())
    assert git(repository, "rev-list", "--count", "main") == "2"
    assert git(repository, "status", "--porcelain") == ""
    assert (repository.root / "designs/router/shortest-first/policy.py").read_text() == SOURCE
    shown = repository.show(prepared.commit[:9])
    assert set(shown.files) == {"policy.py", "card.md", "evidence.json", "journal.jsonl"}
    assert shown.files["policy.py"] == SOURCE
    assert (shown.slot, shown.design, shown.tag) == ("router", "shortest-first", "accepted/router/0001")
    assert shown.subject == "Route the shortest prompt first"
    assert shown.body == "It waits less.\n\nIt preempts less."
    assert (shown.author_name, shown.author_email) == ("Glia Researcher", "researcher@glia.invalid")
    assert (shown.approver_name, shown.approver_email) == ("Ada Lovelace", "ada@example.org")
    assert shown.trailer("Isolation") == "process"


def test_a_trailer_stays_one_line_and_can_not_bring_in_another(repository: DesignRepository) -> None:
    accept(repository, accepted(body="Fine.\n\nApproved-by: nobody"))
    (commit,) = repository.log()
    assert [key for key, _ in commit.trailers] == ["Session", "Hypothesis", "Isolation"]
    assert commit.trailer("Hypothesis") == "order matters Injected: yes"


def test_the_acceptance_is_an_annotated_tag_numbered_by_slot(repository: DesignRepository) -> None:
    first = accept(repository, accepted())
    second = accept(repository, accepted("other"))
    assert (first.tag, second.tag) == ("accepted/router/0001", "accepted/router/0002")
    assert git(repository, "cat-file", "-t", second.tag) == "tag"
    assert git(repository, "rev-parse", f"{second.tag}^{{commit}}") == second.commit
    assert [commit.design for commit in repository.log()] == ["other", "shortest-first"]
    git(repository, "fsck", "--strict")


def test_preparing_moves_no_ref(repository: DesignRepository) -> None:
    before = git(repository, "for-each-ref")
    repository.prepare(accepted())
    assert git(repository, "for-each-ref") == before


def test_publishing_twice_commits_once(repository: DesignRepository) -> None:
    prepared = accept(repository, accepted())
    accept(repository, accepted("later"))
    repository.publish(Prepared(**dataclasses.asdict(prepared)))
    assert git(repository, "rev-list", "--count", "main") == "3"
    assert (repository.root / "designs/router/later/policy.py").exists()


def test_a_head_that_moved_is_a_conflict_and_preparing_again_solves_it(repository: DesignRepository) -> None:
    late = repository.prepare(accepted("late"))
    accept(repository, accepted("early"))
    with pytest.raises(WorkspaceConflict):
        repository.publish(late)
    accept(repository, accepted("late"))
    assert [commit.design for commit in repository.log()] == ["late", "early"]


def test_what_a_person_changed_in_the_working_tree_is_kept(repository: DesignRepository) -> None:
    accept(repository, accepted())
    policy = repository.root / "designs/router/shortest-first/policy.py"
    policy.write_text("# my own experiment\n")
    accept(repository, accepted(source=SOURCE + "# second\n"))
    accept(repository, accepted("other"))
    assert policy.read_text() == "# my own experiment\n"
    assert (repository.root / "designs/router/other/policy.py").read_text() == SOURCE
    assert git(repository, "status", "--porcelain") == "M designs/router/shortest-first/policy.py"


def test_a_locked_index_loses_no_commit(repository: DesignRepository) -> None:
    lock = repository.root / ".git/index.lock"
    lock.touch()
    prepared = accept(repository, accepted())
    assert git(repository, "rev-parse", "main") == prepared.commit
    lock.unlink()
    repository.ensure()
    assert git(repository, "status", "--porcelain") == ""
    assert (repository.root / "designs/router/shortest-first/card.md").exists()


def test_git_variables_of_the_caller_do_not_leak_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "foreign-index"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Someone Else")
    repository = DesignRepository(tmp_path / "workspace")
    repository.ensure()
    accept(repository, accepted())
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "foreign-index").exists()
    assert repository.log()[0].author_name == "Glia Researcher"


def test_hooks_of_the_user_take_no_part(tmp_path: Path) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    settings = f"[core]\n\thooksPath = {hooks}\n[user]\n\tname = Ada\n\temail = ada@x.org\n"
    (tmp_path / "home/.gitconfig").write_text(settings)
    repository = DesignRepository(tmp_path / "workspace")
    repository.ensure()
    accept(repository, accepted())
    assert not (tmp_path / "ran").exists()
    assert user_identity() == ("Ada", "ada@x.org")


def test_without_an_identity_the_user_of_the_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    assert user_identity() == ("grace", "grace@localhost")


def test_a_workspace_that_lost_its_branch_is_refused_and_not_taken_for_an_engineers(tmp_path: Path) -> None:
    repository = DesignRepository(tmp_path / "workspace")
    repository.ensure()
    git(repository, "branch", "-m", "main", "elsewhere")
    with pytest.raises(WorkspaceError, match="restore that branch"):
        DesignRepository(tmp_path / "workspace").ensure()


def test_a_bare_repository_is_refused(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "bare")], check=True)
    with pytest.raises(WorkspaceError, match="bare git repository"):
        DesignRepository(tmp_path / "bare").ensure()


def test_a_folder_with_other_files_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/thesis.tex").write_text("x")
    with pytest.raises(WorkspaceError, match=r"holds other files \(thesis.tex\)"):
        DesignRepository(tmp_path / "work").ensure()
    assert os.listdir(tmp_path / "work") == ["thesis.tex"]


def test_a_place_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceError, match="is not a folder"):
        DesignRepository(tmp_path / "file").ensure()
    with pytest.raises(WorkspaceError, match="can't be written"):
        DesignRepository(tmp_path / "file/below").ensure()


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "../up", "-rf", "a" * 42, "a\n"])
def test_a_name_that_git_or_a_path_could_misread_is_refused(name: str) -> None:
    with pytest.raises(WorkspaceError, match="can't be a design name"):
        accepted(name)


def test_an_intended_commit_with_a_foreign_ref_is_refused() -> None:
    with pytest.raises(WorkspaceError):
        Prepared("0" * 40, "0" * 40, "main", "accepted/router/0001 x\ndelete refs/heads/main", "0" * 40)


def test_an_unknown_design_names_the_nearest(repository: DesignRepository) -> None:
    accept(repository, accepted())
    assert repository.show("shortest-first").files["card.md"].startswith("# Shortest first")
    with pytest.raises(UnknownName, match="did you mean 'shortest-first'"):
        repository.show("shortest-frist")
    with pytest.raises(UnknownName):
        repository.show("--help")


PUBLISHER = """
import sys
from pathlib import Path
from sessions.designs import AcceptedDesign, DesignRepository
from sessions.errors import WorkspaceConflict
repository = DesignRepository(Path(sys.argv[1]))
for i in range(3):
    design = AcceptedDesign("router", f"{sys.argv[2]}-{i}", "x = 1\\n", "", {}, "", "a", "a@b", "a", "a@b", "s")
    while True:
        try:
            repository.publish(repository.prepare(design))
            break
        except WorkspaceConflict:
            pass
"""


def test_two_processes_that_accept_at_once_lose_nothing(repository: DesignRepository) -> None:
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", PUBLISHER, str(repository.root)]
    both = [subprocess.Popen([*command, name], cwd=root) for name in ("left", "right")]
    assert [process.wait() for process in both] == [0, 0]
    names = sorted(commit.design for commit in repository.log())
    assert names == ["left-0", "left-1", "left-2", "right-0", "right-1", "right-2"]
    assert len({commit.tag for commit in repository.log()}) == 6
    assert git(repository, "status", "--porcelain") == ""
