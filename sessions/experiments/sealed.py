"""The simulator's end of a sealed design: a router whose decisions are made in a process of their own.

A design that does not ship with the product always runs like this. Its process (:mod:`design_host`) starts
without environment in its own session, with its output going nowhere and no descriptor but the two pipes; it is sent
only what a policy may see, and killed as a group at the wall-clock deadline. Isolation level ``process``: it shares
the user's rights; the stronger levels lock down the same process between its start and its first line.

Invariants: nothing that comes back is trusted (frames are bounded, ids are looked up); a failure is a
:class:`DesignFailed` with its own outcome and never a decision; no wait outlasts the deadline, whatever a process of
the design keeps open; when ``close`` returns, the design's process and its group are gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, get_args

from sessions import events as ev
from sessions.experiments import wire
from sim.api import Cluster, HeldRequest, Replica, ReplicaRequest

ISOLATION = "process"
MEMORY_BYTES = 1024**3
_HOST = Path(__file__).with_name("design_host.py")
_FLAGS = ("-P", "-s", "-S")  # as -I -S, but the hash seed is heeded: nothing else is in the environment
_OUTCOMES: frozenset[str] = frozenset(get_args(ev.Outcome)) - {"ok"}
_DECISION_OUTLASTS = 0.5  # of the deadline: a single decision that long is what timed out


class DesignFailed(Exception):
    """A sealed design failed: ``outcome`` and one sentence. ``last_s``: simulated time of its last decision."""

    def __init__(self, outcome: ev.Outcome, message: str, last_s: float | None) -> None:
        super().__init__(message)
        self.outcome: ev.Outcome = outcome
        self.last_s = last_s


class HeldQueue(Protocol):
    """The queue as the engine hands it over: ``new`` are the requests that were not in it at the last call."""

    @property
    def new(self) -> Sequence[HeldRequest]: ...


@dataclass(frozen=True, slots=True)
class _UnknownReplica:
    """Stands for a replica id that doesn't exist, so that the engine itself refuses the decision."""

    id: int


class SealedRouter:
    """A router in the sense of :class:`sim.api.Router`, whose ``source`` runs in a child process.

    ``deadline_s``: wall-clock seconds from now until the process is killed. ``hash_seed`` fixes the order of sets of
    strings there. Use as a context manager.
    """

    def __init__(
        self, source: str, seed: int, deadline_s: float, memory_bytes: int = MEMORY_BYTES, hash_seed: int = 0
    ) -> None:
        self._held: dict[int, HeldRequest] = {}
        self._deadline_s = deadline_s
        self._asked = time.monotonic()
        self._until = self._asked + deadline_s
        self._now_ns: int | None = None
        self._process, self._read_fd, self._write_fd = _start(hash_seed)
        try:
            self._load(source, seed, memory_bytes)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> SealedRouter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> list[tuple[HeldRequest, Replica]]:
        """Asks the design; raises :class:`DesignFailed`."""
        self._now_ns = cluster.now_ns
        self._asked = time.monotonic()
        replicas = cluster.replicas
        try:
            wire.send_numbers(self._write_fd, wire.DECIDE, self._question(queue, cluster, replicas), self._until)
            while True:
                limit = 8 * wire.ASSIGN_FIELDS * (len(queue) + 1) + wire.MAX_TEXT
                kind, payload = wire.receive(self._read_fd, limit, self._until)
                if kind == wire.ASSIGN:
                    return self._answer(payload, replicas)
                self._serve(kind, payload, replicas)
        except wire.WireError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Ends the design's process and its group, whatever they are doing; may be called twice."""
        if self._read_fd < 0:
            return
        self._kill()
        self._process.wait()
        os.close(self._read_fd)
        os.close(self._write_fd)
        self._read_fd = self._write_fd = -1

    def _load(self, source: str, seed: int, memory_bytes: int) -> None:
        text = source.encode("utf-8", "surrogatepass")
        head = wire.LOAD_HEAD.pack(seed, memory_bytes, int(self._deadline_s) + 2)
        try:
            wire.send_bytes(self._write_fd, wire.LOAD, head + text, self._until)
            kind, payload = wire.receive(self._read_fd, wire.MAX_TEXT, self._until)
            if kind != wire.LOADED:
                self._serve(kind, payload, ())
        except wire.WireError as error:
            raise self._failure(error) from error

    def _question(self, queue: Sequence[HeldRequest], cluster: Cluster, replicas: Sequence[Replica]) -> list[int]:
        new = _new_of(queue, self._held)
        numbers = [cluster.now_ns, cluster.block_tokens, len(new), len(replicas)]
        for request in new:
            self._held[request.id] = request
            numbers += (
                request.id,
                request.arrival_ns,
                request.prompt_tokens,
                request.priority,
                request.session,
            )
        for r in replicas:
            numbers += (
                r.id,
                r.accepts,
                r.num_waiting,
                r.num_running,
                r.kv_blocks_used,
                r.kv_blocks_total,
            )
        return numbers

    def _answer(self, payload: bytes, replicas: Sequence[Replica]) -> list[tuple[HeldRequest, Replica]]:
        """Ids as the engine's own objects. What is unknown is handed on as such: judging is the engine's."""
        ids = wire.numbers_of(payload, wire.ASSIGN_FIELDS)
        by_id = {replica.id: replica for replica in replicas}
        pairs: list[tuple[HeldRequest, Replica]] = []
        for request_id, replica_id in zip(ids[::2], ids[1::2], strict=True):
            request = self._held.get(request_id) or HeldRequest(request_id, 0, 0)
            pairs.append((request, by_id.get(replica_id) or _UnknownReplica(replica_id)))  # type: ignore[arg-type]
        for request_id in ids[::2]:
            self._held.pop(request_id, None)
        return pairs

    def _serve(self, kind: int, payload: bytes, replicas: Sequence[Replica]) -> None:
        """Anything but an answer: a list is wanted, or the design has failed."""
        if kind == wire.WANT:
            wanted = _list_of(wire.numbers_of(payload, 1), replicas)
            wire.send_numbers(self._write_fd, wire.LIST, wanted, self._until)
        elif kind == wire.FAILED:
            outcome, _, words = payload.decode("utf-8", "replace").partition("\n")
            if outcome not in _OUTCOMES:
                raise wire.WireError("failed in a way that there is not")
            raise DesignFailed(outcome, self._when(_printable(words)), self._last_s())  # type: ignore[arg-type]
        else:
            raise wire.WireError("sent a frame that there is not")

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
        return sentence if last_s is None else f"At {last_s:.3f} s of simulated time: {sentence}"

    def _last_s(self) -> float | None:
        return None if self._now_ns is None else self._now_ns / 1e9

    def _kill(self) -> None:
        """Also when the process itself has ended: what it left in its group has not."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _start(hash_seed: int) -> tuple[subprocess.Popen[bytes], int, int]:
    """The design's process, and this side's read and write descriptors."""
    child_reads, parent_writes = os.pipe()
    parent_reads, child_writes = os.pipe()
    os.set_blocking(parent_writes, False)
    try:
        process = subprocess.Popen(
            [sys.executable, *_FLAGS, str(_HOST), str(child_reads), str(child_writes), str(os.getpid())],
            env={"PYTHONHASHSEED": str(hash_seed)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=True,
            pass_fds=(child_reads, child_writes),
            start_new_session=True,
        )
    except BaseException:
        os.close(parent_reads)
        os.close(parent_writes)
        raise
    finally:
        os.close(child_reads)
        os.close(child_writes)
    return process, parent_reads, parent_writes


def _new_of(queue: Sequence[HeldRequest], known: dict[int, HeldRequest]) -> Sequence[HeldRequest]:
    """What the design's process hasn't been sent; a queue that doesn't keep count is searched."""
    new: Sequence[HeldRequest] | None = getattr(queue, "new", None)
    return [request for request in queue if request.id not in known] if new is None else new


def _list_of(wanted: list[int], replicas: Sequence[Replica]) -> list[int]:
    for replica in replicas:
        if wanted == [replica.id, wire.WAITING] or wanted == [replica.id, wire.RUNNING]:
            break
    else:
        raise wire.WireError("asked for a list that there is not")
    requests: Sequence[ReplicaRequest] = replica.waiting if wanted[1] == wire.WAITING else replica.running
    return wire.flat((r.id, r.arrival_ns, r.prompt_tokens, r.processed_tokens, r.restarts) for r in requests)


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
