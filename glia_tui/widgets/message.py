"""One sentence to the engineer, above the composer: what a command answered, or why it could not be done."""

from __future__ import annotations

from textual import events

from glia_tui.lines import Role, row, wrap
from glia_tui.widgets.paper import Paper

_SHOWN_S = 12.0
_MOST_ROWS = 4


class Message(Paper):
    """Goes after a while, or with the next thing that is sent; an error stays until then."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = ""
        self._role: Role = "text"

    def say(self, text: str, role: Role = "text") -> None:
        """Shows ``text``; an empty one hides what was said before."""
        self._text, self._role = text, role
        self.display = bool(text)
        self._lay_out()
        if text and role != "bad":
            self.set_timer(_SHOWN_S, lambda: self._hush(text))

    def on_resize(self, event: events.Resize) -> None:
        self._lay_out()

    def _hush(self, text: str) -> None:
        if self._text == text:
            self.say("")

    def _lay_out(self) -> None:
        assert self.parent is not None
        width = self.container_size.width or self.screen.size.width  # before its first layout it has no container
        lines = wrap(row((self._text, self._role)), max(width - 3, 8)) if self._text else []
        self.styles.height = min(len(lines), _MOST_ROWS)
        self.show(lines)
