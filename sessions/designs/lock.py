"""One writer at a time in a workspace, also between processes; a crashed writer leaves nothing locked."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sessions.errors import WorkspaceError

_WAIT_S = 10.0
_RETRY_S = 0.02


@contextmanager
def writer_lock(folder: Path, root: Path, wait_s: float = _WAIT_S) -> Iterator[None]:
    """Holds the lock in ``folder`` of the workspace ``root``; the kernel lets go of it when the process ends.

    Raises :class:`WorkspaceError` when another process holds it for longer than ``wait_s`` seconds.
    """
    descriptor = os.open(folder / "designs.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_up = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= give_up:
                    words = f"Another process is writing to the workspace {root}; try again when it is done."
                    raise WorkspaceError(words) from error
                time.sleep(_RETRY_S)
        yield
    finally:
        os.close(descriptor)
