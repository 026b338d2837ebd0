"""What a child process does to itself so that it can't outlive or starve the one that started it.

And how the one that started it finds what is left. Standard library only: also loaded in the sealed process of a
design.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_END_CHILDREN_S = 2.0


def die_with_parent(parent: int) -> None:
    """Has the kernel kill this process when process ``parent`` ends, where it can (Linux); elsewhere the closed pipe
    and the CPU limit end it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)


def limit_resources(memory_bytes: int, cpu_s: int) -> None:
    """Address space, CPU time, file size, core dumps. What the platform refuses stays as it is."""
    wanted = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for what, limit in wanted.items():
        try:
            hard = resource.getrlimit(what)[1]
            allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(what, (allowed, allowed))
        except (ValueError, OSError):
            continue


def adopt_orphans() -> None:
    """Makes this process the parent of what its descendants leave behind, where the kernel can (Linux), so that a
    process that left its group and lost its parent can still be found."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """The processes below ``pid``, where they can be listed (Linux); those above first."""
    found = _children(pid)
    for child in found:
        found += _children(child)
    return found


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def end_descendants(keep: int = 0) -> None:
    """Ends and reaps all that is below this process but the process ``keep``, for as long as new ones keep coming, but
    not for ever."""
    until = time.monotonic() + _END_CHILDREN_S
    me = os.getpid()
    while time.monotonic() < until and (found := [pid for pid in descendants(me) if pid != keep]):
        kill_all(found)
        for pid in found:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def available_cores() -> list[int]:
    """The cores this process may use; numbers that can be pinned to where the platform can pin."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def pin_to(core: int) -> bool:
    """Keeps this process, and those it starts from now on, on one core. Two processes that take turns over a pipe never
    overlap, and on one core their turn costs a switch instead of the wake-up of an idle core, several times dearer.
    False where that can't be done, and then nothing has changed."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    try:
        os.sched_setaffinity(0, {core})
    except OSError:
        return False
    return True


def yield_to_people(niceness: int = 10) -> None:
    """Lets interactive programs go first."""
    try:
        os.nice(niceness)
    except OSError:
        return
