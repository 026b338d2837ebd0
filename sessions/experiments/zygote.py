"""Processes for sealed designs that start in two milliseconds: forked from one that has everything loaded.

A worker keeps one zygote: a :mod:`design_host` that has got no design and never will, started as every design's
process is (nothing in its environment, no descriptor but a socket, its output going nowhere), so what is forked from it
has nothing to find either. It is asked to fork, or whether what it forked has ended. It shares its hash seed with all
that it forks: a design that is to run under another one gets a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

HASH_SEED = 0
HOST_COMMAND = (sys.executable, "-P", "-s", "-S", str(Path(__file__).with_name("design_host.py")))
"""Flags as -I -S, but the hash seed is heeded: nothing else is in the environment."""
FORK, POLL, WAIT = b"F", b"P", b"W"
NOT_YET = -(2**31)
_PID = struct.Struct("<i")
_ANSWER_S = 10.0
_STEP_S = 0.002


class Forked:
    """What a zygote forked, with the parts of :class:`subprocess.Popen` that the sealing needs."""

    def __init__(self, zygote: Zygote, pid: int) -> None:
        self._zygote = zygote
        self.pid = pid
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative for a signal's number; raises :class:`subprocess.TimeoutExpired`."""
        until = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            code = self._zygote.code_of(self.pid, WAIT if until is None else POLL)
            if code != NOT_YET:
                self.returncode = code
            elif until is not None and time.monotonic() >= until:
                raise subprocess.TimeoutExpired("design", timeout or 0.0)
            else:
                time.sleep(_STEP_S)
        return self.returncode


class Zygote:
    """The process to fork from."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._socket = ours
        ours.settimeout(_ANSWER_S)
        try:
            self._process = subprocess.Popen(
                [*HOST_COMMAND, "--zygote", str(theirs.fileno()), str(os.getpid())],
                env={"PYTHONHASHSEED": str(HASH_SEED)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                close_fds=True,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def gone(self) -> bool:
        return self._process.poll() is not None

    def fork(self, read_fd: int, write_fd: int) -> Forked:
        """A process that reads and writes there. Raises OSError if the zygote is gone, as it is from then on."""
        try:
            socket.send_fds(self._socket, [FORK], [read_fd, write_fd])
            pid = self._answer()
            if pid <= 0:
                raise ConnectionAbortedError("The zygote answered with no process.")
        except OSError:
            self.close()
            raise
        return Forked(self, pid)

    def code_of(self, pid: int, how: bytes) -> int:
        """The exit code of what was forked: at once (POLL: :data:`NOT_YET` while it runs), or when it has ended (WAIT).
        When the zygote is gone, so are those that it forked."""
        try:
            self._socket.send(how + _PID.pack(pid))
            return self._answer()
        except OSError:
            self.close()
            return -int(signal.SIGKILL)

    def close(self) -> None:
        """Ends it; those that it forked end with it. May be called twice.

        So ends every zygote that failed to answer once: its answer may yet come, and would be taken for the next one.
        """
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()

    def _answer(self) -> int:
        data = self._socket.recv(_PID.size)
        if len(data) != _PID.size:
            raise ConnectionResetError("The zygote is gone.")
        return int(_PID.unpack(data)[0])


_KEPT: list[Zygote] = []
"""The zygote of this process, if it keeps one."""


def keep_zygote() -> None:
    """From now on the designs of this process are forked from a zygote; for a process that runs many evaluations."""
    if _KEPT and _KEPT[0].gone():
        _KEPT.pop().close()
    if not _KEPT:
        _KEPT.append(Zygote())


def zygote_pid() -> int:
    """0 if none is kept."""
    return _KEPT[0].pid if _KEPT else 0


def fork_design(read_fd: int, write_fd: int) -> Forked | None:
    """A process for a design, or None if no zygote is kept (or it is gone)."""
    if not _KEPT:
        return None
    try:
        return _KEPT[0].fork(read_fd, write_fd)
    except OSError:
        _KEPT.clear()
        return None
