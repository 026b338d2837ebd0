"""What every command shares: exit codes, JSON, narration, tables, and the sentence an error ends in."""

from __future__ import annotations

import enum
import errno
import io
import json
import os
import sys
from collections.abc import Sequence

from sessions.errors import SessionError


class Exit(enum.IntEnum):
    """Exit codes; they are an interface."""

    DONE = 0
    ANSWER_IS_NO = 1
    USAGE = 2
    DESIGN_FAILED = 3
    BUDGET = 4
    BACKEND = 5
    ISOLATION = 6
    DEFECT = 70
    INTERRUPTED = 130


class CommandError(SessionError):
    """An error of a command, with the exit code it ends in."""

    def __init__(self, sentence: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(sentence)
        self.code = code


def print_json(document: object) -> None:
    """One JSON document on stdout. NaN and infinity aren't JSON and are a defect if they get here."""
    escaped = (sys.stdout.encoding or "ascii").lower() not in ("utf-8", "utf8")
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=escaped, allow_nan=False) + "\n")


def narrate(text: str, *, end: str = "\n") -> None:
    """A line for people, on stderr. That nobody can read it (a full disk, a closed pipe) stops nothing."""
    try:
        sys.stderr.write(text + end)
        sys.stderr.flush()
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives


def prepare_streams() -> None:
    """Makes stdin, stdout and stderr usable whatever the caller left open, before any other file is opened.

    A closed descriptor is filled, or a journal would become stdout; writing to a closed stdout stays an error. What the
    encoding of a stream has no character for is replaced.
    """
    for fd, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, mode)  # the lowest free descriptor, which is this one
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


_UNWRITABLE = frozenset({errno.ENOSPC, errno.EBADF, errno.EIO, errno.EFBIG, errno.EDQUOT})


def output_fault(error: OSError | None = None) -> str:
    """Why stdout can't be written, or an empty string; after a fault nothing more is written to it.

    ``error``: what came of writing. What a file of the study answers has become a sentence before it gets here.
    """
    try:
        sys.stdout.flush()
        if error is None or error.filename is not None or error.errno not in _UNWRITABLE:
            return ""
    except BrokenPipeError:
        raise
    except OSError as again:
        error = again
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    return error.strerror or str(error)


class ProgressLine:
    """One line on stderr that is rewritten in place on a terminal, and left out elsewhere."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0

    def update(self, text: str) -> None:
        if self._shown:
            narrate("\r" + text.ljust(self._width), end="")
            self._width = len(text)

    def clear(self) -> None:
        if self._shown and self._width:
            narrate("\r" + " " * self._width + "\r", end="")
            self._width = 0


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """A plain aligned table on stdout; ``right``: columns that are right-aligned."""
    table = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        cells = [
            cell.rjust(widths[column]) if column in right else cell.ljust(widths[column])
            for column, cell in enumerate(row)
        ]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def one_sentence(text: str, most: int = 800) -> str:
    """``text`` on one line that can't move the cursor; of a very long one, beginning and end."""
    line = terminal_safe(" ".join(text.split()))
    return line if len(line) <= most else f"{line[: most // 2]} … {line[-most // 2 :]}"


def terminal_safe(text: str) -> str:
    """``text`` without control characters, so that nobody's words can move the cursor."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\ufffd" for c in text)
