"""The set-up screen of a first run, driven by keys and mouse."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from textual import events
from textual.pilot import Pilot

from glia_tui.app import GliaApp
from glia_tui.screens.setup import FormView, SetupScreen
from glia_tui.screens.study import StudyScreen
from glia_tui.setup import OFFLINE, Choice, Option, Setup
from glia_tui.widgets.paper import Paper
from sessions.errors import SessionError
from tests.glia_tui.driven import BOTH, SMALL
from tests.glia_tui.scripted_session import Clock, ScriptedSession

SCENARIOS = (
    Option("paper-routing-family", "The paper's routing workload, drawn anew for every seed", "For studies. " * 12),
    Option("smoke", "A small, memory-tight cluster", "For a first look."),
)


@dataclass
class First:
    """An app that is being set up, and what it asked for. ``refuse``: why nothing can be begun."""

    begun: list[Choice] = field(default_factory=list)
    remembered: list[Choice] = field(default_factory=list)
    refuse: str = ""
    session: ScriptedSession = field(default_factory=lambda: ScriptedSession().start())
    app: GliaApp = field(init=False)
    pilot: Pilot[None] = field(init=False)

    def begin(self, choice: Choice) -> ScriptedSession:
        if self.refuse:
            raise SessionError(self.refuse)
        self.begun.append(choice)
        return self.session

    def remember(self, choice: Choice) -> str:
        self.remembered.append(choice)
        return "Your choices are remembered."

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()


@contextlib.asynccontextmanager
async def first_run(size: tuple[int, int] = SMALL) -> AsyncIterator[First]:
    first = First()
    defaults = Choice("offline", "paper-routing-family", "supervised")
    first.app = GliaApp(Setup((OFFLINE,), SCENARIOS, defaults, first.begin, first.remember), clock=Clock())
    first.app.animation_level = "none"
    async with first.app.run_test(size=size) as first.pilot:
        await first.pilot.pause()
        assert isinstance(first.app.screen, SetupScreen)
        yield first


@BOTH
async def test_everything_is_on_one_screen_and_enter_takes_the_defaults(size: tuple[int, int]) -> None:
    async with first_run(size) as first:
        for words in (
            "offline",
            "no model, no key",
            "● paper-routing-family",
            "○ smoke",
            "● supervised",
            "○ autonomous",
        ):
            assert words in first.text
        for words in ("Most experiments  no limit", "[ ] remember", "Enter begin"):
            assert words in first.text
        assert first.begun == []
        await first.press("enter")
        assert first.begun == [Choice("offline", "paper-routing-family", "supervised")]
        assert first.remembered == []
        assert isinstance(first.app.screen, StudyScreen)
        assert first.app.screen.composer.has_focus


@BOTH
async def test_another_choice_is_begun_and_remembered_when_that_is_ticked(size: tuple[int, int]) -> None:
    async with first_run(size) as first:
        await first.press("down", "tab", "down", "tab", *"12", "backspace", *"5", "space", "enter")
        wanted = Choice("offline", "smoke", "trusted", 15, True)
        assert first.begun == first.remembered == [wanted]
        message = first.app.screen.query_one("#message", Paper)
        assert message.plain == "Your choices are remembered."


async def test_a_click_chooses() -> None:
    async with first_run() as first:
        view = first.app.screen.query_one(FormView)
        lines = view.plain.split("\n")
        for words in ("○ smoke", "○ trusted", "[ ] remember"):
            y = next(number for number, line in enumerate(lines) if words in line)
            await first.pilot.click(FormView, offset=(6, y))
            lines = view.plain.split("\n")
        await first.press("enter")
        assert first.begun == [Choice("offline", "smoke", "trusted", None, True)]


async def test_leaving_begins_nothing() -> None:
    async with first_run() as first:
        await first.press("down", "ctrl+q")
        assert first.begun == []
        assert first.session.closed == 0


async def test_what_can_not_be_begun_is_said_and_can_be_tried_again() -> None:
    async with first_run() as first:
        first.refuse = "The workspace can't be written; choose another with --workspace."
        await first.press("enter")
        assert "choose another with --workspace" in first.text
        assert isinstance(first.app.screen, SetupScreen)
        first.refuse = ""
        await first.press("enter")
        assert len(first.begun) == 1


async def test_enter_twice_begins_once() -> None:
    async with first_run() as first:
        screen = first.app.screen
        assert isinstance(screen, SetupScreen)
        screen.action_begin()
        screen.action_begin()
        await first.pilot.pause()
        assert len(first.begun) == 1


async def test_the_form_scrolls_to_what_is_marked_in_a_small_terminal() -> None:
    async with first_run((60, 15)) as first:
        assert "[ ] remember" not in first.text
        await first.press("space")
        assert "[x] remember" in first.text


async def test_it_draws_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with first_run() as first:
        await first.press("tab")
        styles = {segment.style for strip in first.app.screen._compositor.render_strips() for segment in strip}
        colours = {style.color for style in styles if style} | {style.bgcolor for style in styles if style}
        assert all(colour is None or colour.is_default for colour in colours)


async def test_keys_of_a_burst_are_done_in_their_order() -> None:
    async with first_run() as first:
        for key, character in (("down", None), ("tab", "\t"), ("down", None), ("tab", "\t"), ("6", "6")):
            first.app.post_message(events.Key(key, character))
        await first.pilot.pause()
        screen = first.app.screen
        assert isinstance(screen, SetupScreen)
        choice = screen.form.choice
        assert (choice.scenario, choice.gate, choice.max_experiments) == ("smoke", "trusted", 6)


async def test_it_takes_every_size_of_the_terminal() -> None:
    async with first_run() as first:
        for size in ((1, 1), (20, 5), (40, 10), (80, 24)):
            await first.pilot.resize_terminal(*size)
            await first.press("tab")
        assert "What to design for" in first.text
