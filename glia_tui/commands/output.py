"""What every command shares: exit codes, JSON, narration, tables, and the sentence an error ends in."""

from __future__ import annotations

import enum
import json
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
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def narrate(text: str, *, end: str = "\n") -> None:
    """A line for people, on stderr."""
    sys.stderr.write(text + end)
    sys.stderr.flush()


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


def terminal_safe(text: str) -> str:
    """``text`` without control characters, so that nobody's words can move the cursor."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\ufffd" for c in text)
