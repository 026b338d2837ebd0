"""Workloads from files in the public formats.

``load_workload(path)`` guesses the format from the file's beginning. What a reader had to do to a file (sort it, skip
failures, estimate lengths) is said in the trace's ``notes``; what it can't use is refused with file, line and field.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from sim.errors import TraceFileError
from sim.names import hint
from sim.workload.columns import Ints
from sim.workload.loaders.json_formats import read_mooncake, read_sharegpt
from sim.workload.loaders.rows import LATEST_NS, Requests
from sim.workload.loaders.tables import READERS, guess_table

_READERS: dict[str, Callable[[Path], Requests]] = {**READERS, "mooncake": read_mooncake, "sharegpt": read_sharegpt}
FORMATS = tuple(sorted(_READERS))


@dataclass(frozen=True, slots=True)
class LoadedTrace:
    """n requests of a file, in order of arrival: int64[n] each.

    ``arrival_ns``: None if the format has no times. ``session``: -1 for none, None if the format has none.
    ``blocks``: per request the recorded hashes of its prompt's full blocks of ``block_tokens`` tokens, or None.
    ``notes``: what was done to the file, in words. ``sha256``: of its bytes.
    """

    path: str
    format: str
    sha256: str
    prompt_tokens: Ints
    output_tokens: Ints
    arrival_ns: Ints | None
    session: Ints | None
    blocks: tuple[tuple[int, ...], ...] | None
    block_tokens: int
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.prompt_tokens)


def load_workload(path: str, format: str | None = None) -> LoadedTrace:
    """The requests of the file at ``path``. Raises TraceFileError, which names file, line and field."""
    file = _checked(path)
    if format is None:
        format = _guess(file)
    if format not in _READERS:
        raise TraceFileError(f"There is no trace format {format!r}; {hint(format, FORMATS)}")
    try:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return _read(path, format, digest)
    except OSError as error:
        raise _unreadable(path, error.strerror or "it can't be read") from error


@lru_cache(maxsize=1)
def _read(path: str, format: str, digest: str) -> LoadedTrace:
    """Kept, because a scenario with a file is checked first and run then: its bytes decide, not its name alone."""
    found = _READERS[format](Path(path))
    if not found.prompt_tokens:
        raise TraceFileError(f"{path} holds no request; is it the right file?")
    return _in_order(path, format, digest, found)


def _checked(path: str) -> Path:
    """A pipe or a device, which may never end, isn't read."""
    try:
        file = Path(path)
        if file.stat() and not file.is_file():
            raise _unreadable(path, "it isn't a file")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "that is no path"
        raise _unreadable(path, reason) from error
    return file


def _unreadable(path: str, reason: str) -> TraceFileError:
    return TraceFileError(f"Can't read the trace {path!r}: {reason}.")


def _guess(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            beginning = opened.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError as error:
        raise _unreadable(str(file), error.strerror or "it can't be read") from error
    if not beginning:
        raise TraceFileError(f"{file} is empty.")
    if beginning[:2] == b"\x1f\x8b":
        raise TraceFileError(f"{file} is compressed; unpack it first.")
    if b"\x00" in beginning:
        raise TraceFileError(f"{file} isn't UTF-8 text; convert it first.")
    if beginning[:1] == b"[":
        return "sharegpt"
    return "mooncake" if beginning[:1] == b"{" else guess_table(beginning.split(b"\n")[0], file)


def _in_order(path: str, format: str, digest: str, found: Requests) -> LoadedTrace:
    notes = [*found.notes, *(_skipped(count, what) for what, count in found.skipped.items())]
    columns = {
        "arrival_ns": _column(found.arrival_ns),
        "prompt_tokens": _column(found.prompt_tokens),
        "output_tokens": _column(found.output_tokens),
        "session": _column(found.session),
    }
    blocks = found.blocks
    arrival = columns["arrival_ns"]
    if arrival is not None:
        late = int(np.sum(arrival < np.maximum.accumulate(arrival)))
        if late:
            order = np.argsort(arrival, kind="stable")
            columns = {name: None if column is None else column[order] for name, column in columns.items()}
            blocks = [blocks[place] for place in order.tolist()] if blocks else blocks
            notes.append(f"sorted {late:,} {_plural(late, 'arrival')} that came after a later one")
        if not found.relative and (sorted_ns := columns["arrival_ns"]) is not None:
            columns["arrival_ns"] = _from_zero(path, sorted_ns)
    prompt, output = columns["prompt_tokens"], columns["output_tokens"]
    assert prompt is not None
    assert output is not None
    return LoadedTrace(
        path=path,
        format=format,
        sha256=digest,
        prompt_tokens=prompt,
        output_tokens=output,
        arrival_ns=columns["arrival_ns"],
        session=columns["session"],
        blocks=tuple(blocks) if blocks else None,
        block_tokens=found.block_tokens,
        notes=tuple(notes),
    )


def _from_zero(path: str, sorted_ns: Ints) -> Ints:
    """Times of a calendar, counted from the first."""
    if int(sorted_ns[-1]) - int(sorted_ns[0]) > LATEST_NS:
        raise TraceFileError(
            f"{path}: its last TIMESTAMP is more than 31 years after its first; correct or remove the line that is far "
            "off."
        )
    counted: Ints = sorted_ns - sorted_ns[0]
    return counted


def _column(values: object) -> Ints | None:
    """Not to be written to: it may be read again."""
    column = np.array(values, dtype=np.int64)
    column.flags.writeable = False
    return column if len(column) else None


def _skipped(count: int, what: str) -> str:
    return f"skipped {count:,} {_plural(count, what)}"


def _plural(count: int, what: str) -> str:
    """The first word of a description is what there are several of."""
    first, *rest = what.split(" ")
    return what if count == 1 else " ".join([f"{first}s", *rest])
