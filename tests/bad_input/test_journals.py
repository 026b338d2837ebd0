"""Journals that a crash, a full disk, a person or another process has had its hands on."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sessions import events as ev
from sessions.errors import SessionError
from sessions.journal import Journal, JournalError, read
from sessions.models.offline.backend import OfflineBackend
from sessions.store import StudyOptions, Workspace
from tests.bad_input.conftest import Ask


@pytest.fixture
def journal(ask: Ask, tmp_path: Path) -> Path:
    """The journal of a study of one experiment."""
    assert ask("run", "smoke", "--max-experiments", "1", "--gate", "autonomous").code == 4
    [path] = (tmp_path / "workspace").glob(".glia/sessions/*/journal.jsonl")
    return path


def resume(ask: Ask) -> str:
    answer = ask("sessions", "resume", "last", "--headless")
    assert answer.code == 2
    return answer.sentence


def test_a_byte_changed_in_any_line_is_found_at_its_line_and_the_file_stays_as_it_is(journal: Path, ask: Ask) -> None:
    sound = journal.read_bytes()
    lines = sound.splitlines(keepends=True)
    start = 0
    for number, line in enumerate(lines, start=1):
        at = start + len(line) // 2
        start += len(line)
        journal.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        with pytest.raises(JournalError, match=rf"line {number}\b"):
            read(journal)
    broken = journal.read_bytes()
    assert f"line {len(lines)}" in resume(ask)
    assert journal.read_bytes() == broken


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: [lines[0], *lines[2:]], "line 2"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1"),
        (lambda lines: [lines[0], *lines], "line 2"),
        (lambda lines: [json.dumps({**json.loads(lines[0]), "v": 99}).encode() + b"\n"], "version 99"),
        (lambda lines: [b"\0" * 100 + b"\n", *lines], "line 1"),
        (lambda lines: [b"[" * 100_000 + b"\n"], "line 1"),
        (lambda lines: [], "no beginning"),
        (lambda lines: [lines[0][:30]], "no beginning"),
    ],
    ids=["removed", "swapped", "doubled", "another version", "zeros", "nested", "empty", "torn first line"],
)
def test_a_damaged_journal_is_named_with_its_place(change, words: str, journal: Path, ask: Ask) -> None:  # type: ignore[no-untyped-def]
    journal.write_bytes(b"".join(change(journal.read_bytes().splitlines(keepends=True))))
    assert words in resume(ask)
    listed = ask("sessions", "list", "--json")
    assert listed.code == 0
    assert json.loads(listed.out)[0]["status"] in ("unreadable", "empty")


def test_a_read_only_journal_is_one_sentence_and_can_still_be_read(
    journal: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everything, so the refusal is the file system's here and not the mode's."""
    real = os.open

    def read_only(path: str | bytes | Path, flags: int, *rest: int, **more: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) and str(path) == str(journal):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", read_only)
    before = journal.read_bytes()
    said = resume(ask)
    assert "can't be opened for writing (Read-only file system)" in said
    assert "choose another with --workspace" in said
    assert ask("sessions", "show", "last").code == 0
    assert journal.read_bytes() == before


def test_a_session_that_is_open_elsewhere_is_not_opened_twice(journal: Path, ask: Ask) -> None:
    holder = Journal(journal)
    try:
        before = journal.read_bytes()
        assert "open in another process" in resume(ask)
        answer = ask("sessions", "delete", "last", "--yes")
        assert "open in another process" in answer.sentence
        assert journal.read_bytes() == before
    finally:
        holder.close()


def test_on_a_full_disk_the_study_stops_with_everything_shown_saved(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))

    command = [sys.executable, "-m", "glia_tui", "run", "smoke", "--workspace", str(tmp_path / "ws")]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, timeout=60)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2
    assert "Free some space and resume the session" in last
    assert "Traceback" not in done.stderr
    [path] = (tmp_path / "ws").glob(".glia/sessions/*/journal.jsonl")
    recovered = read(path)
    assert recovered.torn_bytes == 0
    assert isinstance(recovered.events[0].data, ev.SessionStarted)


def test_a_workspace_that_is_removed_while_a_study_runs_ends_it_with_a_sentence(tmp_path: Path) -> None:
    async def study() -> None:
        options = StudyOptions("smoke", gate="autonomous", seed=3, max_experiments=3, interactive=False)
        session = Workspace(tmp_path / "ws").begin(options, OfflineBackend())
        shutil.rmtree(tmp_path / "ws")
        try:
            await session.run()
        finally:
            await session.close()

    with pytest.raises(SessionError, match="was removed while the study ran"):
        asyncio.run(study())
