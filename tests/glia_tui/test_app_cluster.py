"""Cluster and designs: playing a run, and what is shown of it."""

from __future__ import annotations

import pytest

from glia_tui.screens.reading import ReadingScreen
from glia_tui.widgets.bars import Tabs
from glia_tui.widgets.cluster import ClusterPanel
from glia_tui.widgets.designs import DesignsList
from sessions import events as ev
from tests.glia_tui.driven import LARGE, SMALL, driven


async def test_a_finished_experiment_plays_to_its_end_and_stops_the_timer() -> None:
    async with driven(LARGE, animated=True) as study:
        await study.propose()
        await study.finish()
        panel = study.study.query_one(ClusterPanel)
        assert panel.running
        assert "seed 3" in study.screen_text
        assert "▶ ×54" in study.screen_text
        panel.advance(10.0)
        assert panel.player is not None
        assert panel.player.position_s == pytest.approx(539.1, abs=1.0)
        panel.advance(10.1)
        await study.settle()
        assert not panel.running
        assert "■ end" in study.screen_text
        assert "t=1078 s" in study.screen_text


async def test_playback_keys_work_in_the_cluster_panel() -> None:
    async with driven(LARGE, animated=True) as study:
        await study.propose()
        await study.finish()
        panel = study.study.query_one(ClusterPanel)
        player = panel.player
        assert player is not None
        panel.focus()
        await study.press("space")
        assert not player.playing
        speed = player.speed
        await study.press(">")
        assert player.speed == 2 * speed
        await study.press("<", "<")
        assert player.speed == speed / 2
        await study.press("end")
        assert player.at_end
        await study.press("home")
        assert player.playing


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_playback_keys_are_offered_only_where_there_is_something_to_play(size: tuple[int, int]) -> None:
    async with driven(size) as study:
        await study.propose()
        study.study.show_pane("cluster")
        await study.settle()
        study.study.query_one(ClusterPanel).focus()
        await study.settle()
        assert "play/pause" not in study.screen_text
        assert "Home" not in study.screen_text
        await study.finish()
        assert "space play/pause" in study.screen_text


async def test_a_run_is_shown_at_its_end_where_animations_are_off() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        await study.finish()
        panel = study.study.query_one(ClusterPanel)
        assert panel.player is not None
        assert panel.player.at_end
        assert not panel.running


async def test_nothing_plays_while_the_panel_is_not_on_the_screen() -> None:
    async with driven(SMALL, animated=True) as study:
        await study.propose()
        await study.finish()
        panel = study.study.query_one(ClusterPanel)
        assert not panel.running
        assert "cluster" in study.study.query_one(Tabs).fresh
        await study.press("f2")
        assert panel.running


async def test_damaged_telemetry_is_said_and_nothing_else_breaks() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        study.session.emit("engineer", ev.ApprovalAnswered(approval="ask-1", verb="approve"))
        study.session.emit("system", ev.ExperimentStarted(experiment="exp-1"))
        study.session.finish(1)
        study.session.recorded.clear()
        await study.settle()
        assert "no recorded telemetry exp-1-c" in study.message
        assert "better than llq" in study.screen_text


async def test_progress_of_a_running_experiment_is_shown() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        study.session.emit("engineer", ev.ApprovalAnswered(approval="ask-1", verb="approve"))
        study.session.emit("system", ev.ExperimentStarted(experiment="exp-1"))
        study.session.send(ev.Progress(subject="exp-1", done=7, total=20, remaining_s=12.0))
        await study.settle()
        assert "exp-1 runs: 7 of 20 runs done, about 12 s left" in study.screen_text
        await study.press("escape")
        assert study.session.interrupts == 1


async def test_designs_are_listed_and_opened() -> None:
    async with driven(LARGE) as study:
        await study.propose()
        await study.finish()
        designs = study.study.query_one(DesignsList)
        assert [place.design for place in designs.places] == ["shortest-first", "llq"]
        await study.press("escape")
        designs.focus()
        await study.press("enter")
        assert isinstance(study.app.screen, ReadingScreen)
        assert "shortest-first" in study.screen_text
