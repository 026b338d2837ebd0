"""The fenced blocks and tables of the documents, with the marks that say how a test runs a block.

A mark is an HTML comment on the line before a ``sh`` block:

* ``<!-- run: interactive -->``: needs a terminal; ``; stand-in: COMMAND`` says what a test runs in its place.
* ``<!-- run: exit code N -->``: its last command ends with that code.
* ``<!-- run: by hand, REASON -->``: isn't run.

``<!-- run: before: COMMAND -->`` on a line of its own is a command that only the test needs. A ``text`` block right
after a ``sh`` block shows lines of what that prints; ``…`` stands for anything. The word after ``python`` is a file's
name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))

_PARTS = re.compile(
    r"^<!-- run: before: (?P<before>.+?) -->$"
    r"|^(?:<!-- run: (?P<mark>[^\n]+?) -->\n)?```(?P<kind>\w*) ?(?P<file>\S*)\n(?P<content>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """``kind``: the word after the fence, or ``before``. ``file``: what it is saved as. ``shows``: the text block that
    follows."""

    where: str
    kind: str
    content: str
    mark: str = ""
    file: str = ""
    shows: str = ""


def blocks(text: str, where: str) -> list[Block]:
    """Every fenced block and ``before`` mark of ``text``, in order. ``where``: its name, for messages."""
    found: list[Block] = []
    end = 0
    for part in _PARTS.finditer(text):
        is_next = found and not text[end : part.start()].strip()
        if part["kind"] == "text" and is_next and found[-1].kind == "sh":
            found[-1] = replace(found[-1], shows=part["content"])
        else:
            line = text.count("\n", 0, part.start()) + 1
            kind = "before" if part["before"] else part["kind"]
            content = part["before"] or part["content"]
            found.append(Block(f"{where}:{line}", kind, content, part["mark"] or "", part["file"] or ""))
        end = part.end()
    return found


def read(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def shell_blocks(document: str) -> list[Block]:
    return [block for block in blocks(read(document), document) if block.kind == "sh"]


def table(document: str, first_column: str) -> list[list[str]]:
    """The rows, without headers, of every table whose first column has that title."""
    return [row for header, *rows in _tables(read(document)) if header[0] == first_column for row in rows]


def _tables(text: str) -> Iterator[list[list[str]]]:
    for is_table, lines in groupby(text.splitlines(), lambda line: line.startswith("|")):
        if is_table:
            header, _rule, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
            yield [header, *rows]


def quoted(cell: str) -> list[str]:
    """What stands in backquotes in a cell."""
    return re.findall(r"`([^`]+)`", cell)
