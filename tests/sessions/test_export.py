"""The Markdown of a study: complete, and no words in it pass for its own markup."""

from __future__ import annotations

import re

import pytest

from sessions import events as ev
from sessions.export import experiment_row, fenced, markdown, plain, predicted
from sessions.journal import GENESIS
from sessions.state import StudyState, fold

STARTED = ev.SessionStarted(
    session="20260101-000000-aaaa",
    product="0",
    simulator="sim",
    playground="serving",
    scenario="smoke",
    scenario_digest="0" * 64,
    slot="router",
    baseline="llq",
    metric="e2e_s.mean",
    backend="offline",
    gate="supervised",
    seed=0,
    seeds_per_experiment=10,
    max_experiments=None,
    max_minutes=None,
    isolation="process",
)
PREDICTION = ev.Prediction(metric="e2e_s.mean", kind="relative", low=-40, high=-9.8, refuted_if="it doesn't fall")


def study(*happened: tuple[ev.Actor, ev.Payload]) -> StudyState:
    events = [
        ev.Event(
            v=1, seq=seq, time="2026-01-01T00:00:00", actor=actor, context="main", data=data, prev=GENESIS, hash=""
        )
        for seq, (actor, data) in enumerate((("system", STARTED), *happened))
    ]
    return fold(events)


def proposal(title: str) -> ev.ExperimentProposed:
    return ev.ExperimentProposed(
        experiment="exp-1",
        call_id="c1",
        title=title,
        hypothesis="waiting costs",
        mechanism="hold them",
        design="mine",
        baseline="llq",
        scenario="smoke",
        prediction=PREDICTION,
        seeds=[1, 2],
        estimate_s=None,
    )


def test_what_was_said_proposed_and_decided_is_told_in_order() -> None:
    text = markdown(
        study(
            ("engineer", ev.EngineerSaid(text="why is P99 bad?")),
            ("researcher", proposal("hold requests")),
            ("system", ev.ApprovalAsked(approval="ask-1", kind="experiment", subject="exp-1")),
            ("engineer", ev.ApprovalAnswered(approval="ask-1", verb="redirect", words="ablate first")),
        ),
        "open",
    )
    places = [text.index(words) for words in ("why is P99", "hold requests", "redirect", "ablate first")]
    assert places == sorted(places)
    assert "- prediction: mean completion time -40% to -10%" in text
    assert "| exp-1 | mine | llq |" in text
    assert "- status: open" in text


@pytest.mark.parametrize(
    "words",
    [
        "<script>alert(1)</script>",
        "![x](https://example.org/p.png)",
        "[x](javascript:alert)",
        "[x]: https://example.org",
        "![x][y]",
        "fine\n\n# A heading of its own\n\n| a | b |",
        "```\nan open fence",
        "a\rb\x1b[2Jc\u2028# d",
    ],
)
def test_words_stay_in_their_quote_and_are_no_html_link_or_image(words: str) -> None:
    text = markdown(study(("researcher", ev.AgentReplied(text=words, stop_reason="end_turn"))), "open")
    said = text.split("## What happened", 1)[1].strip().splitlines()
    assert said[0].startswith("**Researcher**")
    assert said[2:]
    assert all(line.startswith(">") for line in said[2:])
    assert not re.search(r"<\w|\]\(|\]:|\]\[|[\x00-\x08\x0b-\x1f\u2028]", "\n".join(said))


def test_one_line_texts_can_not_break_a_table_or_become_markup() -> None:
    assert plain("a | b\n# *c* <d> [e](f)") == r"a \| b \# \*c\* \<d\> \[e\](f)"


def test_a_source_can_not_close_its_fence() -> None:
    source = '"""\n```\n````\n"""\n'
    lines = fenced(source)
    assert lines[0] == "`````python"
    assert lines[-1] == "`````"


def test_a_failed_experiment_has_its_outcome_in_place_of_a_figure() -> None:
    state = study(
        ("researcher", proposal("t")),
        ("system", ev.ExperimentFinished(experiment="exp-1", outcome="timeout", message="too slow")),
    )
    row = experiment_row(state.experiments["exp-1"], "e2e_s.mean")
    assert row[4] == "timeout"
    assert row[5:7] == ("", "")
    assert "timeout: too slow" in markdown(state, "open")


def test_an_absolute_prediction_has_the_figure_s_unit() -> None:
    p = PREDICTION.model_copy(update={"kind": "absolute", "metric": "preempted_share", "low": 0.05, "high": 1.0})
    assert predicted(p) == "share of requests preempted at least once 5.0% to 100.0%"
