"""A machine where git knows no identity, and designs to accept."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from sessions.designs import AcceptedDesign, DesignRepository, Prepared

SOURCE = "def pick(request, cluster):\n    return cluster.replicas[0]\n"


def accepted(name: str = "shortest-first", **changes: object) -> AcceptedDesign:
    design = AcceptedDesign(
        slot="router",
        name=name,
        source=SOURCE,
        card="# Shortest first\n\nHolds requests at the router.\n",
        evidence={"metric": "e2e_s.mean", "held_out": [1.5, None]},
        journal_segment='{"seq": 1}\n{"seq": 2}\n',
        author_name="Glia Researcher",
        author_email="researcher@glia.invalid",
        approver_name="Ada <Lovelace>",
        approver_email="ada@example.org",
        subject="Route the shortest prompt first",
        body="It waits less.\n\nIt preempts less.",
        trailers=[("Session", "s-1"), ("Hypothesis", "order\nmatters\r\nInjected: yes"), ("Isolation", "process")],
    )
    return dataclasses.replace(design, **changes)  # type: ignore[arg-type]


def accept(repository: DesignRepository, design: AcceptedDesign) -> Prepared:
    prepared = repository.prepare(design)
    repository.publish(prepared)
    return prepared


def git_in(folder: Path, *arguments: str) -> str:
    """What git says in ``folder``, to a user without any configuration but that of the test's home folder."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    command = ["git", "-c", "protocol.file.allow=always", "-C", str(folder), *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(autouse=True)
def _no_user_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "GNUPGHOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """An engineer's repository: two commits on ``main``, a dirty file, a staged one and an untracked one."""
    folder = tmp_path / "theirs"
    git_in(tmp_path, "init", "-q", "-b", "main", str(folder))
    git_in(folder, "config", "user.name", "Ada")
    git_in(folder, "config", "user.email", "ada@example.org")
    for text in ("one\n", "two\n"):
        (folder / "README").write_text(text)
        git_in(folder, "add", "README")
        git_in(folder, "commit", "-q", "-m", text.strip())
    (folder / "README").write_text("dirty\n")
    (folder / "staged").write_text("staged\n")
    git_in(folder, "add", "staged")
    (folder / "untracked").write_text("untracked\n")
    return folder
