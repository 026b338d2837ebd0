"""What the Supervisor is shown, when it is asked, and how its verdict is read.

It sees the Researcher's reports and the experiment ledger, never code, and has no tools. It is asked after every
few experiments, when the Researcher stalls, and before any acceptance.
"""

from __future__ import annotations

import json
import re
from typing import Literal, cast, get_args

from pydantic import JsonValue

from sessions import events as ev
from sessions.figures import known_figures
from sessions.models.base import ModelRequest, UserText
from sessions.state import Experiment, StudyState

CADENCE = 3
"""Finished experiments between two reviews."""

STALL = 4
"""Finished experiments without a *better* verdict that count as a stall."""

Trigger = Literal["cadence", "stall", "acceptance"]
SupervisorVerdict = Literal["continue", "revise", "finish"]

SYSTEM = """\
You are the Supervisor of a systems study: an advisor who reads reports and asks. You have no tools and no code.
Ask one or two short Socratic questions about what the figures show: the cause, the tail, what was forgotten, what
would prove the claim wrong. Bring no algorithm of your own. End with a line `VERDICT: continue`, `VERDICT: revise`
or `VERDICT: finish`."""

_REPORTED = ("e2e_s.mean", "e2e_s.p99", "e2e_s.max", "preempted_share")


def due(state: StudyState) -> Trigger | None:
    """Whether a review is due before the Researcher's next turn."""
    done = [e for e in state.experiments.values() if e.result is not None]
    reviewed = _experiments_at_last_review(state)
    if len(done) - reviewed < CADENCE:
        return None
    recent = done[-STALL:]
    if len(recent) == STALL and not any(_improved(e) for e in recent):
        return "stall"
    return "cadence"


def request(state: StudyState, trigger: Trigger, seed: int) -> ModelRequest:
    """The Supervisor's whole view of the study."""
    return ModelRequest("supervisor", SYSTEM, (UserText("task", json.dumps(ledger(state, trigger))),), (), seed)


def ledger(state: StudyState, trigger: Trigger) -> dict[str, JsonValue]:
    """The experiment ledger and the reports, as plain data. No source of any design is in it."""
    assert state.started is not None
    reports = [e.data.text for e in state.events if isinstance(e.data, ev.AgentReplied) and e.actor == "researcher"]
    asked = [e.data.text for e in state.events if isinstance(e.data, ev.SupervisorSpoke)]
    open_acceptance = next((a for a in reversed(state.acceptances.values()) if a.status == "proposed"), None)
    left = None if state.max_experiments is None else state.max_experiments - state.experiments_run
    return {
        "trigger": trigger,
        "metric": state.started.metric,
        "baseline": state.started.baseline,
        "experiments_left": left,
        "experiments": [_row(e) for e in state.experiments.values()],
        "insights": [i.text for i in state.insights],
        "acceptance": None
        if open_acceptance is None
        else {"design": open_acceptance.proposal.design, "reason": open_acceptance.proposal.reason},
        "asked_before": list(asked),
        "reports": cast(list[JsonValue], reports[-6:]),
    }


def _row(experiment: Experiment) -> dict[str, JsonValue]:
    p, result = experiment.proposal, experiment.result
    row: dict[str, JsonValue] = {
        "id": experiment.id,
        "title": p.title,
        "design": experiment.design,
        "against": p.baseline,
        "status": experiment.status,
        "prediction": p.prediction.model_dump(mode="json"),
    }
    if result is not None:
        row |= {"outcome": result.outcome, "prediction_was": result.prediction}
        for side, arm in (("candidate", result.candidate), ("reference", result.baseline)):
            if arm is not None:
                row[side] = {name: value for name, value in known_figures(arm.metrics).items() if name in _REPORTED}
        if result.comparison is not None:
            row["comparison"] = result.comparison.model_dump(mode="json")
    return row


def _improved(experiment: Experiment) -> bool:
    result = experiment.result
    return bool(result and result.comparison and result.comparison.verdict == "better")


def _experiments_at_last_review(state: StudyState) -> int:
    """How many experiments had finished when the Supervisor last spoke."""
    finished = at_review = 0
    for event in state.events:
        if isinstance(event.data, ev.ExperimentFinished):
            finished += 1
        elif isinstance(event.data, ev.SupervisorSpoke):
            at_review = finished
    return at_review


def split_verdict(text: str) -> tuple[str, SupervisorVerdict]:
    """The words and the verdict of a reply; no readable verdict means *continue*."""
    match = re.search(r"^\W*VERDICT:\W*(\w+)\W*$", text, re.IGNORECASE | re.MULTILINE)
    if not match:
        return text.strip(), "continue"
    said = match[1].lower()
    verdict = cast(SupervisorVerdict, said) if said in get_args(SupervisorVerdict) else "continue"
    return (text[: match.start()] + text[match.end() :]).strip(), verdict
