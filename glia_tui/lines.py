"""Styled text without a terminal: what every part of the screen is made of.

A :class:`Row` is a paragraph of spans with a role each (``muted``, ``good``, ``researcher``...); :func:`wrap` lays it
out into :class:`Line` values of a given width. Roles get their colours from the theme when a line is painted
(:mod:`glia_tui.widgets.paper`), so that this module, and all that decides what is said, runs without Textual.

Text of a model, a tool or a design is data: it is cleaned by :func:`clean` and never read as markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias, get_args

from rich.cells import cell_len, chop_cells

Role: TypeAlias = Literal[
    "text", "muted", "strong", "accent", "good", "bad", "warn", "heading", "key", "code", "rule",
    "you", "researcher", "supervisor", "system",
    "keyword", "string", "comment", "number", "name",
    "added", "removed", "cursor", "chip",
    "candidate", "candidate-2", "baseline", "baseline-2",
]  # fmt: skip
ROLES: tuple[Role, ...] = get_args(Role)

_COLUMNS = re.compile(r"(?<=\S) {3,}(?=\S)")
_WORDS = re.compile(r"\s+|\S+")
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


class Span(NamedTuple):
    """``fill``: the role whose background it takes, where that isn't its line's."""

    text: str
    role: Role = "text"
    fill: Role = "text"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the screen. ``fill``: the role whose background the whole line takes, or ``text``."""

    spans: tuple[Span, ...] = ()
    fill: Role = "text"

    @property
    def plain(self) -> str:
        return "".join(span.text for span in self.spans)

    @property
    def width(self) -> int:
        """Terminal cells."""
        return cell_len(self.plain)


@dataclass(frozen=True, slots=True)
class Row:
    """A paragraph: ``spans`` without line breaks. Its first line starts at ``indent``, others at ``indent + hang``.

    ``lead`` stands before every line of it.
    """

    spans: tuple[Span, ...]
    indent: int = 0
    hang: int = 0
    fill: Role = "text"
    lead: tuple[Span, ...] = ()

    @property
    def plain(self) -> str:
        return "".join(span.text for span in (*self.lead, *self.spans))


def row(*parts: str | tuple[str, Role], indent: int = 0, hang: int = 0, fill: Role = "text") -> Row:
    """A row from strings (role ``text``) and ``(text, role)`` pairs."""
    spans = tuple(Span(part) if isinstance(part, str) else Span(*part) for part in parts)
    return Row(tuple(span for span in spans if span.text), indent, hang, fill)


def line(*parts: str | tuple[str, Role], fill: Role = "text") -> Line:
    """A line from strings (role ``text``) and ``(text, role)`` pairs."""
    return Line(row(*parts).spans, fill)


BLANK = Row(())


def hang_of(text: str) -> int:
    """Where the lines of ``text`` that don't fit go on: under its last column, if it is laid out in columns."""
    gaps = list(_COLUMNS.finditer(text))
    return gaps[-1].end() if gaps else 2


def clean(text: str) -> str:
    """``text`` with nothing in it that a terminal would act upon or that would hide other text.

    Control characters appear as their pictures (``␛``), invisible and direction-changing ones as ``‹U+202E›``; tabs
    are four spaces. Line breaks stay.
    """
    text = text.replace("\r\n", "\n").expandtabs(4)
    return _UNSAFE.sub(_picture, text)


def pictured(text: str) -> str:
    """``text`` as harmless as :func:`clean` makes it and character for character as long; tabs stay as well."""
    return _UNSAFE.sub(lambda match: picture if len(picture := _picture(match)) == 1 else "\ufffd", text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"‹U+{code:04X}›"


def one_line(text: str) -> str:
    """``text`` cleaned, on one line."""
    return " ".join(clean(text).split())


def elide(text: str, width: int) -> str:
    """``text`` cut to ``width`` cells, with an ellipsis where something is missing."""
    if cell_len(text) <= width:
        return text
    return chop_cells(text, width - 1)[0].rstrip() + "…" if width > 1 else "…"[:width]


def pad(text: str, width: int, align: Literal["left", "right"] = "left") -> str:
    """``text`` elided or filled up to ``width`` cells."""
    text = elide(text, width)
    space = " " * (width - cell_len(text))
    return text + space if align == "left" else space + text


def wrap(row: Row, width: int) -> list[Line]:
    """Lays out ``row`` in ``width`` cells: breaks at spaces, within a word only if it is wider than a line."""
    if row.lead:
        inner = wrap(replace(row, lead=()), width - Line(row.lead).width)
        return [Line((*row.lead, *line.spans), line.fill) for line in inner]
    width = max(width, 8)
    first, rest = " " * row.indent, " " * min(row.indent + row.hang, width * 2 // 3)
    if cell_len(row.plain) + row.indent <= width:
        return [Line((Span(first), *row.spans) if first else row.spans, row.fill)]
    lines: list[Line] = []
    current: list[Span] = [Span(first)] if first else []
    used = len(first)
    for word in _words(row.spans):
        size = sum(cell_len(span.text) for span in word)
        is_space = word[0].text.isspace()
        if used + size <= width:
            current += word
            used += size
            continue
        if is_space:
            continue
        start = len(rest)
        if used > start and _has_text(current):
            lines.append(Line(_trimmed(current), row.fill))
            current, used = [Span(rest)], start
        for piece in _chopped(word, width - start):
            if used + cell_len(piece.text) > width:
                lines.append(Line(_trimmed(current), row.fill))
                current, used = [Span(rest)], start
            current.append(piece)
            used += cell_len(piece.text)
    if _has_text(current) or not lines:
        lines.append(Line(_trimmed(current), row.fill))
    return lines


def wrap_all(rows: Iterable[Row], width: int) -> list[Line]:
    """The lines of several rows, one after another."""
    return [line for row in rows for line in wrap(row, width)]


def filled(line: Line, width: int) -> tuple[Span, ...]:
    """The spans of ``line`` over ``width`` cells, each with its fill: for a line that becomes part of another."""
    spans = [Span(span.text, span.role, line.fill) for span in line.spans]
    return (*spans, Span(" " * max(width - line.width, 0), "text", line.fill))


def _words(spans: Sequence[Span]) -> Iterable[list[Span]]:
    """Runs of spaces and of non-spaces; a word may go through several spans."""
    word: list[Span] = []
    for span in spans:
        for match in _WORDS.finditer(span.text):
            piece = Span(match.group(), span.role, span.fill)
            if word and (piece.text[0].isspace() != word[0].text[0].isspace()):
                yield word
                word = []
            word.append(piece)
    if word:
        yield word


def _chopped(word: Sequence[Span], width: int) -> Iterable[Span]:
    """The pieces of a word, none wider than ``width``."""
    for span in word:
        if cell_len(span.text) <= width:
            yield span
        else:
            yield from (Span(piece, span.role, span.fill) for piece in chop_cells(span.text, width))


def _has_text(spans: Sequence[Span]) -> bool:
    return any(not span.text.isspace() for span in spans if span.text)


def _trimmed(spans: list[Span]) -> tuple[Span, ...]:
    """Without spaces at the end."""
    while spans and spans[-1].text.isspace():
        spans.pop()
    return tuple(spans)
