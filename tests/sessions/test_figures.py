"""Figures by name: every metric of a scenario is one, and one that a run lacks is said to be undefined."""

from __future__ import annotations

import pytest

from sessions.errors import UndefinedFigure, UnknownName
from sessions.figures import FIGURES, figure, known_figures, shown
from sim.metrics import GOALS

ONE_TOKEN = {"e2e_s": {"mean": 2.0}, "tpot_s": {"mean": None}}


def test_every_metric_that_a_scenario_may_have_is_a_figure() -> None:
    assert set(GOALS) <= set(FIGURES)


def test_a_figure_that_nothing_was_measured_for_is_undefined_and_shown_as_such() -> None:
    with pytest.raises(UndefinedFigure, match=r"'tpot_s\.mean' is undefined here"):
        figure(ONE_TOKEN, "tpot_s.mean")
    assert known_figures(ONE_TOKEN) == {"e2e_s.mean": 2.0}
    assert (shown(ONE_TOKEN, "tpot_s.mean"), shown(ONE_TOKEN, "e2e_s.mean")) == ("n/a", "2.00 s")


def test_a_name_that_is_no_figure_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'e2e_s\.mean'"):
        figure(ONE_TOKEN, "e2e_s.maen")
