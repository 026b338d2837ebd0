"""What a workload is: one row per request, in integers, with a digest that names it."""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Content = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """n requests in order of arrival: int64[n] each; ``sha256`` over the columns that are there, little-endian.

    ``priority`` (lower is more urgent), ``session`` (-1: none) and ``ttft_slo_ns`` (-1: none) are None if no request
    has one. ``content``: per request the ids of the full blocks of ``content_block_tokens`` tokens of its prompt and
    output; an id stands for its block and all before it (see docs/simulator-rules.md, Prefix caching). Policies see
    those of prompts, so the ids say nothing else: see :func:`_renumbered`.
    """

    arrival_ns: Ints
    prompt_tokens: Ints
    output_tokens: Ints
    sha256: str
    priority: Ints | None = None
    session: Ints | None = None
    ttft_slo_ns: Ints | None = None
    content: Content | None = None
    content_block_tokens: int = 0

    def __len__(self) -> int:
        return len(self.arrival_ns)


def make_workload(
    arrival_ns: Ints,
    prompt_tokens: Ints,
    output_tokens: Ints,
    *,
    priority: Ints | None = None,
    session: Ints | None = None,
    ttft_slo_ns: Ints | None = None,
    content: Content | None = None,
    content_block_tokens: int = 0,
) -> Workload:
    """A workload of the given columns, with its digest. Raises ValueError for columns that make no workload.

    A column that is None adds nothing to the digest: a workload that never had it keeps its name. Equal ids of
    ``content`` stay equal and different ones different; what numbers they are is settled here.
    """
    columns = [_little_endian(column) for column in (arrival_ns, prompt_tokens, output_tokens)]
    given = {"priority": priority, "session": session, "ttft_slo_ns": ttft_slo_ns}
    optional = {name: _little_endian(column) for name, column in given.items() if column is not None}
    _check(columns, optional, content, content_block_tokens)
    if content is not None:
        content = _renumbered(content, columns[1] // content_block_tokens)
    digest = hashlib.sha256(len(columns[0]).to_bytes(8, "little"))
    for column in columns:
        digest.update(column.tobytes())
    for name, column in optional.items():
        digest.update(name.encode() + column.tobytes())
    if content is not None:
        digest.update(b"content" + content_block_tokens.to_bytes(8, "little"))
        for ids in content:
            digest.update(_counted(ids))
    arrival, prompt, output = (column.astype(np.int64) for column in columns)
    more = {name: column.astype(np.int64) for name, column in optional.items()}
    return Workload(
        arrival,
        prompt,
        output,
        digest.hexdigest(),
        more.get("priority"),
        more.get("session"),
        more.get("ttft_slo_ns"),
        content,
        content_block_tokens,
    )


class _Numbers(dict[int, int]):
    """From 0 in the order in which they are asked for."""

    def __missing__(self, content_id: int) -> int:
        self[content_id] = number = len(self)
        return number


def _renumbered(content: Content, prompt_blocks: Ints) -> Content:
    """The same content, its ids counted from 0 in the order in which prompts show them, by arrival.

    Any numbering by how a workload is built tells policies of blocks that they don't see: a gap before the next
    request's ids is the length of an output, or of turns to come. Here the ids of what has arrived follow from it
    alone; what no prompt ever shows comes last. ``prompt_blocks``: full blocks of every prompt.
    """
    numbers = _Numbers()
    number_of = numbers.__getitem__
    for ids, shown in zip(content, prompt_blocks.tolist(), strict=True):
        deque(map(number_of, ids[:shown]), maxlen=0)
    return tuple([tuple(map(number_of, ids)) for ids in content])


def _little_endian(column: Ints) -> Ints:
    return np.ascontiguousarray(column, dtype="<i8")


def _counted(ids: tuple[int, ...]) -> array[int]:
    """How many there are, then the ids, as little-endian int64."""
    column = array("q", (len(ids), *ids))
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _check(
    columns: Sequence[Ints], optional: dict[str, Ints], content: Content | None, content_block_tokens: int
) -> None:
    lengths = {len(column) for column in (*columns, *optional.values())}
    if content is not None:
        lengths.add(len(content))
    if len(lengths) != 1:
        raise ValueError("The columns of a workload must have the same length.")
    if any(len(column) and column.min() < low for column, low in zip(columns, (0, 1, 1), strict=True)):
        raise ValueError("Arrivals must not be negative, and every request needs prompt and output tokens.")
    if np.any(np.diff(columns[0]) < 0):
        raise ValueError("Requests must be in order of arrival.")
    if any(np.any(optional[name] < -1) for name in ("session", "ttft_slo_ns") if name in optional):
        raise ValueError("Sessions and SLOs are numbers from 0 up, or -1 for none.")
    if content is not None:
        _check_content(columns[1] + columns[2], content, content_block_tokens)


def _check_content(tokens: Ints, content: Content, content_block_tokens: int) -> None:
    if content_block_tokens < 1:
        raise ValueError("Content ids need the number of tokens that each stands for.")
    counts = np.fromiter(map(len, content), dtype=np.int64, count=len(content))
    if np.any(counts != tokens // content_block_tokens):
        raise ValueError("A request needs one content id for every full block of its prompt and output.")
