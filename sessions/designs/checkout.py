"""Writes an accepted design out of git, for people to read, run or change, and loses nothing that they wrote."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sessions.designs.model import DesignCommit
from sessions.errors import SessionError


class CheckoutRefused(SessionError):
    """A file is in the way that no accepted version holds, or the folder can't be written."""


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """Names of files in ``folder``: new ones, ones that held another accepted version, ones that a person had
    changed (overwritten on demand alone), and ones that were already so."""

    folder: Path
    written: tuple[str, ...]
    replaced: tuple[str, ...]
    overwritten: tuple[str, ...]
    unchanged: tuple[str, ...]


def check_out(design: DesignCommit, versions: Sequence[DesignCommit], folder: Path, *, force: bool) -> CheckedOut:
    """Writes the files of ``design`` into ``folder``, all of them or none.

    ``versions``: the accepted versions of this design; a file that equals one of them can be had again and is
    replaced. Raises :class:`CheckoutRefused` for a file that a person changed, unless ``force``.
    """
    try:
        kinds = {name: _kind(folder / name, name, design, versions) for name in design.files}
        changed = [name for name, kind in kinds.items() if kind == "overwritten"]
        if changed and not force:
            raise CheckoutRefused(
                f"{folder / changed[0]} was changed by hand and would be lost; move it away, choose another folder "
                "with --to, or overwrite it with --force."
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name, kind in kinds.items():
            if kind != "unchanged":
                write_whole(folder / name, design.files[name])
    except OSError as error:
        raise CheckoutRefused(
            f"{error.filename or folder} can't be written ({error.strerror}); choose another folder with --to."
        ) from error

    def of(kind: str) -> tuple[str, ...]:
        return tuple(name for name, its in kinds.items() if its == kind)

    return CheckedOut(folder, of("written"), of("replaced"), of("overwritten"), of("unchanged"))


def _kind(path: Path, name: str, design: DesignCommit, versions: Sequence[DesignCommit]) -> str:
    if not os.path.lexists(path):
        return "written"
    present = path.read_bytes() if path.is_file() else None
    if present == design.files[name].encode():
        return "unchanged"
    known = {version.files[name].encode() for version in versions if name in version.files}
    return "replaced" if present in known else "overwritten"


def write_whole(path: Path, text: str) -> None:
    """Writes ``text`` to ``path`` completely or not at all. Raises :class:`OSError`."""
    descriptor, aside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except OSError:
        os.unlink(aside)
        raise
