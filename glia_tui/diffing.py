"""What changed between two sources: its size, and its lines, unified or side by side."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from glia_tui.lines import Line, Role, Row, Span, clean, filled, wrap
from glia_tui.source_code import highlight

Mark = Literal["+", "-", " "]
_CONTEXT = 3
_MOST_COMPARED = 1_000_000
"""Pairs of lines that are compared for a size: about 0.1 s."""


@dataclass(frozen=True, slots=True)
class Size:
    """Lines added and removed."""

    added: int
    removed: int

    def __str__(self) -> str:
        return f"+{self.added} −{self.removed}" if self.added or self.removed else "no change"


@dataclass(frozen=True, slots=True)
class _Side:
    """One source, split and highlighted."""

    text: list[str]
    spans: list[tuple[Span, ...]]


@dataclass(frozen=True, slots=True)
class _Pair:
    """A left and a right line number (from 0), or ``None`` where a side has none."""

    left: int | None
    right: int | None
    same: bool


def diff_size(old: str, new: str) -> Size:
    """How many lines ``new`` adds to and removes from ``old``.

    Quick enough to follow typing: where thousands of lines differ, the whole stretch counts as replaced.
    """
    added = removed = 0
    left, right = _without_common_ends(clean(old).splitlines(), clean(new).splitlines())
    if len(left) * len(right) > _MOST_COMPARED:
        return Size(len(right), len(left))
    for tag, i1, i2, j1, j2 in _opcodes(left, right):
        if tag != "equal":
            added, removed = added + j2 - j1, removed + i2 - i1
    return Size(added, removed)


def unified(old: str, new: str, width: int) -> list[Line]:
    """The changes with three lines of context, in ``width`` cells; ``+`` and ``−`` always stand in the margin."""
    left, right = _side(old), _side(new)
    lines: list[Line] = []
    for hunk in _hunks(left.text, right.text):
        if lines:
            lines.append(Line((Span("  ⋯", "muted"),)))
        for pair in hunk:
            if pair.same and pair.right is not None:
                lines += _cell(right, pair.right, " ", width)
                continue
            if pair.left is not None:
                lines += _cell(left, pair.left, "-", width)
            if pair.right is not None:
                lines += _cell(right, pair.right, "+", width)
    return lines or [Line((Span("The sources are the same.", "muted"),))]


def side_by_side(old: str, new: str, width: int) -> list[Line]:
    """The changes in two columns, old on the left, in ``width`` cells altogether."""
    left, right = _side(old), _side(new)
    half = (width - 1) // 2
    lines: list[Line] = []
    for hunk in _hunks(left.text, right.text):
        if lines:
            lines.append(Line((Span("  ⋯", "muted"),)))
        for pair in _paired(hunk):
            a = _cell(left, pair.left, " " if pair.same else "-", half)
            b = _cell(right, pair.right, " " if pair.same else "+", half)
            lines += [_join(x, y, half) for x, y in zip_longest(a, b, fillvalue=Line())]
    return lines or [Line((Span("The sources are the same.", "muted"),))]


def whole(source: str, width: int) -> list[Line]:
    """A whole source with line numbers."""
    side = _side(source)
    return [line for number in range(len(side.text)) for line in _cell(side, number, " ", width)]


def _side(source: str) -> _Side:
    text = clean(source).rstrip("\n").split("\n") if source else []
    return _Side(text, highlight("\n".join(text)) if text else [])


def _without_common_ends(old: list[str], new: list[str]) -> tuple[list[str], list[str]]:
    """What is left without the lines both begin and end with."""
    short = min(len(old), len(new))
    start = next((n for n in range(short) if old[n] != new[n]), short)
    end = next((n for n in range(short - start) if old[-1 - n] != new[-1 - n]), short - start)
    return old[start : len(old) - end], new[start : len(new) - end]


def _opcodes(old: list[str], new: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    return difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def _hunks(old: list[str], new: list[str]) -> Iterator[list[_Pair]]:
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        pairs: list[_Pair] = []
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                pairs += [_Pair(i, j, True) for i, j in zip(range(i1, i2), range(j1, j2), strict=True)]
            else:
                pairs += [_Pair(i, None, False) for i in range(i1, i2)]
                pairs += [_Pair(None, j, False) for j in range(j1, j2)]
        yield pairs


def _paired(pairs: list[_Pair]) -> Iterator[_Pair]:
    """Puts removed and added lines of one change next to each other."""
    lefts: list[int] = []
    rights: list[int] = []
    for pair in [*pairs, _Pair(None, None, True)]:
        if not pair.same:
            if pair.left is not None:
                lefts.append(pair.left)
            if pair.right is not None:
                rights.append(pair.right)
            continue
        for number in range(max(len(lefts), len(rights))):
            left = lefts[number] if number < len(lefts) else None
            yield _Pair(left, rights[number] if number < len(rights) else None, False)
        lefts, rights = [], []
        if pair.left is not None:
            yield pair


def _cell(side: _Side, number: int | None, mark: Mark, width: int) -> list[Line]:
    """One source line with its number and mark, wrapped under itself; nothing where the side has no line."""
    if number is None:
        return []
    fills: dict[Mark, Role] = {"+": "added", "-": "removed", " ": "text"}
    fill = fills[mark]
    sign = "−" if mark == "-" else mark
    margin = (Span(f"{number + 1:>4} ", "muted"), Span(f"{sign} ", "strong"))
    return wrap(Row((*margin, *side.spans[number]), hang=7, fill=fill), width)


def _join(left: Line, right: Line, half: int) -> Line:
    """Two cells next to each other, each with its own background."""
    return Line((*filled(left, half), Span("│", "rule"), *filled(right, half)))
