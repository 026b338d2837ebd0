"""The designs measured so far; Enter opens one."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message

from glia_tui import chrome
from glia_tui.leaderboard import Place, table
from glia_tui.lines import Line, Span, row, wrap
from glia_tui.widgets.bars import Made
from glia_tui.widgets.paper import Paper

_NOTHING = "Designs appear here once an experiment has measured them, with their 95% interval."
_LEGEND = "● better  ≈ no difference  ▽ worse  = tied"


class DesignsList(Paper, can_focus=True):
    """The table, with a cursor while it has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "next", show=False),
        Binding("up,k", "move(-1)", "previous", show=False),
        Binding("enter", "open", "open", show=False),
    ]

    class Opened(Message):
        """Enter, or a click, on a design."""

        def __init__(self, design: str) -> None:
            super().__init__()
            self.design = design

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.places: list[Place] = []
        self._at = 0

    def rank(self, places: list[Place]) -> None:
        """Shows another ranking; the cursor stays on its design."""
        design = self.places[self._at].design if self.places else ""
        names = [place.design for place in places]
        self._at = names.index(design) if design in names else 0
        self.places = places
        self._draw()

    def action_move(self, step: int) -> None:
        self._at = min(max(self._at + step, 0), max(len(self.places) - 1, 0))
        self._draw()
        if not self.scroll_y <= self._at + 1 < self.scroll_y + self.size.height:
            self.scroll_to(y=self._at + 1, animate=False, immediate=True)

    def action_open(self) -> None:
        if self.places:
            self.post_message(self.Opened(self.places[self._at].design))

    def on_click(self, event: events.Click) -> None:
        number = self.line_at(event.get_content_offset_capture(self)) - 1
        if 0 <= number < len(self.places):
            self._at = number
            self.action_open()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def on_focus(self, event: events.Focus) -> None:
        self._draw()

    def on_blur(self, event: events.Blur) -> None:
        self._draw()

    def _draw(self) -> None:
        width = self.size.width - 1
        if not self.places:
            self.show(wrap(row((_NOTHING, "muted"), indent=1, hang=0), max(width, 8)))
            return
        lines = [Line((Span(" "), *line.spans)) for line in table(self.places, width - 1)]
        if self.has_focus:
            lines[self._at + 1] = Line(lines[self._at + 1].spans, "cursor")
        if width > len(_LEGEND):
            lines.append(Line((Span(f" {_LEGEND}", "muted"),)))
        self.show(lines)


class DesignsPanel(Vertical):
    """The table under its heading."""

    def compose(self) -> ComposeResult:
        yield Made(self._title, id="designs-title")
        yield DesignsList(id="designs-list")

    def _title(self, width: int) -> Line:
        return chrome.rule((Span("Designs", "heading"),), (), width)
