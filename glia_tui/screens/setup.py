"""The set-up screen of a first run: a short form whose defaults Enter takes at once."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from glia_tui import chrome
from glia_tui.lines import Line, Span, row, wrap
from glia_tui.ports import StudySession
from glia_tui.setup import Form, Group, Setup
from glia_tui.widgets.bars import Hint, HintBar, Made
from glia_tui.widgets.message import Message
from glia_tui.widgets.paper import Paper
from sessions.errors import SessionError

_HINTS = (
    Hint("Enter", "begin", "begin"),
    Hint("↑↓", "choose"),
    Hint("Tab", "next", "next"),
    Hint("space", "remember", "remember"),
    Hint("^q", "quit", "quit"),
)
_AIRY_ROWS = 30
_WELCOME = "Two agents and you design the request router of a simulated LLM-serving cluster. Enter begins as it stands."


class FormView(Paper, can_focus=True):
    """The form. Keys go to the group that is marked; a click chooses what is under it."""

    def __init__(self, form: Form) -> None:
        super().__init__(id="setup-form")
        self._form = form
        self._places: list[tuple[Group | None, str]] = []

    def draw(self) -> None:
        """Lays the form out for the size there is, and keeps the marked group in sight."""
        width = max(self.size.width - 2, 8)
        lines: list[Line] = []
        self._places = []
        for entry, group, name in self._form.rows(width, self.screen.size.height >= _AIRY_ROWS):
            wrapped = wrap(entry, width)
            lines += wrapped
            self._places += [(group, name)] * len(wrapped)
        intro = [*wrap(row((_WELCOME, "muted")), width), Line()]
        if len(intro) + len(lines) <= self.size.height:
            lines = intro + lines
            self._places[:0] = [(None, "")] * len(intro)
        self.show(lines)
        mine = [y for y, (group, _) in enumerate(self._places) if group == self._form.group]
        top, bottom = mine[0], mine[-1]
        if top < self.scroll_y or bottom >= self.scroll_y + self.size.height:
            self.scroll_to(y=max(min(top, bottom - self.size.height + 1), 0), animate=False, immediate=True)

    def on_resize(self, event: events.Resize) -> None:
        self.draw()

    def on_click(self, event: events.Click) -> None:
        number = self.line_at(event.offset)
        group, name = self._places[number] if number < len(self._places) else (None, "")
        if group is None:
            return
        self._form.group = group
        if name:
            self._form.choose(group, name)
        elif group == "remember":
            self._form.toggle()
        self.draw()


class SetupScreen(Screen[tuple[StudySession, str]]):
    """Its result is the study that was begun, and a sentence for the engineer or an empty text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "begin", show=False),
        Binding("tab", "go(1)", show=False),
        Binding("shift+tab", "go(-1)", show=False),
        Binding("down,j,right", "step(1)", show=False),
        Binding("up,k,left", "step(-1)", show=False),
        Binding("space", "remember", show=False),
        Binding("backspace", "erase", show=False),
        *(Binding(digit, f"digit('{digit}')", show=False) for digit in "0123456789"),
    ]
    """All keys are bindings: they are done in the order in which they were pressed, also those of a burst."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self._setup = setup
        self.form = Form(setup)
        self._has_begun = False

    def compose(self) -> ComposeResult:
        yield Made(lambda width: chrome.rule((Span("Glia", "heading"), Span("  a new study", "text")), (), width))
        yield FormView(self.form)
        yield Message(id="setup-message")
        yield HintBar(id="setup-keys")

    def on_mount(self) -> None:
        self.query_one(HintBar).show(_HINTS)
        self._view.focus()

    @property
    def _view(self) -> FormView:
        return self.query_one(FormView)

    def action_begin(self) -> None:
        """Creates the study that is chosen; where that can't be done, says why and stays."""
        if self._has_begun:
            return
        self._has_begun = True
        try:
            session = self._setup.begin(self.form.choice)
        except SessionError as error:
            self._has_begun = False
            self.query_one(Message).say(str(error), "bad")
        else:
            told = self._setup.remember(self.form.choice) if self.form.choice.remember else ""
            self.dismiss((session, told))

    def action_go(self, step: int) -> None:
        self.form.go(step)
        self._view.draw()

    def action_step(self, step: int) -> None:
        self.form.step(step)
        self._view.draw()

    def action_remember(self) -> None:
        self.form.group = "remember"
        self.form.toggle()
        self._view.draw()

    def action_erase(self) -> None:
        self.form.erase()
        self._view.draw()

    def action_digit(self, digit: str) -> None:
        self.form.digit(digit)
        self._view.draw()

    @on(HintBar.Chosen)
    async def _hint_chosen(self, event: HintBar.Chosen) -> None:
        event.stop()
        if event.name == "quit":
            await self.app.run_action("leave")
        else:
            actions = {"begin": "begin", "next": "go(1)", "remember": "remember"}
            await self.run_action(actions[event.name])
