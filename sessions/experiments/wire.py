"""The frames between a sealed design and the simulator: length, kind, then packed numbers. Never pickle.

Standard library only: both sides load this file, the design's side by path. A frame is ``<u32 length of payload>
<u8 kind> <payload>``; payloads are little-endian int64 but where said otherwise (a time in seconds is the bits of a
float64, 0 for none). The two sides strictly alternate, so at most one frame is ever in flight in a direction; anything
more is a violation. Every frame of the simulator is answered by one of the design: any number of WANT, each answered by
NUMBERS, then what stands behind the arrow, or FAILED.

    LOAD     seed, memory limit (bytes), CPU limit (s), slot, then the source's bytes
             -> DONE: timer or interval
    FLEET    UTF-8: what stays the same of replicas and pools (sealed_views)
             -> DONE
    ROUTE    now_ns, n new, n replicas, whether KV blocks are told; the new requests (REQUEST_FIELDS, then so many
             prefix ids); the replicas (REPLICA_FIELDS)
             -> DONE: timer; request and replica ids in pairs
    MAKE     instance, replica
             -> DONE: forms (ADMITS + CHUNKS + PICKS)
    ENGINE   instance, block_tokens, KV blocks, watermark, seats, token budget
             -> DONE
    ADMIT    MOMENT, n gone, n before, n behind; the ids gone; the requests (PLACED_FIELDS)
             -> DONE: wake-up or 0, how many in all, the ids of the first FIRST_IDS
    MORE     instance
             -> DONE: the other ids of its last answer to ADMIT
    CHUNK    MOMENT, budget, tokens left; the request (PLACED_FIELDS)
             -> DONE: tokens
    VICTIM   MOMENT, n candidates; the last of them (PLACED_FIELDS)
             -> DONE: its id
    SCALE    now_ns, length of the history, n new samples, n pools, n replicas, whether KV blocks are told; the samples
             (SAMPLE_FIELDS), the pools (POOL_FIELDS), the replicas (REPLICA_FIELDS)
             -> DONE: interval; place of a pool and replicas in pairs
    WANT     what (WAITING, ...), then its arguments
    FAILED   UTF-8: the outcome, a line break, one sentence

MOMENT: instance, now_ns, KV blocks used, n running. New requests of ADMIT come before and behind those that wait
already; a pool of -1 in the answer to SCALE is the only one.
"""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Sequence

LOAD, FLEET, ROUTE, MAKE, ENGINE, ADMIT, MORE, CHUNK, VICTIM, SCALE = range(1, 11)
DONE, WANT, NUMBERS, FAILED = range(11, 15)

SLOTS = ("router", "scheduler", "autoscaler")
STATES = ("ready", "starting", "draining", "down")
REQUEST_FIELDS = 8  # id, arrival_ns, prompt_tokens, priority, session, ttft_slo_ns, restarts, n prefix ids
REPLICA_FIELDS = 5  # id, state, waiting, running, KV blocks used
PLACED_FIELDS = 8  # id, arrival_ns, prompt_tokens, processed_tokens, restarts, priority, session, ttft_slo_ns
SAMPLE_FIELDS = 11  # those of FleetSample in order, kv_usage as the bits of a float64
POOL_FIELDS = 4  # ready, starting, draining, down

WAITING, RUNNING = 0, 1  # of a replica, by its place in the question
BLOCKS = 2  # KV blocks used of all replicas
CACHED = 3  # tokens on all replicas for the request with that id
ENGINE_RUNNING, CANDIDATES = 4, 5
ENGINE_CACHED = 6  # tokens for the request with that id

ADMITS, CHUNKS, PICKS = 1, 2, 4
FIRST_IDS = 8
"""How many ids of an order come with the answer to ADMIT; admission rarely gets further."""

MAX_FRAME = 64 * 1024 * 1024
MAX_TEXT = 8 * 1024
MAX_WANT = 4 * 1024 * 1024
INT64_MAX = 2**63 - 1
LEAST_S, MOST_S = 1e-9, 1e9  # of a timer or an interval

LOAD_HEAD = struct.Struct("<qqqq")
_HEADER = struct.Struct("<IB")
HEAD = _HEADER.size
_READ_SIZE = 16_384
_FEW = 512


class WireError(Exception):
    """The other side broke the rules of the wire, in one sentence without a subject."""


class WireClosed(WireError):
    """The other side is gone."""


class WireLate(WireError):
    """The other side was not done in time."""


class Wire:
    """One side's two ends. A frame is handled as it is on the wire, head and payload in one piece.

    Past ``until`` (monotonic seconds, if given) every method raises :class:`WireLate`, whoever keeps the pipes open; a
    write end used with it must be non-blocking. :class:`WireClosed` is raised when the other side is gone.
    """

    __slots__ = ("_frames", "_numbers", "_poll", "_read_fd", "_until", "_write_fd")

    def __init__(self, read_fd: int, write_fd: int, until: float | None = None) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._until = until
        self._poll = select.poll()
        self._poll.register(read_fd, select.POLLIN)
        self._frames = [struct.Struct(f"<IB{count}q") for count in range(_FEW)]
        self._numbers = [struct.Struct(f"<{count}q") for count in range(_FEW)]

    def send(self, kind: int, numbers: Sequence[int]) -> None:
        """Sends int64 ``numbers``; raises ``struct.error`` for what doesn't fit."""
        count = len(numbers)
        if count < _FEW:
            self._write(self._frames[count].pack(8 * count, kind, *numbers))
        else:
            self._write(struct.pack(f"<IB{count}q", 8 * count, kind, *numbers))

    def send_bytes(self, kind: int, payload: bytes) -> None:
        self._write(_HEADER.pack(len(payload), kind) + payload)

    def receive(self, limit: int) -> tuple[int, bytes]:
        """The next frame's kind, and the frame; a payload over ``limit`` bytes is refused before it is read."""
        data = self._read()
        while len(data) < HEAD:
            data += self._read()
        length, kind = _HEADER.unpack_from(data)
        if length > limit:
            raise WireError("sent more than an answer can hold")
        if len(data) != HEAD + length:
            data = self._rest(data, HEAD + length)
        return kind, data

    def numbers(self, frame: bytes) -> tuple[int, ...]:
        """The int64 numbers of a frame's payload."""
        count, over = divmod(len(frame) - HEAD, 8)
        if over:
            raise WireError("sent a number that is not whole")
        if count < _FEW:
            return self._numbers[count].unpack_from(frame, HEAD)
        return struct.unpack_from(f"<{count}q", frame, HEAD)

    def _rest(self, data: bytes, total: int) -> bytes:
        parts, have = [data], len(data)
        while have < total:
            parts.append(self._read())
            have += len(parts[-1])
        if have > total:
            raise WireError("sent more than it was asked for")
        return b"".join(parts)

    def _read(self) -> bytes:
        until = self._until
        if until is not None and not self._poll.poll(max(1000.0 * (until - time.monotonic()), 0.0)):
            raise WireLate("was not done in time")
        try:
            data = os.read(self._read_fd, _READ_SIZE)
        except OSError as error:
            raise WireClosed("closed the wire") from error
        if not data:
            raise WireClosed("closed the wire")
        return data

    def _write(self, data: bytes) -> None:
        written = 0
        while written < len(data):
            try:
                written += os.write(self._write_fd, memoryview(data)[written:] if written else data)
            except BlockingIOError:
                if self._until is None:
                    raise
                self._wait_to_write(self._until)
            except OSError as error:
                raise WireClosed("closed the wire") from error

    def _wait_to_write(self, until: float) -> None:
        ready = select.poll()
        ready.register(self._write_fd, select.POLLOUT)
        if not ready.poll(max(1000.0 * (until - time.monotonic()), 0.0)):
            raise WireLate("was not done in time")


def bits(seconds: float | None) -> int:
    """A float64 as an int64 of the same bits; 0, which is also that of 0.0, for None."""
    return 0 if seconds is None else int(struct.unpack("<q", struct.pack("<d", seconds))[0])


def from_bits(number: int) -> float | None:
    """What :func:`bits` was given."""
    return None if number == 0 else float(struct.unpack("<d", struct.pack("<q", number))[0])
