"""The app on a scripted study, driven as by an engineer at a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
from textual.pilot import Pilot

from glia_tui.app import GliaApp
from glia_tui.screens.keys import HOLD_S
from glia_tui.screens.study import StudyScreen
from glia_tui.widgets.paper import Paper
from sessions import events as ev
from tests.glia_tui.scripted_session import Clock, ScriptedSession

SMALL, LARGE = (80, 24), (120, 40)
BOTH = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])


class Driven:
    """An app under test with its session, clock and pilot."""

    def __init__(self, app: GliaApp, session: ScriptedSession, clock: Clock, pilot: Pilot[None]) -> None:
        self.app, self.session, self.clock, self.pilot = app, session, clock, pilot

    @property
    def study(self) -> StudyScreen:
        screen = self.app.screen_stack[1]
        assert isinstance(screen, StudyScreen)
        return screen

    @property
    def screen_text(self) -> str:
        """What the terminal shows now."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    @property
    def message(self) -> str:
        return " ".join(self.study.query_one("#message", Paper).plain.split())

    @property
    def verbs(self) -> list[str]:
        return [answer[1] for answer in self.session.answers]

    async def settle(self) -> None:
        await self.pilot.pause()
        if short := [worker for worker in self.app.workers if worker.group in ("answer", "film")]:
            await self.app.workers.wait_for_complete(short)
            await self.pilot.pause()

    async def shows(self, words: str) -> bool:
        """Whether ``words`` come to the screen: what is drawn after a refresh may take several on a busy machine."""
        for _ in range(50):
            if words in self.screen_text:
                return True
            await self.settle()
        return False

    async def press(self, *keys: str) -> None:
        """Presses ``keys`` one right after the other, then waits until a verb's key would have counted."""
        await self.pilot.press(*keys)
        await self.settle()
        if self.clock.waiting:
            self.clock.advance(HOLD_S)
            await self.settle()

    async def type(self, text: str, *keys: str) -> None:
        """Puts ``text`` into the composer at once, as a paste does, and presses ``keys``."""
        self.study.composer.insert(text)
        await self.press(*keys)

    async def propose(self, number: int = 1, grace: bool = True, hypothesis: str = "") -> None:
        """A proposal that has been on the screen long enough to be answered."""
        self.session.propose(number, hypothesis=hypothesis)
        await self.settle()
        if grace:
            self.clock.now += 1.0

    async def finish(self, number: int = 1) -> None:
        self.session.emit("engineer", ev.ApprovalAnswered(approval=f"ask-{number}", verb="approve"))
        self.session.emit("system", ev.ExperimentStarted(experiment=f"exp-{number}"))
        self.session.finish(number)
        await self.settle()


@contextlib.asynccontextmanager
async def driven(
    size: tuple[int, int] = SMALL, session: ScriptedSession | None = None, *, animated: bool = False
) -> AsyncIterator[Driven]:
    session = session or ScriptedSession().start()
    clock = Clock()
    app = GliaApp(session, clock=clock, after=clock.after)
    app.animation_level = "full" if animated else "none"
    async with app.run_test(size=size) as pilot:
        study = Driven(app, session, clock, pilot)
        await study.settle()
        yield study
