"""The simulator's end of a sealed design: a process of its own in which one policy's decisions are made.

A design that does not ship with the product always runs like this. Its process (:mod:`design_host`) starts
without environment in its own session, with its output going nowhere and no descriptor but the two pipes; it is sent
only what a policy may see, and killed as a group at the wall-clock deadline. Isolation level ``process``: it shares
the user's rights; the stronger levels lock down the same process between its start and its first line.

Invariants: nothing that comes back is trusted (frames are bounded, ids are looked up); a failure is a
:class:`DesignFailed` with its own outcome and never a decision; no wait outlasts the deadline, whatever a process of
the design keeps open; when ``close`` returns, the design's process and its group are gone. What the policy of a slot is
asked is in :mod:`sealed_router`, :mod:`sealed_scheduler` and :mod:`sealed_autoscaler`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import get_args

from sessions import events as ev
from sessions.experiments import wire
from sessions.experiments.zygote import HASH_SEED, HOST_COMMAND, Forked, fork_design

ISOLATION = "process"
MEMORY_BYTES = 1024**3
_OUTCOMES: frozenset[str] = frozenset(get_args(ev.Outcome)) - {"ok"}
_DECISION_OUTLASTS = 0.5  # of the deadline: a single decision that long is what timed out

Serve = Callable[[tuple[int, ...]], Sequence[int]]
"""What a design wants to look at, in numbers; raises :class:`wire.WireError` for what there is not."""


class DesignFailed(Exception):
    """A sealed design failed: ``outcome`` and one sentence. ``last_s``: simulated time of its last decision."""

    def __init__(self, outcome: ev.Outcome, message: str, last_s: float | None) -> None:
        super().__init__(message)
        self.outcome: ev.Outcome = outcome
        self.last_s = last_s


class SealedDesign:
    """The child process in which ``source`` is the policy of ``slot``.

    ``deadline_s``: wall-clock seconds from now until the process is killed. ``hash_seed`` fixes the order of sets of
    strings there. ``subject``: what a failure's sentence begins with. ``loaded``: what it answered when it was loaded.
    Use as a context manager.
    """

    def __init__(
        self,
        slot: str,
        source: str,
        seed: int,
        deadline_s: float,
        memory_bytes: int = MEMORY_BYTES,
        hash_seed: int = 0,
        subject: str = "",
    ) -> None:
        self._subject = subject
        self._deadline_s = deadline_s
        self._asked = time.monotonic()
        self._now_ns: int | None = None
        self._process, self._read_fd, self._write_fd = _start(hash_seed)
        self._wire = wire.Wire(self._read_fd, self._write_fd, self._asked + deadline_s)
        head = wire.LOAD_HEAD.pack(seed, memory_bytes, int(self._deadline_s) + 2, wire.SLOTS.index(slot))
        try:
            self.loaded = self.ask_bytes(wire.LOAD, head + source.encode("utf-8", "surrogatepass"), 1)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> SealedDesign:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(
        self, now_ns: int, kind: int, numbers: Sequence[int], serve: Serve, least: int, most: int
    ) -> tuple[int, ...]:
        """Asks for one decision at ``now_ns``; the answer has ``least`` to ``most`` numbers.

        ``serve`` answers what the design wants to look at before it decides. Raises :class:`DesignFailed`.
        """
        self._now_ns = now_ns
        self._asked = time.monotonic()
        try:
            self._wire.send(kind, numbers)
            return self._answer(serve, least, most)
        except wire.WireError as error:
            raise self._failure(error) from error

    def ask_bytes(self, kind: int, payload: bytes, count: int = 0) -> tuple[int, ...]:
        """As :meth:`ask`, for a question that is no decision and needs no look at anything; ``count``: of numbers in
        the answer."""
        try:
            self._wire.send_bytes(kind, payload)
            return self._answer(nothing, count, count)
        except wire.WireError as error:
            raise self._failure(error) from error

    def seconds(self, bits: int) -> float | None:
        """A time that an answer holds; raises :class:`DesignFailed` for what no honest design's process sends."""
        value = wire.from_bits(bits)
        if value is not None and not wire.LEAST_S <= value <= wire.MOST_S:
            raise self.broke("sent a time that is none")
        return value

    def broke(self, how: str) -> DesignFailed:
        """The failure of a design whose answer is none; ``how`` has no subject: ``sent ...``."""
        return self._failure(wire.WireError(how))

    def close(self) -> None:
        """Ends the design's process and its group, whatever they are doing; may be called twice."""
        if self._read_fd < 0:
            return
        self._kill()
        self._process.wait()
        os.close(self._read_fd)
        os.close(self._write_fd)
        self._read_fd = self._write_fd = -1

    def _answer(self, serve: Serve, least: int, most: int) -> tuple[int, ...]:
        limit = max(8 * most, wire.MAX_WANT)
        while True:
            kind, frame = self._wire.receive(limit)
            if kind == wire.DONE:
                numbers = self._wire.numbers(frame)
                if not least <= len(numbers) <= most:
                    raise wire.WireError("sent what is no answer")
                return numbers
            if kind == wire.WANT:
                self._wire.send(wire.NUMBERS, serve(self._wire.numbers(frame)))
            elif kind == wire.FAILED:
                raise self._failed(frame[wire.HEAD :])
            else:
                raise wire.WireError("sent a frame that there is not")

    def _failed(self, payload: bytes) -> DesignFailed:
        outcome, _, words = payload[: wire.MAX_TEXT].decode("utf-8", "replace").partition("\n")
        if outcome not in _OUTCOMES:
            raise wire.WireError("failed in a way that there is not")
        return DesignFailed(outcome, self._when(_printable(words)), self._last_s())  # type: ignore[arg-type]

    def _failure(self, error: wire.WireError) -> DesignFailed:
        """Why the wire broke, as an outcome."""
        if isinstance(error, wire.WireLate):
            return DesignFailed("timeout", self._overtime(), self._last_s())
        if not isinstance(error, wire.WireClosed):
            return DesignFailed("exception", self._when(f"The design's process {error}."), self._last_s())
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        code = self._process.returncode
        if code is not None and code == -signal.SIGXCPU:
            return DesignFailed("timeout", self._overtime(), self._last_s())
        how = "closed its pipe" if code is None else _ending(code)
        words = f"The design's process {how}; a policy only decides, it must not end or signal processes."
        return DesignFailed("exception", self._when(words), self._last_s())

    def _overtime(self) -> str:
        spent_s = time.monotonic() - self._asked
        if spent_s < _DECISION_OUTLASTS * self._deadline_s:
            return self._when(f"The run was not done after its {self._deadline_s:g} s of wall-clock time.")
        what = "loading" if self._now_ns is None else "one decision"
        words = f"The design spent {spent_s:.1f} s on {what} when its {self._deadline_s:g} s were over"
        return self._when(f"{words}: look for a loop that doesn't end.")

    def _when(self, sentence: str) -> str:
        last_s = self._last_s()
        when = "" if last_s is None else f"At {last_s:.3f} s of simulated time: "
        return f"{self._subject}{when}{sentence}"

    def _last_s(self) -> float | None:
        return None if self._now_ns is None else self._now_ns / 1e9

    def _kill(self) -> None:
        """Also when the process itself has ended: what it left in its group has not."""
        if self._process.pid <= 0:
            return  # 0 would be the group of this very process
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.returncode is None:  # what was just forked may have no group of its own yet
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._process.pid, signal.SIGKILL)


def _start(hash_seed: int) -> tuple[subprocess.Popen[bytes] | Forked, int, int]:
    """The design's process, and this side's read and write descriptors."""
    child_reads, parent_writes = os.pipe()
    parent_reads, child_writes = os.pipe()
    os.set_blocking(parent_writes, False)
    process: subprocess.Popen[bytes] | Forked
    try:
        forked = fork_design(child_reads, child_writes) if hash_seed == HASH_SEED else None
        process = forked or _spawn(child_reads, child_writes, hash_seed)
    except BaseException:
        os.close(parent_reads)
        os.close(parent_writes)
        raise
    finally:
        os.close(child_reads)
        os.close(child_writes)
    return process, parent_reads, parent_writes


def _spawn(child_reads: int, child_writes: int, hash_seed: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*HOST_COMMAND, str(child_reads), str(child_writes), str(os.getpid())],
        env={"PYTHONHASHSEED": str(hash_seed)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=True,
        pass_fds=(child_reads, child_writes),
        start_new_session=True,
    )


def nothing(_wanted: tuple[int, ...]) -> Sequence[int]:
    """Serves a question with which there is nothing to look at."""
    raise wire.WireError("asked for a look at what it was not asked about")


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended by itself (exit code {code})"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _printable(text: str) -> str:
    """Without control characters: this text reaches terminals, journals and git."""
    return "".join(c if c.isprintable() else " " for c in text).strip()
