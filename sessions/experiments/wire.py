"""The frames between a sealed design and the simulator: length, kind, then packed numbers. Never pickle.

Standard library only: both sides load this file, the design's side by path. A frame is ``<u32 length of payload>
<u8 kind> <payload>``; payloads are little-endian int64 records except where said otherwise. The two sides strictly
alternate, so at most one frame is ever in flight in a direction; anything more is a violation.

    simulator -> design    LOAD      seed, memory limit (bytes), CPU limit (s), then the source's bytes
                           DECIDE    now_ns, block_tokens, n new, n replicas, then
                                     id, arrival_ns, prompt_tokens, priority, session          of each new request
                                     id, accepts, waiting, running, KV blocks used, KV blocks  of each replica
                           LIST      id, arrival_ns, prompt_tokens, processed_tokens, restarts of each request
    design -> simulator    LOADED    nothing
                           ASSIGN    request id, replica id                                    of each assignment
                           WANT      replica id, 0 (waiting) or 1 (running): answered by LIST
                           FAILED    UTF-8: the outcome, a line break, one sentence
"""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Iterable

LOAD, DECIDE, LIST, LOADED, ASSIGN, WANT, FAILED = range(1, 8)

DECIDE_HEAD = 4
NEW_FIELDS = 5
REPLICA_FIELDS = 6
LIST_FIELDS = 5
ASSIGN_FIELDS = 2

WAITING, RUNNING = 0, 1
MAX_FRAME = 64 * 1024 * 1024
MAX_TEXT = 8 * 1024
INT64_MAX = 2**63 - 1

LOAD_HEAD = struct.Struct("<qqq")
_HEADER = struct.Struct("<IB")
_READ_SIZE = 65_536


class WireError(Exception):
    """The other side broke the rules of the wire, in one sentence without a subject."""


class WireClosed(WireError):
    """The other side is gone."""


class WireLate(WireError):
    """The other side was not done in time."""


def send_numbers(fd: int, kind: int, numbers: list[int], until: float | None = None) -> None:
    """Sends int64 ``numbers``; raises :class:`WireClosed`, and ``struct.error`` for what doesn't fit.

    Here and below: past ``until`` (monotonic seconds) :class:`WireLate` is raised, whoever keeps the pipe open. A
    descriptor that is written to with an ``until`` must be non-blocking.
    """
    count = len(numbers)
    _write(fd, struct.pack(f"<IB{count}q", 8 * count, kind, *numbers), until)


def send_bytes(fd: int, kind: int, payload: bytes, until: float | None = None) -> None:
    _write(fd, _HEADER.pack(len(payload), kind) + payload, until)


def receive(fd: int, limit: int, until: float | None = None) -> tuple[int, bytes]:
    """The next frame's kind and payload; a payload over ``limit`` bytes is refused before it is read."""
    data = _read(fd, until)
    while len(data) < _HEADER.size:
        data += _read(fd, until)
    length, kind = _HEADER.unpack_from(data)
    if length > limit:
        raise WireError("sent more than an answer can hold")
    total = _HEADER.size + length
    if len(data) < total:
        parts, have = [data], len(data)
        while have < total:
            parts.append(_read(fd, until))
            have += len(parts[-1])
        data = b"".join(parts)
    if len(data) > total:
        raise WireError("sent more than it was asked for")
    return kind, data[_HEADER.size :]


def numbers_of(payload: bytes, record: int) -> list[int]:
    """The int64 numbers of a payload that holds whole records of ``record`` numbers."""
    if len(payload) % (8 * record):
        raise WireError("sent a record that is not whole")
    return list(struct.unpack(f"<{len(payload) // 8}q", payload))


def flat(records: Iterable[tuple[int, ...]]) -> list[int]:
    return [number for record in records for number in record]


def _read(fd: int, until: float | None) -> bytes:
    if until is not None:
        _wait(fd, select.POLLIN, until)
    try:
        data = os.read(fd, _READ_SIZE)
    except OSError as error:
        raise WireClosed("closed the wire") from error
    if not data:
        raise WireClosed("closed the wire")
    return data


def _write(fd: int, data: bytes, until: float | None) -> None:
    written = 0
    while written < len(data):
        try:
            written += os.write(fd, memoryview(data)[written:] if written else data)
        except BlockingIOError:
            if until is None:
                raise
            _wait(fd, select.POLLOUT, until)
        except OSError as error:
            raise WireClosed("closed the wire") from error


def _wait(fd: int, event: int, until: float) -> None:
    """Returns when ``fd`` is ready, or broken."""
    ready = select.poll()
    ready.register(fd, event)
    if not ready.poll(1000.0 * max(until - time.monotonic(), 0.0)):
        raise WireLate("was not done in time")
