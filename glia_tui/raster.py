"""Curves as characters: braille dots, half blocks or plain letters.

Each pixel column shows the minimum and the maximum of its samples and is joined to its neighbours, so that a spike
of a single sample is always seen, however many samples share the column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glia_tui.lines import Role

Symbols = Literal["braille", "block", "ascii"]
Array = NDArray[np.float64]
_DOTS = {"braille": (4, 2), "block": (2, 1), "ascii": (1, 1)}
_BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint32)
_BLOCKS = np.array([0x20, 0x2580, 0x2584, 0x2588], dtype=np.uint32)  # " ▀▄█" by upper + 2 · lower
_EMPTY = -1


@dataclass(frozen=True, slots=True)
class Curve:
    """``letter`` names it in the chart, ``role`` colours it, ``dotted`` tells it apart without colour.

    ``x`` rises; NaN in ``y`` is a gap.
    """

    letter: str
    role: Role
    x: Array
    y: Array
    dotted: bool = False


@dataclass(frozen=True, slots=True)
class Raster:
    """``rows``: the text of each row of cells. ``owners``: per cell the index of the curve that colours it, or -1."""

    rows: list[str]
    owners: NDArray[np.int8]


def rasterise(
    curves: Sequence[Curve], x_end: float, y_end: float, width: int, height: int, symbols: Symbols = "braille"
) -> Raster:
    """Draws ``curves`` (the last one in front) over 0..``x_end`` × 0..``y_end`` in ``width`` × ``height`` cells."""
    down, across = _DOTS[symbols]
    owners = np.full((height, width), _EMPTY, dtype=np.int8)
    dots = np.zeros((height * down, width * across), dtype=bool)
    letters = np.full((height, width), ord(" "), dtype=np.uint32)
    for index, curve in enumerate(curves):
        grid = _grid(curve, x_end, y_end, width * across, height * down)
        if curve.dotted:
            grid[:, np.arange(grid.shape[1]) % (2 * across) >= across] = False
        cells = grid.reshape(height, down, width, across).any(axis=(1, 3))
        owners[cells] = index
        letters[cells] = ord(curve.letter)
        dots |= grid
    if symbols == "ascii":
        codes = letters
    elif symbols == "block":
        halves = dots.reshape(height, 2, width).astype(np.uint32)
        codes = _BLOCKS[halves[:, 0] + 2 * halves[:, 1]]
    else:
        bits = dots.reshape(height, 4, width, 2).astype(np.uint32)
        codes = np.einsum("hdwa,da->hw", bits, _BRAILLE) + 0x2800
        codes[owners == _EMPTY] = ord(" ")
    return Raster([row.astype("<u4").tobytes().decode("utf-32-le") for row in codes], owners)


def column_ranges(x: Array, y: Array, x_end: float, columns: int) -> tuple[Array, Array]:
    """The lowest and highest value in each pixel column of 0..``x_end``; NaN where the curve isn't."""
    low = np.full(columns, np.nan)
    high = np.full(columns, np.nan)
    known = np.isfinite(y)
    x, y = x[known], y[known]
    if x.size == 0 or x_end <= 0:
        return low, high
    edges = np.linspace(0.0, x_end, columns + 1)
    starts = np.searchsorted(x, edges[:-1], side="left")
    upto = int(np.searchsorted(x, x_end, side="right"))
    has_samples = np.diff(np.append(starts, upto)) > 0
    samples = y[:upto]
    low[has_samples] = np.minimum.reduceat(np.append(samples, np.inf), starts)[has_samples]
    high[has_samples] = np.maximum.reduceat(np.append(samples, -np.inf), starts)[has_samples]
    at_edges = np.interp(edges, x, y, left=np.nan, right=np.nan)
    low = np.fmin(low, np.fmin(at_edges[:-1], at_edges[1:]))
    high = np.fmax(high, np.fmax(at_edges[:-1], at_edges[1:]))
    return low, high


def _grid(curve: Curve, x_end: float, y_end: float, columns: int, rows: int) -> NDArray[np.bool_]:
    low, high = column_ranges(curve.x, curve.y, x_end, columns)
    drawn = np.isfinite(low)
    scale = (rows - 1) / y_end if y_end > 0 else 0.0
    bottom = rows - 1 - np.rint(np.clip(np.where(drawn, low, 0.0) * scale, 0, rows - 1)).astype(np.int64)
    top = rows - 1 - np.rint(np.clip(np.where(drawn, high, 0.0) * scale, 0, rows - 1)).astype(np.int64)
    pixel = np.arange(rows)[:, None]
    grid: NDArray[np.bool_] = (pixel >= top) & (pixel <= bottom) & drawn
    return grid


def nice_ceiling(value: float) -> float:
    """The smallest of 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8 × 10ⁿ that is at least ``value``: the top of an axis."""
    if not value > 0:
        return 1.0
    size = 10.0 ** np.floor(np.log10(value))
    for step in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10):
        if value <= step * size * (1 + 1e-9):
            return float(step * size)
    return float(10 * size)
