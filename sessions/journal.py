"""The journal: one event a line, appended before anyone is shown it, chained by hash.

Invariants: a line is written with one ``write`` call, so a killed process loses nothing that was shown; each
line's ``hash`` is the SHA-256 of the line before's hash and its own content, so a change in the middle is found
and named with its place; a torn last line (the only damage a crash can do) is cut off on opening and said. A
file lock keeps a second process out.

``append`` doesn't wait for the disk. ``sync`` does (in a thread), and is awaited before an effect is taken.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from sessions import events as ev
from sessions.errors import SessionError

GENESIS = "0" * 64


class JournalError(SessionError):
    """The journal can't be read or written; the sentence names the file and the place."""


def canonical(content: object) -> bytes:
    """The bytes that are hashed: JSON with sorted keys, ASCII only, no NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def chain_hash(prev: str, content: dict[str, object]) -> str:
    """Hash of a line whose envelope, less ``hash`` itself, is ``content``."""
    return hashlib.sha256(prev.encode("ascii") + canonical(content)).hexdigest()


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was read: the events, the length of the sound part and of a torn last line, in bytes."""

    events: list[ev.Event]
    sound_bytes: int
    torn_bytes: int


def read(path: Path) -> Recovered:
    """Reads and verifies a whole journal.

    Raises :class:`JournalError` naming the line of a broken chain, a foreign schema or an unreadable event.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise JournalError(f"The journal {path} can't be read ({error.strerror}).") from error
    sound = raw.rfind(b"\n") + 1
    events: list[ev.Event] = []
    prev = GENESIS
    for event in _parse(path, raw[:sound]):
        if event.prev != prev or event.seq != len(events):
            raise JournalError(
                f"The journal {path} is broken at line {len(events) + 1}: it doesn't continue the line before. "
                "Nothing was changed; restore the file from a copy."
            )
        events.append(event)
        prev = event.hash
    return Recovered(events, sound, len(raw) - sound)


def _parse(path: Path, raw: bytes) -> Iterator[ev.Event]:
    for number, line in enumerate(raw.splitlines(), start=1):
        where = f"The journal {path} is broken at line {number}"
        try:
            content = json.loads(line)
            version = content["v"]
            stated = content.pop("hash")
            actual = chain_hash(content["prev"], content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise JournalError(f"{where}: it isn't an event. Nothing was changed.") from error
        if version != ev.SCHEMA_VERSION:
            raise JournalError(
                f"The journal {path} has schema version {version} at line {number}; this Glia reads version "
                f"{ev.SCHEMA_VERSION}. Open it with the version of Glia that wrote it."
            )
        if stated != actual:
            raise JournalError(f"{where}: its content doesn't match its hash. Nothing was changed.")
        try:
            yield ev.Event.model_validate({**content, "hash": stated})
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise JournalError(f"{where}: {field}: {first['msg']}. Nothing was changed.") from error


@contextmanager
def unopened(path: Path) -> Iterator[None]:
    """Keeps every process from opening the journal at ``path``; raises :class:`JournalError` if one has it open."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise JournalError(f"The journal {path} can't be read ({error.strerror}).") from error
    try:
        _lock(fd, path)
        yield
    finally:
        os.close(fd)


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise JournalError(
            f"The session {path.parent.name} is open in another process. Close it there first."
        ) from error


class Journal:
    """An open journal: the only writer of its file."""

    def __init__(self, path: Path, clock: Callable[[], str] = utc_now) -> None:
        """Opens or creates the journal at ``path`` and cuts off a torn last line (see ``torn_bytes``)."""
        self.path = path
        self._clock = clock
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(
                f"The journal {path} can't be opened for writing ({error.strerror}). "
                "Make the workspace writable or choose another with --workspace."
            ) from error
        try:
            _lock(self._fd, path)
            recovered = read(path)
            if recovered.torn_bytes:
                os.ftruncate(self._fd, recovered.sound_bytes)
        except BaseException:
            os.close(self._fd)
            raise
        self.events = recovered.events
        self.torn_bytes = recovered.torn_bytes
        self._closed = False

    @property
    def head(self) -> str:
        """Hash of the last line."""
        return self.events[-1].hash if self.events else GENESIS

    def append(self, actor: ev.Actor, data: ev.Payload, context: str = "main") -> ev.Event:
        """Writes one event and returns it. It is in the kernel's hands, not yet on the disk: see ``sync``."""
        prev = self.head
        content: dict[str, object] = {
            "v": ev.SCHEMA_VERSION,
            "seq": len(self.events),
            "time": self._clock(),
            "actor": actor,
            "context": context,
            "data": data.model_dump(mode="json"),
            "prev": prev,
        }
        event = ev.Event.model_validate({**content, "data": data, "hash": chain_hash(prev, content)})
        self._write(canonical({**content, "hash": event.hash}) + b"\n")
        self.events.append(event)
        return event

    def _write(self, line: bytes) -> None:
        """One whole line or nothing: a partial write (full disk) is taken back before the error is told."""
        end = os.lseek(self._fd, 0, os.SEEK_END)
        try:
            written = os.write(self._fd, line)
            if written == len(line):
                return
            reason = "the disk is full"
        except OSError as error:
            reason = error.strerror or str(error)
        os.ftruncate(self._fd, end)
        raise JournalError(
            f"The journal {self.path} can't be written ({reason}). Free some space and resume the session; "
            "everything shown before this is saved."
        )

    async def sync(self) -> None:
        """Waits until everything appended is on the disk."""
        await asyncio.to_thread(os.fsync, self._fd)

    def flush(self) -> None:
        """As ``sync``, but blocking: for the last moment of a process."""
        if not self._closed:
            os.fsync(self._fd)

    def lines(self, first_seq: int, last_seq: int) -> str:
        """The journal's own lines from ``first_seq`` to ``last_seq``, both included."""
        with self.path.open(encoding="ascii") as file:
            return "".join(line for seq, line in enumerate(file) if first_seq <= seq <= last_seq)

    def close(self) -> None:
        """Syncs and releases the file. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            os.fsync(self._fd)
            os.close(self._fd)
