"""The journal keeps what was shown, finds what was changed, and lets one process write."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sessions import events as ev
from sessions.journal import GENESIS, Journal, JournalError, read


def said(text: str) -> ev.EngineerSaid:
    return ev.EngineerSaid(text=text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def write(path: Path, *texts: str) -> None:
    journal = Journal(path)
    for text in texts:
        journal.append("engineer", said(text))
    journal.close()


def test_what_was_appended_is_read_back_in_order_with_an_unbroken_chain(path: Path) -> None:
    write(path, "one", "two — ünïcode", "three")
    events = read(path).events
    assert [e.data.text for e in events if isinstance(e.data, ev.EngineerSaid)] == ["one", "two — ünïcode", "three"]
    assert [e.seq for e in events] == [0, 1, 2]
    assert [e.prev for e in events] == [GENESIS, events[0].hash, events[1].hash]


def test_an_event_is_in_the_file_as_soon_as_append_returns(path: Path) -> None:
    journal = Journal(path)
    journal.append("engineer", said("seen"))
    assert read(path).events == journal.events
    journal.close()


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_last_line_is_cut_off_and_its_length_told(path: Path, cut: int) -> None:
    write(path, "whole", "torn")
    raw = path.read_bytes()
    path.write_bytes(raw[:-cut])
    journal = Journal(path)
    assert [e.data for e in journal.events] == [said("whole")]
    assert journal.torn_bytes == len(raw) - cut - (raw.index(b"\n") + 1)
    journal.append("engineer", said("next"))
    journal.close()
    assert [e.data for e in read(path).events] == [said("whole"), said("next")]


def test_a_changed_line_in_the_middle_is_named_and_nothing_is_repaired(path: Path) -> None:
    write(path, "one", "two", "three")
    tampered = path.read_bytes().replace(b'"two"', b'"TWO"')
    path.write_bytes(tampered)
    with pytest.raises(JournalError, match="line 2: its content doesn't match its hash"):
        Journal(path)
    assert path.read_bytes() == tampered


def test_a_removed_line_breaks_the_chain_at_its_place(path: Path) -> None:
    write(path, "one", "two", "three")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(JournalError, match="broken at line 2"):
        read(path)


def test_a_journal_of_another_schema_version_is_refused_by_name(path: Path) -> None:
    write(path, "one")
    line = json.loads(path.read_text())
    path.write_text(json.dumps({**line, "v": 99}) + "\n")
    with pytest.raises(JournalError, match="schema version 99"):
        read(path)


@pytest.mark.parametrize("garbage", [b"not json\n", b"[]\n", b"{}\n", b"\xff\xfe\n", b"3\n"])
def test_garbage_is_named_with_its_line(path: Path, garbage: bytes) -> None:
    write(path, "one")
    path.write_bytes(path.read_bytes() + garbage)
    with pytest.raises(JournalError, match="line 2"):
        read(path)


def test_a_second_writer_is_kept_out_with_a_sentence(path: Path) -> None:
    journal = Journal(path)
    with pytest.raises(JournalError, match="open in another process"):
        Journal(path)
    journal.close()
    Journal(path).close()


def test_a_write_that_is_cut_short_leaves_no_trace(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    journal.append("engineer", said("kept"))
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, data[:10]))
    with pytest.raises(JournalError, match="disk is full"):
        journal.append("engineer", said("lost"))
    monkeypatch.undo()
    assert [e.data for e in read(path).events] == [said("kept")]
    journal.append("engineer", said("after"))
    journal.close()
    assert [e.data for e in read(path).events] == [said("kept"), said("after")]


def test_an_unwritable_place_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="can't be opened for writing"):
        Journal(tmp_path / "missing" / "journal.jsonl")


def test_lines_gives_the_journals_own_text_of_a_segment(path: Path) -> None:
    write(path, "one", "two", "three")
    journal = Journal(path)
    assert journal.lines(1, 2) == "".join(path.read_text().splitlines(keepends=True)[1:3])
    journal.close()
