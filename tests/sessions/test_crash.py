"""A study that dies right after any journal write goes on from there: same result, one commit, nothing lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sessions import events as ev
from sessions.journal import Journal, read
from sessions.models.offline.backend import OfflineBackend
from sessions.session import Session
from sessions.store import StudyOptions, Workspace
from tests.sessions.conftest import SharedPool

OPTIONS = StudyOptions("smoke", gate="autonomous", seed=3, max_experiments=3, interactive=False)


class Crash(BaseException):
    """The process dies here: nothing that runs after it may help."""


def crash_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """Lets ``writes`` events reach the file, and dies before anyone hears of the last one."""
    left = writes
    real = Journal._write

    def write(journal: Journal, line: bytes) -> None:
        nonlocal left
        real(journal, line)
        left -= 1
        if left == 0:
            raise Crash

    monkeypatch.setattr(Journal, "_write", write)


async def run_to_the_end(session: Session) -> None:
    try:
        await session.run()
    finally:
        await session.close()


def kinds(path: Path) -> Counter[str]:
    return Counter(event.data.type for event in read(path).events)


def journal_of(workspace: Workspace) -> Path:
    return workspace.root / ".glia" / "sessions" / workspace.names()[-1] / "journal.jsonl"


async def whole_run(workspace: Workspace) -> list[ev.Event]:
    session = workspace.begin(OPTIONS, OfflineBackend())
    await run_to_the_end(session)
    return session.state.events


async def test_a_study_goes_on_after_a_crash_at_any_write(
    tmp_path: Path, pool: SharedPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await whole_run(Workspace(tmp_path / "whole", lambda: pool))
    types = [event.data.type for event in expected]
    critical = {types.index("commit_intended") + 1, types.index("design_accepted"), types.index("held_out_started") + 1}
    points = sorted(critical | set(range(2, len(types), 5)))
    for point in points:
        workspace = Workspace(tmp_path / f"crash-{point}", lambda: pool)
        with monkeypatch.context() as patched:
            crash_after(patched, point)
            with pytest.raises(Crash):
                await whole_run(workspace)
        session = workspace.resume("last", OfflineBackend(), interactive=False)
        assert len(session.state.events) >= point
        await run_to_the_end(session)
        after = kinds(journal_of(workspace))
        for once in ("design_accepted", "held_out_finished", "session_stopped", "acceptance_proposed"):
            assert after[once] == 1, f"{once} after a crash at write {point} ({types[point - 1]})"
        assert after["experiment_finished"] == 3, f"at write {point}"
        assert after["tool_returned"] == Counter(types)["tool_returned"], f"at write {point}"
        log = workspace.repository.log()
        assert [commit.tag for commit in log] == ["accepted/router/0001"]
        [accepted] = [e.data for e in session.state.events if isinstance(e.data, ev.DesignAccepted)]
        assert accepted.commit == log[0].commit


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
