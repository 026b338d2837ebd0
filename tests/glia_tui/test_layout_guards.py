"""Text that can't be laid out, or doesn't fit, is shown as well as it can be."""

from __future__ import annotations

import dataclasses

import pytest

from glia_tui import chrome
from glia_tui.leaderboard import Place, leaderboard, table
from glia_tui.lines import Line, Row, Span
from glia_tui.prose import prose
from glia_tui.widgets import transcript
from sessions import events as ev
from tests.glia_tui.driven import driven
from tests.glia_tui.scripted_session import ScriptedSession


def _raises(*_: object) -> list[Row]:
    raise ValueError("no layout")


def test_prose_that_can_not_be_read_is_its_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glia_tui.prose._read", _raises)
    assert [row.plain for row in prose("**one**\ntwo")] == ["**one**", "two"]


async def test_an_entry_that_can_not_be_laid_out_does_not_end_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven() as study:
        monkeypatch.setattr(transcript, "wrap_all", _raises)
        study.session.emit("researcher", ev.AgentReplied(text="an odd reply", stop_reason="end_turn"))
        await study.settle()
        assert "an odd reply" in study.screen_text
        assert study.app.is_running


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (90, "held-out seeds of d run: 10 of 20 runs done, about 1 min left"),
        (60, "held-out seeds of d run: 10 of 20 runs done"),
        (40, "held-out seeds of d run"),
    ],
)
def test_a_status_that_does_not_fit_gives_up_its_last_parts(width: int, shown: str) -> None:
    words = "held-out seeds of d run: 10 of 20 runs done, about 1 min left"
    drawn: Line = chrome.rule((Span(words),), (), width)
    assert drawn.plain.strip("─ ") == shown
    assert drawn.width == width


@pytest.mark.parametrize("width", [40, 46, 60, 100])
def test_the_figures_of_a_design_never_touch(width: int) -> None:
    session = ScriptedSession().start()
    session.propose(1)
    session.finish(1, mean=6.26, baseline=54.6)
    places: list[Place] = [
        dataclasses.replace(place, relative=12.345) if place.design != "llq" else place
        for place in leaderboard(session.state)
    ]
    for place, drawn in zip(places, table(places, width)[1:], strict=True):
        words = drawn.plain.split()
        assert "±" in words
        assert all(word.count("%") + word.count(".") <= 1 for word in words), (place.design, drawn.plain)
