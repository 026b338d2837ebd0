"""Readers of the CSV formats: Azure's, BurstGPT's and Vidur's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

from sim.api import NS_PER_S
from sim.errors import TraceFileError
from sim.workload.loaders.rows import BadField, Requests, complaint, table, time_ns, tokens

_DAY_S = 86_400


def read_azure(path: Path) -> Requests:
    """Azure's LLM inference traces (2023, 2024 and the multimodal one of 2025): a time of day and two lengths."""
    found = Requests(relative=False)
    clock = _Clock()
    names = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
    rows = table(path, names, ("NumImages",))
    _, present = next(rows)
    if present:
        found.notes.append("images aren't modelled: only their requests' text tokens count")
    for line, (when, prompt, output, *_) in rows:
        try:
            name, raw = names[0], when
            found.arrival_ns.append(clock.ns(when))
            name, raw = names[1], prompt
            found.prompt_tokens.append(tokens(prompt))
            name, raw = names[2], output
            found.output_tokens.append(tokens(output))
        except BadField as problem:
            raise complaint(path, line, name, raw, problem) from None
    return found


class _Clock:
    """Reads ``2023-11-16 18:17:03.9799600``, with or without an offset from UTC; remembers the last day."""

    def __init__(self) -> None:
        self._day = b""
        self._day_s = 0

    def ns(self, raw: bytes) -> int:
        """Nanoseconds since the year 2000 began. Raises BadField."""
        try:
            seconds, _, fraction = raw[17:].partition(b".")
            fraction, offset_s = _without_offset(fraction)
            if raw[:10] != self._day:
                day = date.fromisoformat(raw[:10].decode())
                if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
                    raise BadField(f"isn't in the years {_FIRST_YEAR} to {_LAST_YEAR}; correct or remove the line")
                self._day, self._day_s = raw[:10], day.toordinal() * _DAY_S
            if raw[10:11] not in (b" ", b"T") or raw[13:14] != b":" or raw[16:17] != b":":
                raise ValueError
            if not (raw[11:13] + raw[14:16] + seconds[:2]).isdigit():
                raise ValueError
            hour, minute, second = int(raw[11:13]), int(raw[14:16]), int(seconds[:2])
            if hour > 23 or minute > 59 or second > 60 or len(seconds) < 2:
                raise ValueError
            digits = int(fraction[:9].ljust(9, b"0")) if fraction else 0
        except ValueError:
            raise BadField("is no time like 2023-11-16 18:17:03.9799600; correct or remove the line") from None
        return (self._day_s + hour * 3600 + minute * 60 + second - offset_s - _EPOCH_S) * NS_PER_S + digits


_EPOCH_S = date(2000, 1, 1).toordinal() * _DAY_S
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
"""Nanoseconds since 2000 fit 64 bits in all of them."""


def _without_offset(fraction: bytes) -> tuple[bytes, int]:
    """The digits of a fraction and the offset from UTC behind them, in s."""
    if fraction.isdigit() or not fraction:
        return fraction, 0
    digits = fraction[: len(fraction) - len(fraction.lstrip(b"0123456789"))]
    behind = datetime.fromisoformat(f"2000-01-01 00:00:00{fraction[len(digits) :].decode()}").utcoffset()
    if behind is None:
        raise ValueError
    return digits, round(behind.total_seconds())


def read_burstgpt(path: Path) -> Requests:
    """BurstGPT: seconds, two lengths, from its second version on a session; no response tokens is a failure."""
    found = Requests(relative=False)
    names = ("Timestamp", "Request tokens", "Response tokens")
    rows = table(path, names, ("Session ID",))
    _, present = next(rows)
    numbers: dict[bytes, int] = {}
    for line, (when, prompt, output, *session) in rows:
        try:
            name, raw = names[2], output
            if output.strip() in (b"0", b"0.0"):
                found.skipped["failure with 0 response tokens"] += 1
                continue
            found.output_tokens.append(tokens(output))
            name, raw = names[1], prompt
            found.prompt_tokens.append(tokens(prompt))
            name, raw = names[0], when
            found.arrival_ns.append(time_ns(when))
        except BadField as problem:
            raise complaint(path, line, name, raw, problem) from None
        if present:
            key = session[0].strip()
            found.session.append(numbers.setdefault(key, len(numbers)) if key else -1)
    return found


def read_vidur(path: Path) -> Requests:
    """Vidur's: a table of lengths (``num_prefill_tokens``, ``num_decode_tokens``), with or without ``arrived_at``."""
    found = Requests()
    names = ("num_prefill_tokens", "num_decode_tokens")
    rows = table(path, names, ("arrived_at",))
    _, present = next(rows)
    for line, (prompt, output, *when) in rows:
        try:
            name, raw = names[0], prompt
            found.prompt_tokens.append(tokens(prompt))
            name, raw = names[1], output
            found.output_tokens.append(tokens(output))
            if present:
                name, raw = "arrived_at", when[0]
                found.arrival_ns.append(time_ns(raw))
        except BadField as problem:
            raise complaint(path, line, name, raw, problem) from None
    return found


READERS: dict[str, Callable[[Path], Requests]] = {
    "azure": read_azure,
    "burstgpt": read_burstgpt,
    "vidur": read_vidur,
}
_MARKS = {"azure": "ContextTokens", "burstgpt": "Request tokens", "vidur": "num_prefill_tokens"}
"""A column that only this format has."""


def guess_table(header: bytes, path: Path) -> str:
    """Which CSV format has that first line. Raises TraceFileError."""
    columns = [name.strip().strip('"') for name in header.decode("utf-8", "replace").split(",")]
    for name, mark in _MARKS.items():
        if mark in columns:
            return name
    raise TraceFileError(
        f"{path}: its first line is of no known format; azure has TIMESTAMP,ContextTokens,GeneratedTokens, burstgpt "
        "Timestamp,…,Request tokens,Response tokens, vidur num_prefill_tokens,num_decode_tokens, mooncake lines of "
        "JSON, sharegpt a JSON list."
    )
