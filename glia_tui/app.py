"""The Textual app of one study.

It runs the session as a worker, shows the Study screen, and saves on every way out: key, signal or closed terminal.
Leaving never answers a waiting approval.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic
from types import FrameType
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import TextArea
from textual.worker import Worker, WorkerCancelled, WorkerFailed

from glia_tui.invocation import program
from glia_tui.lines import Role
from glia_tui.ports import StudySession
from glia_tui.screens.editing import EditScreen
from glia_tui.screens.keys import Timed
from glia_tui.screens.setup import SetupScreen
from glia_tui.screens.study import StudyScreen
from glia_tui.setup import Setup
from sessions.errors import SessionError

UNSENT = "What you typed isn't sent. Ctrl+C again quits and keeps it for when you resume."
_DARK = {
    "glia-supervisor": "#c79bf2",
    "glia-candidate": "#56c8f0",
    "glia-candidate-2": "#f0b45a",
    "glia-baseline": "#8b93a1",
    "glia-baseline-2": "#a5835a",
}
_LIGHT = {
    "glia-supervisor": "#7a3fb5",
    "glia-candidate": "#0072a8",
    "glia-candidate-2": "#a85f00",
    "glia-baseline": "#6d7480",
    "glia-baseline-2": "#8f7350",
}


class GliaApp(App[None]):
    """One study in the terminal."""

    TITLE = "Glia"
    CSS_PATH = "styles/glia.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "ask_to_leave", "quit", show=False, priority=True),
        Binding("ctrl+c", "copy_or_leave", "quit", show=False, priority=True),
    ]

    def __init__(
        self, opening: StudySession | Setup, *, clock: Callable[[], float] = monotonic, after: Timed | None = None
    ) -> None:
        """``opening``: a study, or what one is set up with first. ``clock``: monotonic, in seconds; ``after``: what
        delays the keys of verbs, the screen's timers by default. The tests bring their own."""
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        if self.no_color:  # the theme whose cursor and selection are reversed and not coloured
            self.theme = "ansi-dark"
        self._setup = opening if isinstance(opening, Setup) else None
        self.session = None if isinstance(opening, Setup) else opening
        """The study; ``None`` while it is still being set up."""
        self._clock = clock
        self._after = after
        self._is_leaving = False
        self._driving: Worker[None] | None = None

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(_DARK if self.current_theme.dark else _LIGHT)

    def on_mount(self) -> None:
        if not self.is_headless:
            self._leave_on_signals()
        if self._setup is not None:
            self.push_screen(SetupScreen(self._setup), self._set_up)
        elif self.session is not None:
            self._open(self.session)

    def _set_up(self, made: tuple[StudySession, str] | None) -> None:
        """Goes on to the study that was begun."""
        if made is not None:
            self.session, told = made
            self._open(self.session).call_after_refresh(self._say, told, "muted")

    def _open(self, session: StudySession) -> StudyScreen:
        """The study runs after the first paint, and after the screen listens."""
        screen = StudyScreen(session, self._clock, self._after)
        self.push_screen(screen)
        self.call_after_refresh(self._start, session)
        return screen

    def _start(self, session: StudySession) -> None:
        self._driving = self._drive(session)

    @work(group="study")
    async def _drive(self, session: StudySession) -> None:
        """Runs the study. Whatever stops it is said on the screen; what was journalled is safe."""
        try:
            await session.run()
        except SessionError as error:
            self._say(str(error))
        except Exception as error:
            self.log.error(error)
            kind = type(error).__name__
            self._say(f"The study stopped on an error ({kind}: {error}). Nothing is lost: quit, then resume it.")

    def _say(self, text: str, role: Role = "bad") -> None:
        for screen in self.screen_stack:
            if isinstance(screen, StudyScreen):
                screen.tell(text, role)

    def _leave_on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: loop.create_task(self.action_leave()))
        signal.signal(signal.SIGHUP, self._hang_up)

    def _hang_up(self, number: int, _frame: FrameType | None) -> None:
        """The terminal is gone: saves and ends at once.

        Not through the event loop and not through Textual's shutdown: both may wait for ever for a writer whose
        terminal takes nothing any more. The evaluations' processes end with this one.
        """
        if self.session is not None:
            self._keep_draft(self.session)
            self.session.save()
        os._exit(128 + number)

    def _keep_draft(self, session: StudySession) -> None:
        """What is typed and not sent is there again when the study is resumed."""
        screen = next((screen for screen in self.screen_stack if isinstance(screen, StudyScreen)), None)
        if screen is not None:
            session.keep_draft(screen.commands.draft)

    async def action_copy_or_leave(self) -> None:
        """Copies what is selected; without a selection, leaves, but never out of an editor, and over words that
        aren't sent only when it is pressed again."""
        focused = self.focused
        if isinstance(focused, TextArea) and focused.selected_text:
            focused.action_copy()
        elif self.screen.get_selected_text():
            self.screen.action_copy_text()
        elif isinstance(self.screen, EditScreen):
            self.screen.tell("Nothing is selected to copy. Esc goes back, Ctrl+Q quits.", "muted")
        elif isinstance(self.screen, StudyScreen) and not self.screen.commands.may_leave():
            self.screen.tell(UNSENT, "warn")
        else:
            await self.action_leave()

    async def action_ask_to_leave(self) -> None:
        """Leaves, unless a text is being edited that would be lost: that has to be asked for twice."""
        editing = next((screen for screen in self.screen_stack if isinstance(screen, EditScreen)), None)
        if editing is None or editing.may_leave():
            await self.action_leave()

    async def action_leave(self) -> None:
        """Saves and leaves."""
        if self._is_leaving:
            return
        self._is_leaving = True
        if self._driving is not None:
            self._driving.cancel()
            with contextlib.suppress(WorkerFailed, WorkerCancelled):
                await self._driving.wait()
        if self.session is None:
            self.exit(message=Text("No study was begun."))
            return
        self._keep_draft(self.session)
        started = self.session.state.started
        words = f"Saved. Resume with: {program()} sessions resume {started.session}" if started else "Saved."
        try:
            await self.session.close()
        except SessionError as error:
            words = f"{error} What was written before is safe: {program()} sessions list shows it."
        self.exit(message=Text(words))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: the commands of the screen, and the theme."""
        if isinstance(screen, EditScreen):
            for title, key, call in screen.palette():
                yield SystemCommand(title, key, call)
        if isinstance(screen, StudyScreen):
            for command in screen.commands.offered():
                slash = f"/{command.name}" + (f", key {command.shown_key}" if command.shown_key else "")
                prefix = "Waiting proposal: " if command.group == "answer" else ""  # never first in the list
                yield SystemCommand(prefix + command.title, slash, partial(self._perform, screen, command.name))
        yield SystemCommand("Theme", "Light, dark and others", self.action_change_theme)

    def _perform(self, screen: StudyScreen, name: str) -> None:
        self.run_worker(screen.commands.perform(name))


def run_app(opening: StudySession | Setup, *, theme: str = "") -> None:
    """Opens the app on a study, or on what it is set up with, and returns when the engineer has left it. ``theme``:
    one that Textual knows."""
    for stale in ("COLUMNS", "LINES"):  # where a shell exports them they would outvote the terminal, at every new size
        os.environ.pop(stale, None)
    app = GliaApp(opening)
    if theme and not app.no_color:
        app.theme = theme
    app.run()
