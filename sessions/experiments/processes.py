"""What a child process does to itself so that it can't outlive or starve the one that started it.

Standard library only: also loaded in the sealed process of a design.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_MAX_OPEN_FILES = 32


def die_with_parent(parent: int) -> None:
    """Has the kernel kill this process when process ``parent`` ends, where it can (Linux); elsewhere the closed pipe
    and the CPU limit end it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)


def limit_resources(memory_bytes: int, cpu_s: int) -> None:
    """Address space, CPU time, file size, open files, core dumps. What the platform refuses stays as it is."""
    wanted = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _MAX_OPEN_FILES,
    }
    for what, limit in wanted.items():
        try:
            hard = resource.getrlimit(what)[1]
            allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(what, (allowed, allowed))
        except (ValueError, OSError):
            continue


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
