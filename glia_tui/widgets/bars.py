"""Header, tabs, status rule and key bar: one line each, made anew for the width they have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message

from glia_tui.chrome import fit
from glia_tui.lines import Line, Role, Span
from glia_tui.widgets.paper import LineBar


class Made(LineBar):
    """A bar whose line is made by a function of its width."""

    def __init__(self, make: Callable[[int], Line], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._make = make

    @property
    def plain(self) -> str:
        return self._make(self.size.width).plain

    def line_for(self, y: int, width: int) -> Line:
        return self._make(width) if y == 0 else Line()


@dataclass(frozen=True, slots=True)
class Hint:
    """A key and what it does now. ``name``: the command a click on it gives, or empty."""

    key: str
    label: str
    name: str = ""
    on: bool = True


class HintBar(LineBar):
    """Keys and what they do, as many as fit, the first ones first; each can be clicked."""

    class Chosen(Message):
        """A hint was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, *, id: str | None = None, right: bool = False) -> None:
        super().__init__(id=id)
        self._hints: Sequence[Hint] = ()
        self._right = right

    def show(self, hints: Sequence[Hint]) -> None:
        if list(hints) != list(self._hints):
            self._hints = list(hints)
            self.refresh()

    @property
    def plain(self) -> str:
        return self.line_for(0, self.size.width).plain

    def line_for(self, y: int, width: int) -> Line:
        if y:
            return Line()
        spans: list[Span] = [Span(" ")]
        for number, (_, piece) in enumerate(self._fitting(width)):
            spans += [Span("  " if number else ""), *piece]
        return Line(tuple(spans))

    def _fitting(self, width: int) -> list[tuple[Hint, tuple[Span, ...]]]:
        pieces = [(hint, _piece(hint)) for hint in self._hints]
        shown = fit([piece for _, piece in pieces], width - 2)
        return [(hint, piece) for hint, piece in pieces if any(piece is one for one in shown)]

    def on_click(self, event: events.Click) -> None:
        at = 1
        for number, (hint, piece) in enumerate(self._fitting(self.size.width)):
            at += 2 if number else 0
            size = Line(piece).width
            if at <= event.x < at + size and hint.name:
                event.stop()
                self.post_message(self.Chosen(hint.name))
                return
            at += size


def _piece(hint: Hint) -> tuple[Span, ...]:
    key_role: Role = "key" if hint.on else "muted"
    label_role: Role = "text" if hint.on else "muted"
    return (Span(hint.key, key_role), Span(f" {hint.label}", label_role))


class Tabs(LineBar):
    """The panes of a narrow terminal. A dot marks a pane with something new in it."""

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, pane: str) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, panes: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._panes = list(panes)
        self.active = self._panes[0]
        self.fresh: set[str] = set()

    def select(self, pane: str) -> None:
        self.active = pane
        self.fresh.discard(pane)
        self.refresh()

    def mark(self, pane: str) -> None:
        """Something new is in ``pane``."""
        if pane != self.active and pane not in self.fresh:
            self.fresh.add(pane)
            self.refresh()

    def line_for(self, y: int, width: int) -> Line:
        spans: list[Span] = []
        for text, pane in self._labels():
            spans.append(Span(text, "chip" if pane == self.active else "muted"))
        return Line(tuple(spans))

    def _labels(self) -> list[tuple[str, str]]:
        return [
            (f" {number} {pane.capitalize()}{' •' if pane in self.fresh else ''} ", pane)
            for number, pane in enumerate(self._panes, start=1)
        ]

    def on_click(self, event: events.Click) -> None:
        at = 0
        for text, pane in self._labels():
            if at <= event.x < at + len(text):
                event.stop()
                self.post_message(self.Chosen(pane))
                return
            at += len(text)
