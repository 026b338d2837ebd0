"""Charts of the cluster, drawn a row of cells at a time.

A refresh costs a few milliseconds with four curves of 600 samples: curves are rasterised with numpy, cells of one
colour become one segment, and the strips are kept until the data, the size or the theme changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from glia_tui import wording
from glia_tui.lines import Line, Role, Span, pad
from glia_tui.raster import Array, Curve, Raster, Symbols, column_ranges, nice_ceiling, rasterise
from glia_tui.scenes import AXIS, Scene
from glia_tui.widgets.paper import LineBar, Painter

_BARS = {"braille": " ▁▂▃▄▅▆▇", "block": " ▁▂▃▄▅▆▇", "ascii": " .:-=+*#"}
_KV_TITLES = ("KV cache usage by replica", "KV cache by replica", "KV cache")


class Chart(Widget):
    """Curves over simulated time, under a line with the title and what the curves are at now."""

    DEFAULT_CSS = "Chart { height: 1fr; min-height: 3; }"

    def __init__(self, titles: Sequence[str], *, id: str | None = None) -> None:
        """``titles``: ways to say what it shows, longest first; the longest that fits is used."""
        super().__init__(id=id)
        self._titles = titles
        self.painter = Painter(self)
        self._curves: Sequence[Curve] = ()
        self._legend: tuple[Span, ...] = ()
        self._x_end = 1.0
        self._y_end = 1.0
        self._symbols: Symbols = "braille"
        self._strips: list[Strip] = []

    def show(self, scene: Scene, x_end: float, symbols: Symbols) -> None:
        """Draws the scene's curves, the last in front, over 0..``x_end`` and 0 to a round number above its peak."""
        self._curves, self._legend, self._symbols = scene.curves, scene.legend, symbols
        self._x_end, self._y_end = x_end, nice_ceiling(scene.peak)
        self._strips = []
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.painter.forget()
        self._strips = []

    def notify_resize(self) -> None:
        self._strips = []

    def render_line(self, y: int) -> Strip:
        if len(self._strips) != self.size.height or (self._strips and self._strips[0].cell_length != self.size.width):
            self._strips = self._draw(self.size.width, self.size.height)
        return self._strips[y]

    def _draw(self, width: int, height: int) -> list[Strip]:
        plot_height, plot_width = height - 1, max(width - AXIS - 1, 1)
        strips = [self.painter.strip(_head(self._titles, self._legend, width), width)]
        if plot_height < 1:
            return strips[:height]
        raster = rasterise(self._curves, self._x_end, self._y_end, plot_width, plot_height, self._symbols)
        for number in range(plot_height):
            segments = [
                Segment(self._axis(number, plot_height), self.painter.style("muted")),
                *self._cells(raster, number),
                Segment(" ", self.painter.style("text")),
            ]
            strips.append(Strip(segments).adjust_cell_length(width, self.painter.style("text")))
        return strips

    def _axis(self, number: int, height: int) -> str:
        """The axis has its top and its zero."""
        if number == 0:
            return pad(wording.number(self._y_end).removesuffix(".00").removesuffix(".0"), AXIS - 1, "right") + " "
        return pad("0" if number == height - 1 else "", AXIS - 1, "right") + " "

    def _cells(self, raster: Raster, number: int) -> list[Segment]:
        """Runs of cells with one owner as one segment each."""
        text, owners = raster.rows[number], raster.owners[number]
        cuts = [0, *(np.flatnonzero(np.diff(owners)) + 1).tolist(), len(owners)]
        segments = []
        for start, end in pairwise(cuts):
            owner = int(owners[start])
            role: Role = self._curves[owner].role if owner >= 0 else "text"
            segments.append(Segment(text[start:end], self.painter.style(role)))
        return segments


class UsageStrips(LineBar):
    """KV cache usage, one row of bars per replica: the highest usage in each column, beside the usage now."""

    DEFAULT_CSS = "UsageStrips { height: auto; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Line] = [Line()]
        self._made_for = (0, 0)
        self._scene = Scene((), (), 1.0)
        self._x_end = 1.0
        self._symbols: Symbols = "braille"

    def show(self, scene: Scene, x_end: float, symbols: Symbols) -> None:
        """One row for each curve, which is a replica's usage (0..1) up to now."""
        if len(scene.curves) != len(self._scene.curves):
            self.styles.height = len(scene.curves) + 1
        self._scene, self._x_end, self._symbols = scene, x_end, symbols
        self._made_for = (0, 0)
        self.refresh()

    def line_for(self, y: int, width: int) -> Line:
        if self._made_for != (width, self.size.height):
            self._lines = self._make(width, self.size.height)
            self._made_for = (width, self.size.height)
        return self._lines[y] if y < len(self._lines) else Line()

    def _make(self, width: int, height: int) -> list[Line]:
        lines = [_head(_KV_TITLES, self._scene.legend, width)]
        for curve in self._scene.curves[: max(height - 1, 0)]:
            levels = column_ranges(curve.x, curve.y, self._x_end, max(width - AXIS - 1, 1))[1]
            now = f"{curve.letter}{curve.y[-1] * 100:4.0f}% ".rjust(AXIS)
            lines.append(Line((Span(now, "muted"), Span(_bars(levels, self._symbols), curve.role))))
        return lines


def _head(titles: Sequence[str], legend: tuple[Span, ...], width: int) -> Line:
    """The longest of ``titles`` that fits beside ``legend``."""
    room = width - Line(legend).width
    title = next((title for title in titles if len(title) < room), "")
    return Line((Span(pad(title, room), "muted"), *legend))


def _bars(levels: Array, symbols: Symbols) -> str:
    """A bar for each level 0..1; a level above zero always shows."""
    bars = _BARS[symbols]
    steps = len(bars) - 1
    known = np.isfinite(levels)
    index = np.where(known, np.ceil(np.clip(np.where(known, levels, 0.0), 0, 1) * steps - 1e-9), 0)
    return "".join(bars[int(step)] for step in index)
