"""Editing a proposed design in place: the text, why it was proposed, and what the check says of it.

Nothing runs that wasn't checked: Ctrl+S hands the text to the study, which refuses it with a sentence or takes
it as the answer. Leaving keeps the text as a draft of its proposal; no way out of here approves anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static, TextArea

from glia_tui import chrome
from glia_tui.actions import EDITING
from glia_tui.answering import AnswerDesk
from glia_tui.diffing import diff_size
from glia_tui.editor import EditorError, edit_handing_over
from glia_tui.lines import Line, Role, Span, elide, one_line, wrap_all
from glia_tui.ports import StudySession
from glia_tui.proposals import brief_rows, card_title
from glia_tui.widgets.bars import Hint, HintBar, Made
from glia_tui.widgets.message import Message
from glia_tui.widgets.paper import Paper
from glia_tui.widgets.source_area import SourceArea
from sessions.errors import SessionError
from sessions.state import Approval

NO_HANDING_OVER = "This terminal can't be handed to an editor; edit with e, or use a plain terminal."
_LINE = re.compile(r"\bline (\d{1,7})\b", re.IGNORECASE)
_LEAST_ROWS_UNFOLDED = 30
_COUNTED_AFTER_S = 0.25


class EditScreen(Screen[str]):
    """Edits the design of one approval; its result is a sentence for the Study screen, or empty."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(command.keys), f"do('{command.name}')", command.label, show=False)
        for command in EDITING
        if command.keys
    ]

    def __init__(self, session: StudySession, desk: AnswerDesk, approval: Approval) -> None:
        """Raises :class:`SessionError` if the design's source isn't at hand."""
        super().__init__()
        self._session, self._desk, self._approval = session, desk, approval
        self._design = desk.design_of(approval)
        self._proposed = session.source_of(self._design)
        self._start = desk.text_to_edit(approval)
        self._loaded = ""
        self._changed_words = ""
        self._counting: Timer | None = None
        self._is_unfolded: bool | None = None
        self._is_checking = False
        self._warned_of_quitting = False

    def compose(self) -> ComposeResult:
        yield Made(self._heading, id="editing-title")
        yield Paper(id="editing-why")
        yield SourceArea(id="editing-source")
        yield Message(id="editing-message")
        yield HintBar(id="editing-keys")
        yield Static("terminal too small", id="editing-too-small", markup=False)

    def on_mount(self) -> None:
        area = self._area
        area.open(self._start)
        self._loaded = area.text
        self._count()
        area.focus()
        self.query_one(HintBar).show([Hint(c.shown_key, c.label, c.name) for c in EDITING])
        if self._desk.has_draft(self._approval):
            self.tell("This is your draft. Ctrl+S checks and runs it.", "muted")

    @property
    def _area(self) -> SourceArea:
        return self.query_one(SourceArea)

    @property
    def source(self) -> str:
        """The text as it is now; as it came while nothing was typed, whatever its line ends are."""
        text = self._area.text
        return self._start if text == self._loaded else text

    def tell(self, text: str, role: Role = "text") -> None:
        self.query_one(Message).say(text, role)

    # -- commands

    def action_do(self, name: str) -> None:
        self.perform(name)

    @on(HintBar.Chosen)
    def _hint_chosen(self, event: HintBar.Chosen) -> None:
        event.stop()
        self.perform(event.name)

    def perform(self, name: str) -> None:
        """Does one command of :data:`glia_tui.actions.EDITING`."""
        commands: dict[str, Callable[[], None]] = {
            "check": self._check,
            "back": self._back,
            "outside": self._outside,
            "brief": self._turn_brief,
            "undo": self._area.undo,
        }
        if self._is_checking and name != "brief":
            self.tell("The text is still being checked.", "warn")
        else:
            commands[name]()

    def _check(self) -> None:
        self._is_checking = self._area.read_only = True
        self.tell("The text is being checked.", "muted")
        self.run_worker(self._answer(self.source), group="answer")

    async def _answer(self, source: str) -> None:
        try:
            sentence = await self._desk.give(self._approval, "edit", source=source)
        except SessionError as error:
            sentence = str(error)
        finally:
            self._is_checking = self._area.read_only = False
        if not sentence:
            self.dismiss(f"Your text of {one_line(self._design)} could run, and was approved.")
            return
        found = _LINE.search(sentence)
        self._area.mark(int(found.group(1)) if found else None)
        self.tell(sentence, "bad")

    def _back(self) -> None:
        kept = self._desk.keep(self._approval, self.source)
        self.dismiss(
            f"Your text is kept as a draft of {self._approval.subject} until you quit; e goes on with it."
            if kept
            else ""
        )

    def _outside(self) -> None:
        """Hands the terminal to the engineer's editor; what it leaves comes back here and answers nothing."""
        try:
            after = edit_handing_over(self.app.suspend, self.source, self._design)
        except SuspendNotSupported:
            self.tell(NO_HANDING_OVER, "warn")
        except (EditorError, SessionError) as error:
            self.tell(str(error), "warn")
        else:
            self._area.replace_all(after)
            self.tell("This is what your editor left. Ctrl+S checks and runs it.", "muted")

    def _turn_brief(self) -> None:
        self._is_unfolded = not self._unfolded
        self._lay_out()

    def may_leave(self) -> bool:
        """Whether the app may be left: an unfinished text has to be given up twice."""
        if self._warned_of_quitting or self.source == self._proposed:
            return True
        self._warned_of_quitting = True
        self.tell("Quitting drops this text: Ctrl+S runs it. Press Ctrl+Q again to quit without it.", "warn")
        return False

    # -- drawing

    @property
    def _unfolded(self) -> bool:
        return self.size.height >= _LEAST_ROWS_UNFOLDED if self._is_unfolded is None else self._is_unfolded

    def on_resize(self, event: events.Resize) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        """Why it was proposed, in a line each or in full; never more than a third of the screen."""
        width = self.size.width - 2
        self.set_class(self.size.width < 40 or self.size.height < 10, "-tiny")
        rows = brief_rows(self._session.state, self._approval)
        lines = wrap_all(rows, width)
        if not self._unfolded:
            lines = [Line((Span(elide(row.plain, width), "muted"),)) for row in rows]
        paper = self.query_one("#editing-why", Paper)
        paper.styles.height = min(len(lines), max(self.size.height // 3, 2))
        paper.show(lines)

    def _heading(self, width: int) -> Line:
        left = f"Edit {one_line(self._design)}  "
        title = elide(
            card_title(self._session.state, self._approval), max(width - len(left) - len(self._changed_words) - 12, 8)
        )
        return chrome.rule((Span(left, "heading"), Span(title, "text")), (Span(self._changed_words, "accent"),), width)

    @on(TextArea.Changed)
    def _typed(self) -> None:
        self._warned_of_quitting = False
        if self._counting is not None:
            self._counting.stop()
        self._counting = self.set_timer(_COUNTED_AFTER_S, self._count)

    def _count(self) -> None:
        """Counts what is changed, a moment after the last key."""
        self._changed_words = f"{diff_size(self._proposed, self.source)} vs {one_line(self._design)}"
        self.query_one("#editing-title", Made).refresh()

    @on(SourceArea.Refused)
    def _paste_refused(self, event: SourceArea.Refused) -> None:
        self.tell(event.why, "warn")

    def palette(self) -> list[tuple[str, str, Callable[[], None]]]:
        """Title, key and what to call for each command, for the command palette."""
        return [(command.title, f"key {command.shown_key}", partial(self.perform, command.name)) for command in EDITING]
