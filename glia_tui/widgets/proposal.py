"""The card of an approval that waits: what is proposed, and the verbs that answer it.

Its verbs stay visible whatever the size: a long proposal scrolls inside the card.
"""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from glia_tui.lines import Row, elide, wrap_all
from glia_tui.widgets.bars import Hint, HintBar
from glia_tui.widgets.paper import Paper

_FRAME_ROWS = 3


class ProposalBody(Paper, can_focus=True):
    """The proposal's text; having the focus is what lets the verbs' keys through."""


class ProposalCard(Vertical):
    """Shown above the composer while an approval waits."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[Row] = []
        self._title = ""
        self._most_rows = 8
        self._is_compact = False

    def compose(self) -> ComposeResult:
        yield ProposalBody(id="proposal-body")
        yield HintBar(id="verbs")

    @property
    def body(self) -> ProposalBody:
        return self.query_one(ProposalBody)

    def present(self, title: str, rows: list[Row]) -> None:
        """Shows another proposal, from its top."""
        self._title, self._rows = title, rows
        self.display = True
        self.body.scroll_to(y=0, animate=False, immediate=True)
        self._fit()

    def dismiss(self) -> None:
        self.display = False
        self._rows = []

    def fit(self, most_rows: int, compact: bool) -> None:
        """Takes at most ``most_rows`` of the screen; ``compact``: one line, because another pane is shown."""
        self._most_rows, self._is_compact = most_rows, compact
        self.set_class(compact, "-compact")
        if compact:
            self.body.styles.height = 0  # not hidden: it can still have the focus that the verbs' keys need
        self._fit()

    def hint(self, hints: list[Hint], below: str) -> None:
        """The verbs, and the words on the lower edge."""
        if self._is_compact:
            hints = [Hint("◇", elide(self._title, max(self.size.width // 3, 12))), *hints]
        self.query_one(HintBar).show(hints)
        self.border_subtitle = Content(below)

    def on_resize(self, event: events.Resize) -> None:
        self._fit()

    def _fit(self) -> None:
        self.border_title = Content(self._title)
        width = self.body.size.width
        if not self._rows or width <= 0 or self._is_compact:
            return
        lines = wrap_all(self._rows, width - 1)
        self.body.show(lines)
        self.body.styles.height = max(min(len(lines), self._most_rows - _FRAME_ROWS), 1)

    @property
    def hides_some(self) -> bool:
        """Whether there is more text than fits."""
        return self.body.max_scroll_y > 0
