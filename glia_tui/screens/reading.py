"""Something to read over the study: help, a design, what a design changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from glia_tui import chrome
from glia_tui.lines import Line, Span, elide
from glia_tui.widgets.bars import Hint, HintBar, Made
from glia_tui.widgets.paper import Paper

Page = Callable[[int], list[Line]]


class _Text(Paper, can_focus=True):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("space", "page_down", show=False),
    ]


class ReadingScreen(ModalScreen[None]):
    """Pages of lines, each made for the width there is. Esc closes, Tab turns the page."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "close"),
        Binding("tab,right", "turn(1)", "next page"),
        Binding("shift+tab,left", "turn(-1)", "previous page"),
    ]

    def __init__(self, title: str, pages: dict[str, Page], first: str = "") -> None:
        super().__init__()
        self._title = title
        self._pages = pages
        self._page = first or next(iter(pages))

    def compose(self) -> ComposeResult:
        with Vertical(id="reading"):
            yield Made(self._heading, id="reading-title")
            yield _Text(id="reading-text")
            yield HintBar(id="reading-keys")

    def on_mount(self) -> None:
        keys = [Hint("Esc", "close", "close"), Hint("↑↓", "scroll")]
        if len(self._pages) > 1:
            keys.insert(1, Hint("Tab", "next page", "turn"))
        self.query_one(HintBar).show(keys)
        self.query_one(_Text).focus()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._draw)

    def action_turn(self, step: int) -> None:
        names = list(self._pages)
        self._page = names[(names.index(self._page) + step) % len(names)]
        self.query_one(_Text).scroll_to(y=0, animate=False, immediate=True)
        self._draw()

    async def on_hint_bar_chosen(self, event: HintBar.Chosen) -> None:
        event.stop()
        if event.name == "close":
            self.dismiss()
        else:
            self.action_turn(1)

    def _draw(self) -> None:
        text = self.query_one(_Text)
        text.show(self._pages[self._page](max(text.size.width - 2, 8)))
        self.query_one("#reading-title", Made).refresh()

    def _heading(self, width: int) -> Line:
        left = (Span(elide(self._title, max(width - 8, 8)), "heading"),)
        if len(self._pages) == 1:
            return chrome.rule(left, (), width)
        names: list[Span] = []
        for name in self._pages:
            names += [Span(f" {name} ", "chip" if name == self._page else "muted")]
        return chrome.rule(left, tuple(names), width)
