"""Typing where a verb's key would count: no sentence answers a proposal, and none is lost."""

from __future__ import annotations

import pytest
from textual.widget import Widget

from glia_tui.screens.keys import HOLD_S
from glia_tui.widgets.designs import DesignsList
from glia_tui.widgets.transcript import Transcript
from tests.glia_tui.driven import BOTH, LARGE, SMALL, driven


@BOTH
@pytest.mark.parametrize("sentence", ["approve later please", "also try 2 replicas?", "reject/redirect", "dx 1"])
async def test_a_sentence_typed_on_the_card_goes_to_the_composer(size: tuple[int, int], sentence: str) -> None:
    async with driven(size) as study:
        await study.propose()
        await study.press("tab")
        await study.press(*sentence)
        assert study.session.answers == []
        assert study.study.composer.text == sentence
        assert study.study.composer.has_focus


async def test_a_verb_waits_for_another_key_and_is_shown_meanwhile() -> None:
    async with driven() as study:
        await study.propose()
        await study.pilot.press("tab", "a")
        study.clock.advance(HOLD_S - 0.01)
        await study.settle()
        assert study.session.answers == []
        assert "a approve…" in study.screen_text
        study.clock.advance(0.02)
        await study.settle()
        assert study.verbs == ["approve"]


@pytest.mark.parametrize("key", ["escape", "tab", "down"])
async def test_a_key_that_types_nothing_calls_a_verb_off(key: str) -> None:
    async with driven() as study:
        await study.propose()
        await study.press("tab", "a", key)
        assert study.session.answers == []
        assert study.study.composer.text == ""
        assert "approve…" not in study.screen_text


async def test_a_verb_never_answers_a_proposal_that_came_after_its_key() -> None:
    async with driven() as study:
        await study.propose()
        await study.pilot.press("tab", "a")
        await study.finish()
        await study.propose(2)
        study.clock.advance(HOLD_S)
        await study.settle()
        assert study.session.answers == []


@pytest.mark.parametrize("panel", [Transcript, DesignsList])
@pytest.mark.parametrize("key", [*"aeErxAd"])
async def test_in_another_panel_a_verb_only_says_where_to_answer(panel: type[Widget], key: str) -> None:
    async with driven(LARGE) as study:
        await study.propose()
        study.study.query_one(panel).focus()
        await study.press(key)
        assert study.session.answers == []
        assert "Tab to the proposal to answer it" in study.message
        assert study.app.screen is study.study


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_what_is_typed_in_a_panel_goes_to_the_composer(size: tuple[int, int]) -> None:
    async with driven(size) as study:
        study.study.query_one(Transcript).focus()
        await study.press(*"/gate supervised", "enter")
        assert study.session.gates == ["supervised"]
        study.study.query_one(Transcript).focus()
        await study.press("j")
        assert study.study.composer.text == ""


async def test_a_verb_among_what_is_typed_in_a_panel_goes_to_the_composer_too() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        study.study.query_one(Transcript).focus()
        await study.press(*"and why")
        assert study.session.answers == []
        assert study.study.composer.text == "and why"


async def test_a_verb_does_nothing_once_the_focus_has_left_the_card() -> None:
    """In a burst of keys an Esc may come to act after the verb's key that followed it."""
    async with driven() as study:
        await study.propose()
        await study.press("tab")
        await study.pilot.press("a")
        study.study.composer.focus()
        await study.settle()
        study.clock.advance(HOLD_S)
        await study.settle()
        assert study.session.answers == []
        assert study.study.composer.text == "a"
