"""Lines, fields and numbers of trace files: read once, in bounded memory, and refused with their place."""

from __future__ import annotations

import csv
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path

from sim.api import NS_PER_S
from sim.errors import TraceFileError
from sim.workload.lengths import LONGEST_TOKENS

MAX_LINE_BYTES = 1_000_000
MAX_REQUESTS = 10_000_000
"""More don't fit the memory of one evaluation."""
LATEST_NS = 10**18
"""31 years: what is later is a number of something else."""


class BadField(Exception):
    """What is wrong with a field's value, to be said after its place."""


@dataclass(slots=True)
class Requests:
    """What a reader has found so far. ``arrival_ns`` stays empty for formats without times."""

    arrival_ns: array[int] = field(default_factory=lambda: array("q"))
    prompt_tokens: array[int] = field(default_factory=lambda: array("q"))
    output_tokens: array[int] = field(default_factory=lambda: array("q"))
    session: array[int] = field(default_factory=lambda: array("q"))
    blocks: list[tuple[int, ...]] = field(default_factory=list)
    block_tokens: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    relative: bool = True
    """Whether times count from the record's beginning; those of a calendar are moved there."""


def place(path: Path, line: int) -> str:
    return f"{path}, line {line}"


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and stripped text of every line that isn't empty."""
    count = 0
    with path.open("rb") as file:
        while text := file.readline(MAX_LINE_BYTES + 1):
            count += 1
            if len(text) > MAX_LINE_BYTES:
                raise TraceFileError(
                    f"{place(path, count)}: longer than {MAX_LINE_BYTES:,} bytes; no format has such lines: is this "
                    "the right file?"
                )
            if count > MAX_REQUESTS + 1:
                raise TraceFileError(f"{path} has more than {MAX_REQUESTS:,} requests; take a part of it.")
            if stripped := text.strip():
                yield count, stripped


def table(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> Iterator[tuple[int, list[bytes]]]:
    """Line number and the needed, then the optional columns of every row; columns may come in any order.

    First comes (0, the optional columns that there are, as bytes): a missing one has no field in the rows.
    """
    rows = lines(path)
    number, first = next(rows, (0, b""))
    first = utf8(first.removeprefix(b"\xef\xbb\xbf"), path, number)
    header = [name.decode().strip() for name in _fields(first, path, number)]
    missing = [name for name in needed if name not in header]
    if missing:
        raise TraceFileError(f"{path} has no column {missing[0]!r} in its first line; its columns are {_list(header)}.")
    present = [name for name in optional if name in header]
    yield 0, [name.encode() for name in present]
    places = [header.index(name) for name in (*needed, *present)]
    wanted = max(places)
    for number, text in rows:
        fields = _fields(text, path, number) if b'"' in text else text.split(b",")
        if len(fields) <= wanted:
            raise TraceFileError(
                f"{place(path, number)}: {len(fields)} fields where the first line has {len(header)} columns; complete "
                "or remove the line."
            )
        yield number, [fields[at] for at in places]


def utf8(text: bytes, path: Path, line: int) -> bytes:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        raise TraceFileError(f"{place(path, line)}: not UTF-8 text; convert the file, or unpack it first.") from None
    return text


def _fields(text: bytes, path: Path, line: int) -> list[bytes]:
    if b"\r" in text:
        raise TraceFileError(
            f"{place(path, line)}: a carriage return inside of the line; end lines with line feeds (\\n) alone."
        )
    decoded = text.decode("utf-8", "replace")
    try:
        return [value.encode() for value in next(csv.reader([decoded]), [])]
    except csv.Error as error:
        raise TraceFileError(f"{place(path, line)}: no CSV ({error}); correct or remove the line.") from None


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(name[:30] for name in names[:12])
    return shown or "none"


def tokens(raw: bytes) -> int:
    """A number of tokens, at least 1. Raises BadField."""
    if raw.isdigit() and len(raw) < 8 and (count := int(raw)):
        return count
    value = _decimal(raw)
    if value < 0:
        raise BadField("is negative; correct or remove the line")
    if value != value.to_integral_value():
        raise BadField("is no whole number of tokens; correct or remove the line")
    return whole_tokens(int(value))


def whole_tokens(count: int) -> int:
    if count < 1:
        raise BadField("means no tokens, and a request needs one at least; remove the line")
    if count > LONGEST_TOKENS:
        raise BadField(f"is more than {LONGEST_TOKENS:,} tokens, which no model reads; correct or remove the line")
    return count


def time_ns(raw: bytes) -> int:
    """A time in seconds from 0 up, in ns, halves rounded up. Raises BadField."""
    whole, _, fraction = raw.partition(b".")
    if whole.isdigit() and len(whole) < 9 and fraction.isdigit():
        return int(whole) * NS_PER_S + int(fraction[:9].ljust(9, b"0")) + (fraction[9:10] >= b"5")
    value = _decimal(raw)
    if value < 0:
        raise BadField("is negative; times count from 0 up: correct or remove the line")
    if value * NS_PER_S > LATEST_NS:
        raise BadField("is more than 31 years after the beginning; correct or remove the line")
    return int((value * NS_PER_S).to_integral_value(ROUND_HALF_UP))


def _decimal(raw: bytes) -> Decimal:
    if not raw.strip():
        raise BadField("is empty; complete or remove the line")
    try:
        value = Decimal(raw.decode("ascii").strip())
    except (UnicodeDecodeError, InvalidOperation):
        raise BadField("is no number; correct or remove the line") from None
    if not value.is_finite() or b"_" in raw:
        raise BadField("is no number; correct or remove the line")
    if value.adjusted() > 40:
        raise BadField("is absurdly large; correct or remove the line")
    return value


def complaint(path: Path, line: int, name: str, raw: object, problem: BadField) -> TraceFileError:
    """The error for a field's value, None if there is none."""
    if raw is None:
        return TraceFileError(f"{place(path, line)}: {name} {problem}.")
    shown = repr(raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw)
    return TraceFileError(f"{place(path, line)}: {name}: {_short(shown)} {problem}.")


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
