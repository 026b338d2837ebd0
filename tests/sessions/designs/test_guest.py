"""Designs inside an engineer's repository: nothing of theirs is touched, whatever state it is in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sessions.designs import DesignRepository
from sessions.errors import WorkspaceConflict, WorkspaceError
from tests.sessions.designs.conftest import SOURCE, accept, accepted, git_in
from tests.sessions.designs.test_repository import PUBLISHER

BRANCH = "glia/designs"


def everything_of_theirs(folder: Path) -> dict[str, object]:
    """All that an engineer could notice: refs but ours, index, status, configuration, files."""
    refs = git_in(folder, "for-each-ref").splitlines()
    tracked = [name for name in os.listdir(folder) if name not in (".git", ".glia")]
    return {
        "refs": [line for line in refs if "refs/heads/glia/" not in line and "refs/tags/accepted/" not in line],
        "head": git_in(folder, "rev-parse", "--symbolic-full-name", "HEAD"),
        "index": git_in(folder, "ls-files", "--stage"),
        "status": git_in(folder, "status", "--porcelain", "--untracked-files=all"),
        "config": git_in(folder, "config", "--local", "--list"),
        "stash": git_in(folder, "stash", "list"),
        "files": {name: (folder / name).read_bytes() for name in tracked if (folder / name).is_file()},
        "folders": sorted(tracked),
    }


def guest(folder: Path) -> DesignRepository:
    repository = DesignRepository(folder)
    repository.ensure()
    return repository


def test_a_dirty_tree_stays_as_it_is_and_the_design_is_on_a_branch_without_their_history(theirs: Path) -> None:
    before = everything_of_theirs(theirs)
    repository = guest(theirs)
    first, second = accept(repository, accepted()), accept(repository, accepted("other"))
    assert everything_of_theirs(theirs) == before
    assert git_in(theirs, "rev-parse", BRANCH) == second.commit
    assert git_in(theirs, "rev-list", "--count", BRANCH) == "3"
    files = git_in(theirs, "ls-tree", "-r", "--name-only", BRANCH).splitlines()
    assert "designs/router/shortest-first/policy.py" in files
    assert "README" not in files
    assert [commit.design for commit in repository.log()] == ["other", "shortest-first"]
    assert repository.show(first.tag).files["policy.py"] == SOURCE
    assert git_in(theirs, "fsck", "--strict", "--no-dangling") == ""


def test_a_folder_inside_the_working_tree_means_its_top(theirs: Path) -> None:
    (theirs / "src").mkdir()
    (theirs / "src/main.c").touch()
    repository = guest(theirs / "src")
    assert repository.root == theirs.resolve()
    assert repository.is_guest
    assert (theirs / ".glia").is_dir()


def test_the_private_folder_is_hidden_by_the_exclude_file_once(theirs: Path) -> None:
    exclude = theirs / ".git/info/exclude"
    exclude.write_text("*.log")
    guest(theirs)
    guest(theirs)
    (theirs / ".glia/note").touch()
    assert exclude.read_text() == "*.log\n/.glia/\n"
    assert ".glia" not in git_in(theirs, "status", "--porcelain", "--untracked-files=all")


def test_a_new_or_empty_folder_in_a_repository_becomes_a_workspace_of_its_own(theirs: Path) -> None:
    (theirs / "empty").mkdir()
    for name in ("empty", "new"):
        repository = guest(theirs / name)
        assert not repository.is_guest
        assert repository.root == theirs / name
    assert BRANCH not in git_in(theirs, "branch", "--list", "--all")


def test_our_branch_checked_out_is_refused_and_nothing_moves(theirs: Path, tmp_path: Path) -> None:
    repository = guest(theirs)
    late = repository.prepare(accepted())
    git_in(theirs, "worktree", "add", "-q", str(tmp_path / "look"), BRANCH)
    before = git_in(theirs, "for-each-ref")
    with pytest.raises(WorkspaceError, match=r"glia/designs is checked out in .*look.*git switch"):
        repository.publish(late)
    with pytest.raises(WorkspaceError, match="is checked out"):
        guest(theirs)
    assert git_in(theirs, "for-each-ref") == before
    git_in(tmp_path / "look", "checkout", "-q", "--detach")
    repository.publish(late)
    assert git_in(theirs, "rev-parse", BRANCH) == late.commit


def test_a_locked_index_is_no_hindrance_and_stays_locked(theirs: Path) -> None:
    (theirs / ".git/index.lock").write_text("held")
    prepared = accept(guest(theirs), accepted())
    assert git_in(theirs, "rev-parse", BRANCH) == prepared.commit
    assert (theirs / ".git/index.lock").read_text() == "held"


def test_a_detached_head_stays_where_it_is(theirs: Path) -> None:
    git_in(theirs, "checkout", "-q", "--detach", "HEAD")
    before = (theirs / ".git/HEAD").read_text()
    accept(guest(theirs), accepted())
    assert (theirs / ".git/HEAD").read_text() == before


def test_a_repository_without_any_commit_stays_unborn(tmp_path: Path) -> None:
    git_in(tmp_path, "init", "-q", "-b", "main", "fresh")
    repository = guest(tmp_path / "fresh")
    accept(repository, accepted())
    assert git_in(tmp_path / "fresh", "branch", "--list", "main") == ""
    assert git_in(tmp_path / "fresh", "symbolic-ref", "HEAD") == "refs/heads/main"
    assert len(repository.log()) == 1


def test_a_shallow_clone_takes_designs(theirs: Path, tmp_path: Path) -> None:
    git_in(tmp_path, "clone", "-q", "--depth", "1", f"file://{theirs}", "shallow")
    repository = guest(tmp_path / "shallow")
    accept(repository, accepted())
    assert git_in(tmp_path / "shallow", "rev-parse", "--is-shallow-repository") == "true"
    assert [commit.design for commit in repository.log()] == ["shortest-first"]


def test_in_a_submodule_the_designs_are_the_submodules_own(theirs: Path, tmp_path: Path) -> None:
    git_in(tmp_path, "init", "-q", "-b", "main", "super")
    above = tmp_path / "super"
    git_in(above, "submodule", "add", "-q", str(theirs), "part")
    git_in(above, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "take the part")
    before = everything_of_theirs(above)
    repository = guest(above / "part")
    accept(repository, accepted())
    assert repository.root == (above / "part").resolve()
    assert everything_of_theirs(above) == before
    assert git_in(above, "branch", "--list", BRANCH) == ""
    assert git_in(above / "part", "status", "--porcelain") == ""
    assert len(repository.log()) == 1


def test_linked_worktrees_share_the_designs_and_not_the_sessions(theirs: Path, tmp_path: Path) -> None:
    git_in(theirs, "worktree", "add", "-q", "-b", "topic", str(tmp_path / "linked"))
    here, there = guest(theirs), guest(tmp_path / "linked")
    accept(here, accepted("here"))
    accept(there, accepted("there"))
    assert [commit.design for commit in here.log()] == ["there", "here"]
    assert there.root == (tmp_path / "linked").resolve()
    assert git_in(tmp_path / "linked", "status", "--porcelain") == ""
    assert (tmp_path / "linked/.glia").is_dir()


def test_a_bare_repository_and_the_inside_of_a_git_folder_are_refused(theirs: Path, tmp_path: Path) -> None:
    git_in(tmp_path, "init", "-q", "--bare", "bare")
    with pytest.raises(WorkspaceError, match="bare git repository"):
        DesignRepository(tmp_path / "bare")
    with pytest.raises(WorkspaceError, match="inside a git folder"):
        DesignRepository(theirs / ".git/hooks")


def test_without_an_identity_the_user_of_the_system_accepts(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    assert guest(theirs).identity() == ("Ada", "ada@example.org")
    git_in(theirs, "config", "--unset", "user.name")
    git_in(theirs, "config", "--unset", "user.email")
    git_in(theirs, "config", "user.useConfigOnly", "true")
    repository = guest(theirs)
    assert repository.identity() == ("grace", "grace@localhost")
    accept(repository, accepted())


def test_hooks_of_the_repository_never_run(theirs: Path, tmp_path: Path) -> None:
    for name in ("pre-commit", "commit-msg", "post-commit", "reference-transaction", "post-index-change", "update"):
        hook = theirs / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
        hook.chmod(0o755)
    accept(guest(theirs), accepted())
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", [BRANCH, "glia"])
def test_a_branch_of_theirs_in_the_way_is_refused_and_kept(theirs: Path, name: str) -> None:
    git_in(theirs, "branch", name, "HEAD~1")
    before = git_in(theirs, "for-each-ref")
    with pytest.raises(WorkspaceError, match=r"that Glia did not make|can't be made in"):
        guest(theirs)
    assert git_in(theirs, "for-each-ref") == before
    with pytest.raises(WorkspaceError):
        DesignRepository(theirs).log()


def test_a_tag_of_theirs_with_our_name_is_kept_and_passed_over(theirs: Path) -> None:
    git_in(theirs, "tag", "accepted/router/0007", "HEAD")
    repository = guest(theirs)
    assert accept(repository, accepted()).tag == "accepted/router/0008"
    assert git_in(theirs, "rev-parse", "accepted/router/0007") == git_in(theirs, "rev-parse", "HEAD")


def test_merging_the_designs_into_main_does_not_make_it_a_workspace_of_ours(theirs: Path) -> None:
    accept(guest(theirs), accepted())
    git_in(theirs, "stash", "-q")
    git_in(theirs, "merge", "-q", "--allow-unrelated-histories", "-m", "take the designs", BRANCH)
    assert guest(theirs).is_guest


def test_processes_in_two_working_trees_that_accept_at_once_lose_nothing(theirs: Path, tmp_path: Path) -> None:
    git_in(theirs, "worktree", "add", "-q", "-b", "topic", str(tmp_path / "linked"))
    repository = guest(theirs)
    guest(tmp_path / "linked")
    project = Path(__file__).resolve().parents[3]
    both = [
        subprocess.Popen([sys.executable, "-c", PUBLISHER, str(folder), name], cwd=project)
        for folder, name in ((theirs, "left"), (tmp_path / "linked", "right"))
    ]
    assert [process.wait() for process in both] == [0, 0]
    names = sorted(commit.design for commit in repository.log())
    assert names == ["left-0", "left-1", "left-2", "right-0", "right-1", "right-2"]
    assert len({commit.tag for commit in repository.log()}) == 6


def test_a_branch_that_moved_is_a_conflict(theirs: Path) -> None:
    repository = guest(theirs)
    late = repository.prepare(accepted("late"))
    accept(repository, accepted("early"))
    with pytest.raises(WorkspaceConflict):
        repository.publish(late)


def test_git_variables_of_the_caller_point_nowhere(
    theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_in(tmp_path, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other-index"))
    accept(guest(theirs), accepted())
    assert git_in(tmp_path / "other", "for-each-ref") == ""
    assert not (tmp_path / "other-index").exists()
    assert len(DesignRepository(theirs).log()) == 1


@pytest.mark.parametrize("blocked", ["glia", "objects"])
def test_a_git_folder_that_can_not_be_written_is_one_sentence(theirs: Path, blocked: str) -> None:
    """A file or a dangling link where a folder must be stops every user, also the one whom no permission does."""
    git_in(theirs, "repack", "-adq")
    target = theirs / ".git" / blocked
    if blocked == "glia":
        target.write_text("in the way")
    else:
        for number in range(256):
            fan = target / f"{number:02x}"
            if not fan.exists():
                fan.write_text("")
    before = git_in(theirs, "for-each-ref")
    with pytest.raises(WorkspaceError, match=r"can't be (written|made)"):
        guest(theirs)
    assert git_in(theirs, "for-each-ref") == before
