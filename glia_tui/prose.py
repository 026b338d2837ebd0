"""An agent's prose as rows: paragraphs, headings, lists, code fences, and inline code and emphasis.

A small reading of Markdown on purpose. A reply is drawn many times while it streams, and a general Markdown
widget costs tens of milliseconds for each piece of text and mounts a widget for each block; here a reply is laid
out in about a millisecond, and what isn't understood is shown as it was written.
"""

from __future__ import annotations

import re

from glia_tui.lines import BLANK, Row, Span, clean, hang_of
from glia_tui.source_code import highlight

_FENCE = re.compile(r"^\s*(```|~~~)\s*(\w*)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
_ITEM = re.compile(r"^(\s*)([-*+•]|\d{1,3}[.)])\s+(.*)$")
_INLINE = re.compile(r"(`[^`]+`|\*\*[^*]+\*\*|(?<![\w*])\*[^*\s][^*]*\*(?![\w*]))")


def prose(text: str) -> list[Row]:
    """The rows of ``text``; its plain lines where it can't be laid out, because no text may end the app."""
    try:
        return _read(text)
    except Exception:
        return [Row((Span(plain),)) for plain in clean(text).strip("\n").split("\n")]


def _read(text: str) -> list[Row]:
    """Line breaks are kept: an agent that breaks a line means it."""
    rows: list[Row] = []
    fence: list[str] | None = None
    language = ""
    for source_line in clean(text).strip("\n").split("\n"):
        mark = _FENCE.match(source_line)
        if fence is None and mark:
            fence, language = [], mark.group(2)
        elif fence is not None and mark:
            rows += _code(fence, language)
            fence = None
        elif fence is not None:
            fence.append(source_line)
        elif source_line.strip():
            rows.append(_block(source_line))
        elif rows and rows[-1].spans:
            rows.append(BLANK)
    if fence is not None:
        rows += _code(fence, language)
    while rows and not rows[-1].spans:
        rows.pop()
    return rows


def _block(text: str) -> Row:
    """A heading, a list item, a table row or a line of a paragraph."""
    if heading := _HEADING.match(text):
        return Row((Span(heading.group(1), "strong"),))
    if item := _ITEM.match(text):
        mark = "•" if item.group(2) in "-*+•" else item.group(2)
        return Row((Span(f"{mark} ", "muted"), *_inline(item.group(3))), len(item.group(1)), len(mark) + 1)
    if text.lstrip().startswith("|"):
        return Row((Span(text.rstrip()),))
    return Row(_inline(text.strip()))


def _inline(text: str) -> tuple[Span, ...]:
    spans: list[Span] = []
    for part in _INLINE.split(text):
        if len(part) > 2 and part[0] == part[-1] == "`":
            spans.append(Span(part[1:-1], "code"))
        elif len(part) > 4 and part.startswith("**"):
            spans.append(Span(part[2:-2], "strong"))
        elif len(part) > 2 and part[0] == part[-1] == "*":
            spans.append(Span(part[1:-1], "strong"))
        elif part:
            spans.append(Span(part))
    return tuple(spans)


def _code(lines: list[str], language: str) -> list[Row]:
    if not lines:
        return []  # a fence that has just been opened while the text streams
    body: list[tuple[Span, ...]] = [(Span(text, "code"),) for text in lines]
    if language in ("", "python", "py"):
        coloured = highlight("\n".join(lines))
        body = coloured if len(coloured) == len(lines) else body
    bar = (Span("│ ", "rule"),)
    return [Row(spans, 0, hang_of(text), lead=bar) for text, spans in zip(lines, body, strict=True)]
