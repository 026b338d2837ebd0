"""A study that dies at any point goes on from there: same record, one commit, nothing lost, nothing self-approved."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sessions import events as ev
from sessions.journal import read
from sessions.models.offline.backend import OfflineBackend
from sessions.session import Session
from sessions.store import StudyOptions, Workspace
from tests.sessions.crash_run import POINTS
from tests.sessions.crash_table import run, table

DOCUMENT = Path(__file__).parents[2] / "docs/crash-table.md"

KILLED_AFTER = """
import asyncio, os, pathlib, signal, sys
from sessions.journal import Journal
from sessions.models.offline.backend import OfflineBackend
from sessions.store import StudyOptions, Workspace
real = Journal._write
def write(journal, line):
    real(journal, line)
    if b'"type":"' + sys.argv[2].encode() + b'"' in line:
        os.kill(os.getpid(), signal.SIGKILL)
Journal._write = write
async def study():
    options = StudyOptions("smoke", gate="autonomous", seed=3, max_experiments=3, interactive=False)
    session = Workspace(pathlib.Path(sys.argv[1])).begin(options, OfflineBackend())
    await session.run()
asyncio.run(study())
"""


async def run_to_the_end(session: Session) -> None:
    try:
        await session.run()
    finally:
        await session.close()


def kinds(path: Path) -> Counter[str]:
    return Counter(event.data.type for event in read(path).events)


def journal_of(workspace: Workspace) -> Path:
    return workspace.root / ".glia" / "sessions" / workspace.names()[-1] / "journal.jsonl"


def test_200_crashes_come_to_the_end_that_an_undisturbed_study_comes_to() -> None:
    recovered = asyncio.run(run(seed=1))
    assert len(recovered) == POINTS
    problems = [f"{o.story}, {o.kind}, {o.place}: {problem}" for o in recovered for problem in o.verdict.problems]
    assert problems == []
    assert rows_of(table(recovered, seed=1)) == rows_of(DOCUMENT.read_text(encoding="utf-8"))


def rows_of(text: str) -> tuple[str, list[str], set[str]]:
    """The words of a crash table, its last row, and what crashes it is about."""
    lines = text.splitlines()
    rows = [line.split(" | ")[0] for line in lines if line.startswith("| ")]
    return text.partition("\n| ")[0], lines[-1:], set(rows)


@pytest.mark.parametrize("kind", ["approval_answered", "experiment_started", "commit_intended"])
def test_a_process_that_is_really_killed_goes_on_to_the_same_end(kind: str, tmp_path: Path) -> None:
    """What the copies of :mod:`tests.sessions.crash_points` stand for: SIGKILL right after a line was written."""
    command = [sys.executable, "-c", KILLED_AFTER, str(tmp_path / "workspace"), kind]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    workspace = Workspace(tmp_path / "workspace")
    assert workspace.state("last").events[-1].data.type == kind

    async def go_on() -> None:
        await run_to_the_end(workspace.resume("last", OfflineBackend(), interactive=False))

    asyncio.run(go_on())
    after = kinds(journal_of(workspace))
    assert [after[once] for once in (kind, "design_accepted", "session_stopped", "held_out_finished")][1:] == [1, 1, 1]
    assert [c.tag for c in workspace.repository.log()] == ["accepted/router/0001"]


async def test_an_open_approval_is_asked_again_under_its_name_and_nothing_ran(workspace: Workspace) -> None:
    session = workspace.begin(StudyOptions("smoke", interactive=False), OfflineBackend())
    with pytest.raises(Exception, match="waits for an engineer"):
        await run_to_the_end(session)
    again = workspace.resume("last", OfflineBackend(), interactive=False)
    with pytest.raises(Exception, match="waits for an engineer"):
        await run_to_the_end(again)
    assert kinds(journal_of(workspace))["approval_asked"] == 1
    assert again.state.pending is not None


async def test_a_torn_last_line_is_said_on_resuming(workspace: Workspace) -> None:
    session = workspace.begin(StudyOptions("smoke", interactive=False), OfflineBackend())
    await session.close()
    path = journal_of(workspace)
    path.write_bytes(path.read_bytes() + b'{"v":1,"seq":1,"ti')
    again = workspace.resume("last", OfflineBackend())
    await again.close()
    notices = [e.data.text for e in again.state.events if isinstance(e.data, ev.Notice)]
    assert notices == ["An unfinished last line of 18 bytes was cut off the journal."]
