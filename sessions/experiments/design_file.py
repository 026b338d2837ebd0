"""Reads a design from a file a person named; whatever is wrong with the file is one sentence."""

from __future__ import annotations

from pathlib import Path

from sessions.errors import DesignFileError

MAX_BYTES = 1_000_000
"""A policy is at most one readable file; larger ones are refused before they are read."""


def read_design_file(path: Path) -> str:
    """The source in ``path``. Raises :class:`DesignFileError` if it is missing, empty, too large or not UTF-8."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise DesignFileError(f"{path} isn't a file; name a Python file that defines one policy.")
        if size > MAX_BYTES:
            raise DesignFileError(f"{path} has {size:,} bytes; a policy is one file of at most {MAX_BYTES:,}.")
        source = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DesignFileError(f"{path} isn't UTF-8 text (byte {error.start}); save it as UTF-8.") from error
    except ValueError as error:
        raise DesignFileError(f"{str(path)!r} can't be read (not a path); name a shipped router or a file.") from error
    except OSError as error:
        raise DesignFileError(f"{path} can't be read ({error.strerror}); name a shipped router or a file.") from error
    if not source.strip():
        raise DesignFileError(f"{path} is empty; it must define one policy (see: glia policies show llq).")
    return source
