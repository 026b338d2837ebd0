"""The Supervisor sees figures and never code, asks by its written rules, and asks a thing once."""

from __future__ import annotations

import json

import pytest
from pydantic import JsonValue

from sessions.agents.supervisor import split_verdict
from sessions.models.base import ModelRequest, UserText
from sessions.models.offline import supervising


def row(number: int, design: str, *, mean: float = 30.0, p99: float = 200.0, preempted: float = 0.0, **more: JsonValue):  # type: ignore[no-untyped-def]
    figures = {"e2e_s.mean": mean, "e2e_s.p99": p99, "e2e_s.max": 300.0, "preempted_share": preempted}
    prediction = {"metric": "e2e_s.mean", "kind": "relative", "low": -40.0, "high": -5.0}
    return {
        "id": f"exp-{number}",
        "title": "t",
        "design": design,
        "against": "llq",
        "candidate": figures,
        "prediction": prediction,
        "prediction_was": "confirmed",
    } | more


def ask(*rows: dict[str, JsonValue], trigger: str = "cadence", asked: tuple[str, ...] = (), **more: JsonValue) -> str:
    view = {"trigger": trigger, "experiments": list(rows), "asked_before": list(asked), "experiments_left": None} | more
    request = ModelRequest("supervisor", "", (UserText("task", json.dumps(view)),))
    return supervising.reply(request).text


BASE = row(1, "llq")


def test_a_refuted_prediction_is_asked_about() -> None:
    text = ask(BASE, row(2, "a", prediction_was="refuted"))
    assert "exp-2 refuted your prediction" in text
    assert split_verdict(text)[1] == "continue"


def test_a_tail_that_pays_for_the_mean_is_asked_about_with_its_figures() -> None:
    text = ask(BASE, row(2, "a", mean=20.0, p99=260.0))
    assert "200.0 s to 260.0 s under a" in text
    assert "long prompt" in text


def test_restarts_that_persist_are_asked_about() -> None:
    assert "Why do restarts persist?" in ask(BASE, row(2, "a", preempted=0.2))


def test_a_question_is_asked_once() -> None:
    first = ask(BASE, row(2, "a", preempted=0.2))
    again = ask(BASE, row(2, "a", preempted=0.2), asked=(first,))
    assert "Why do restarts persist?" not in again


def test_an_acceptance_without_an_ablation_is_sent_back_while_there_is_budget() -> None:
    accepted = {"design": "a", "reason": "better"}
    text = ask(BASE, row(2, "a"), trigger="acceptance", acceptance=accepted)
    assert split_verdict(text)[1] == "revise"
    assert "what is lost without each" in text
    spent = ask(BASE, row(2, "a"), trigger="acceptance", acceptance=accepted, experiments_left=0)
    assert split_verdict(spent)[1] == "continue"


def test_an_ablated_design_may_be_accepted() -> None:
    ablation = row(3, "b", title="ablation: a without order", against="a")
    text = ask(BASE, row(2, "a"), ablation, trigger="acceptance", acceptance={"design": "a", "reason": "better"})
    assert split_verdict(text)[1] == "continue"


def test_a_stall_is_said_and_the_second_one_ends_the_study() -> None:
    first = ask(BASE, row(2, "a"), trigger="stall")
    assert split_verdict(first)[1] == "revise"
    second = ask(BASE, row(2, "a"), trigger="stall", asked=(first,))
    assert split_verdict(second)[1] == "finish"
    assert "conclude" in second


@pytest.mark.parametrize(
    ("text", "words", "verdict"),
    [
        ("Why?\nVERDICT: revise", "Why?", "revise"),
        ("Why?\n**verdict: Finish**", "Why?", "finish"),
        ("Why?", "Why?", "continue"),
        ("Why?\nVERDICT: maybe", "Why?", "continue"),
        ("The VERDICT: revise was mine", "The VERDICT: revise was mine", "continue"),
    ],
)
def test_a_verdict_is_read_from_its_own_line_only(text: str, words: str, verdict: str) -> None:
    assert split_verdict(text) == (words, verdict)
