"""What the process of a design gives up before it receives the design: files, new descriptors, and other processes.

Linux's Landlock (kernel 5.13 and later; no root and no package needed) denies every file, and with the versions of its
interface that can, TCP, signals to other processes and their memory. The limits hold wherever there are limits. What
the platform can't do is left out: :func:`landlock_version` tells what there is. Not stopped anywhere: computing, the
clock, and, for root, starting processes, which the worker ends.

Standard library only: loaded in the sealed process of a design. Invariant: nothing can be imported from disk after
:func:`lock_down`, so all that a design may import is imported before.
"""

from __future__ import annotations

import ctypes
import importlib
import resource
import struct
import sys
from collections.abc import Iterable

_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # the same on every architecture but Alpha
_VERSION_FLAG = 1
_FILE_RIGHTS = (13, 14, 15, 15, 16)  # how many of the file rights version 1, 2, ... knows
_NET_FROM, _NET_RIGHTS = 4, 0b11  # bind, connect
_SCOPE_FROM, _SCOPES = 6, 0b11  # abstract sockets, signals
_CAPABILITY_VERSION_3 = 0x20080522
_ALSO = ("collections.abc", "encodings.ascii", "encodings.latin_1")


def landlock_version() -> int:
    """The version of the kernel's Landlock interface, 0 without one."""
    if sys.platform != "linux":
        return 0
    return max(int(ctypes.CDLL(None, use_errno=True).syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)), 0)


def lock_down(imports: Iterable[str]) -> None:
    """Gives it all up, for this process and those it starts, for good. ``imports``: what stays importable."""
    warm_up(imports)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        _deny_files(libc, landlock_version())
        libc.capset(struct.pack("<Ii", _CAPABILITY_VERSION_3, 0), bytes(24))  # root could raise its limits again
    for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC):
        try:
            resource.setrlimit(what, (0, 0))
        except (ValueError, OSError):
            continue


def warm_up(imports: Iterable[str]) -> None:
    """Imports what can't be imported afterwards."""
    for name in (*imports, *_ALSO):
        importlib.import_module(name)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _deny_files(libc: ctypes.CDLL, version: int) -> None:
    """A ruleset without any rule: what it handles, it denies."""
    if version < 1:
        return
    files = 2 ** _FILE_RIGHTS[min(version, len(_FILE_RIGHTS)) - 1] - 1
    net = _NET_RIGHTS if version >= _NET_FROM else 0
    scopes = _SCOPES if version >= _SCOPE_FROM else 0
    rules = struct.pack("<QQQ", files, net, scopes)
    handle = libc.syscall(_CREATE_RULESET, rules, len(rules), 0)
    if handle < 0 or libc.syscall(_RESTRICT_SELF, handle, 0) != 0:
        raise OSError(ctypes.get_errno(), "Landlock could not be put in force")
