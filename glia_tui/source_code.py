"""Python source as styled lines, for designs, diffs and code in replies."""

from __future__ import annotations

from collections.abc import Container, Sequence

from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]
from pygments.token import Comment, Keyword, Name, Number, Operator, String  # type: ignore[import-untyped]

from glia_tui.lines import Role, Span, clean

_ROLES: Sequence[tuple[Container[object], Role]] = (
    (Comment, "comment"),
    (String.Doc, "comment"),
    (String, "string"),
    (Number, "number"),
    (Keyword, "keyword"),
    (Operator.Word, "keyword"),
    (Name.Function, "name"),
    (Name.Class, "name"),
    (Name.Decorator, "name"),
)


def highlight(source: str) -> list[tuple[Span, ...]]:
    """The spans of each line of ``source``; as many lines as ``source.split("\\n")`` after cleaning."""
    lines: list[list[Span]] = [[]]
    for token, text in PythonLexer(stripnl=False, ensurenl=False).get_tokens(clean(source)):
        role = _role(token)
        for number, part in enumerate(text.split("\n")):
            if number:
                lines.append([])
            if part:
                lines[-1].append(Span(part, role))
    return [tuple(spans) for spans in lines]


def ranges(source: str) -> list[list[tuple[int, int, Role]]]:
    """The coloured ranges ``(start, end, role)`` of each line of ``source``, in characters; lines end with ``\\n``."""
    lines: list[list[tuple[int, int, Role]]] = [[]]
    column = 0
    for _, token, text in PythonLexer().get_tokens_unprocessed(source):
        role = _role(token)
        for number, part in enumerate(text.split("\n")):
            if number:
                lines.append([])
                column = 0
            if part and role != "text":
                lines[-1].append((column, column + len(part), role))
            column += len(part)
    return lines


def _role(token: object) -> Role:
    return next((role for kind, role in _ROLES if token in kind), "text")
