"""Files beside the journal, named by the digest of their content: telemetry and other series too large for a line.

Invariants: a file is there completely or not at all, also after a crash; what is read back is what the name says.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import re
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from sessions.errors import SidecarError

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".json.gz"


class Sidecar:
    """JSON documents in ``folder``, compressed, by the hex SHA-256 of their canonical text."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, document: dict[str, JsonValue]) -> str:
        """Stores ``document``, synced to disk, and returns its digest; what is there already is not written again.

        Raises :class:`SidecarError` when the folder can't be written.
        """
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        digest = hashlib.sha256(text).hexdigest()
        path = self._path(digest)
        try:
            if not path.exists():
                self._folder.mkdir(parents=True, exist_ok=True)
                _write(path, gzip.compress(text, compresslevel=5, mtime=0))
        except OSError as error:
            words = f"Can't write to {self._folder}: {error.strerror}; free some space or choose another workspace."
            raise SidecarError(words) from error
        return digest

    def get(self, digest: str) -> dict[str, JsonValue]:
        """The document of that digest; raises :class:`SidecarError` when it is missing or damaged."""
        if not _DIGEST.fullmatch(digest):
            raise SidecarError(f"{digest!r} is not the digest of a recorded file.")
        path = self._path(digest)
        try:
            text = gzip.decompress(path.read_bytes())
        except FileNotFoundError as error:
            raise SidecarError(
                f"The recorded file {path} is missing; restore it or run the experiment again."
            ) from error
        except (OSError, EOFError, zlib.error) as error:
            raise SidecarError(f"The recorded file {path} can't be read: {error}.") from error
        if hashlib.sha256(text).hexdigest() != digest:
            raise SidecarError(f"The recorded file {path} is damaged: its content is not what its name says.")
        return cast("dict[str, JsonValue]", json.loads(text))

    def _path(self, digest: str) -> Path:
        return self._folder / (digest + _SUFFIX)


def share(source: Path, target: Path, digest: str) -> None:
    """Puts the file of that digest into the folder ``target`` as well: linked where the file system can, else copied.
    One that is missing stays missing, and is told when it is asked for."""
    name = digest + _SUFFIX
    if not _DIGEST.fullmatch(digest) or not (source / name).is_file():
        return
    try:
        os.link(source / name, target / name)
    except OSError:
        shutil.copy2(source / name, target / name)


def _write(path: Path, data: bytes) -> None:
    """Written aside, synced, then moved into place; the folder is synced too."""
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
