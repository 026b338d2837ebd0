"""Terminals that are too small, and those that change: what is said, where the focus is, and that nothing answers."""

from __future__ import annotations

import random

import pytest
from textual.widget import Widget

from glia_tui.widgets.cluster import ClusterPanel
from glia_tui.widgets.composer import Composer
from glia_tui.widgets.designs import DesignsList
from glia_tui.widgets.proposal import ProposalBody
from glia_tui.widgets.transcript import Transcript
from tests.glia_tui.driven import LARGE, SMALL, Driven, driven

TINY = (40, 10)
STORM = 20


async def resize(study: Driven, *sizes: tuple[int, int]) -> None:
    for size in sizes:
        await study.pilot.resize_terminal(*size)
        await study.settle()


@pytest.mark.parametrize("panel", [Composer, ProposalBody, Transcript, ClusterPanel, DesignsList])
@pytest.mark.parametrize("sizes", [(TINY, LARGE), (SMALL, LARGE), (TINY, SMALL)], ids=str)
async def test_a_panel_that_a_new_size_hides_gives_the_focus_to_typing(
    panel: type[Widget], sizes: tuple[tuple[int, int], ...]
) -> None:
    async with driven(LARGE) as study:
        await study.propose()
        await study.finish()
        await study.propose(2)
        study.study.query_one(panel).focus()
        await resize(study, *sizes)
        focused = study.study.focused
        assert isinstance(focused, Composer) or (isinstance(focused, panel) and sizes == (SMALL, LARGE))


async def test_what_can_not_be_seen_can_not_be_answered_and_what_is_typed_is_kept() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        await study.press("tab")
        await resize(study, TINY)
        assert "terminal too small (need 60x15)" in study.screen_text
        for key in ("tab", "a", "escape", "shift+tab", "f2", "A", "pagedown", "x"):
            await study.press(key)
        await resize(study, LARGE)
        assert study.verbs == []
        assert study.study.composer.text == "aAx"


async def test_a_storm_of_sizes_loses_nothing_and_answers_nothing() -> None:
    chance = random.Random(1)
    async with driven(LARGE) as study:
        await study.propose()
        await study.finish()
        await study.propose(2)
        await study.press("tab")
        for number in range(STORM):
            await study.pilot.resize_terminal(chance.randint(1, 200), chance.randint(1, 60))
            if number % 10 == 0:
                await study.pilot.press(chance.choice("aAxr"))
        await resize(study, LARGE)
        assert study.verbs == []
        assert "exp-2" in study.screen_text
        assert "a approve" in study.screen_text


@pytest.mark.parametrize("key", ["question_mark", "e"])
async def test_other_screens_take_every_size(key: str) -> None:
    async with driven(LARGE) as study:
        await study.propose()
        await study.press(*(("tab", "e") if key == "e" else (key,)))
        await resize(study, (1, 1), (20, 5), (39, 9))
        if key == "e":
            assert "terminal too small" in study.screen_text
        await resize(study, TINY, SMALL)
        await study.press("escape")
        assert study.app.screen is study.study
        assert study.verbs == []
