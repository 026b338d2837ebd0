"""A study as its journal tells it: a proposal that the engineer edits, a redirect before it, and an acceptance."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from sessions import events as ev
from sessions.designs import AcceptedDesign
from sessions.journal import Journal
from tests.sessions.designs.conftest import SOURCE, accepted

EDITED = SOURCE.replace("[0]", "[-1]")
CLOCK = "2025-01-02T03:04:05.000+00:00"


def comparison() -> ev.Comparison:
    return ev.Comparison(
        metric="e2e_s.mean",
        unit="s",
        baseline=30.0,
        candidate=20.0,
        difference=-10.0,
        ci95=(-12.0, -8.0),
        relative=-1 / 3,
        seeds=10,
        verdict="better",
        method="paired t",
    )


def proposal(number: int, design: str) -> ev.ExperimentProposed:
    return ev.ExperimentProposed(
        experiment=f"exp-{number}",
        call_id=f"call-{number}",
        title="take the last replica",
        hypothesis="The last replica is idle.",
        mechanism="Nobody else asks it.",
        design=design,
        baseline="llq",
        scenario="smoke",
        prediction=ev.Prediction(metric="e2e_s.mean", kind="relative", low=-40, high=-20, refuted_if="less than 20%"),
        seeds=[1, 2, 3],
        estimate_s=None,
    )


def written(name: str, source: str, parent: str) -> ev.DesignWritten:
    return ev.DesignWritten(design=name, slot="router", source=source, card="", parent=parent, digest=name)


def asked(approval: str, kind: ev.EffectKind, subject: str) -> ev.ApprovalAsked:
    return ev.ApprovalAsked(approval=approval, kind=kind, subject=subject)


def spoke(text: str, trigger: str) -> ev.SupervisorSpoke:
    return ev.SupervisorSpoke.model_validate({"text": text, "verdict": "continue", "trigger": trigger})


def study(folder: Path) -> AcceptedDesign:
    """The design ``last-edit1`` as it would be accepted, with real evidence and a real journal segment."""
    result = ev.ExperimentFinished(
        experiment="exp-2", outcome="ok", comparison=comparison(), prediction="confirmed", wall_s=1.0
    )
    held_out = ev.HeldOutFinished(acceptance="acc-1", outcome="ok", comparison=comparison(), passed=True)
    journal = Journal(folder / "journal.jsonl", lambda: CLOCK)
    happened: list[tuple[ev.Actor, ev.Payload]] = [
        ("supervisor", spoke("Long forgotten?", "cadence")),
        ("supervisor", spoke("What is the cause?", "cadence")),
        ("researcher", written("last", SOURCE, "llq")),
        ("researcher", proposal(1, "other")),
        ("system", asked("app-1", "experiment", "exp-1")),
        ("engineer", ev.ApprovalAnswered(approval="app-1", verb="redirect", words="Another experiment's words.")),
        ("researcher", proposal(2, "last")),
        ("system", asked("app-2", "experiment", "exp-2")),
        ("engineer", written("last-edit1", EDITED, "last")),
        ("engineer", ev.ApprovalAnswered(approval="app-2", verb="edit", words="The\x1b[2J end.", design="last-edit1")),
        ("system", result),
        (
            "researcher",
            ev.AcceptanceProposed(
                acceptance="acc-1", call_id="c", design="last-edit1", experiment="exp-2", reason="It is better."
            ),
        ),
        ("supervisor", spoke("And the tail?", "acceptance")),
        ("system", asked("app-3", "acceptance", "acc-1")),
        ("engineer", ev.ApprovalAnswered(approval="app-3", verb="approve", words="Go.")),
        ("system", held_out),
    ]
    for actor, data in happened:
        journal.append(actor, data)
    evidence: dict[str, JsonValue] = {
        "journal_head": journal.head,
        "approved_by": "Ada <ada@example.org>",
        "experiment": {
            "proposal": proposal(2, "last").model_dump(mode="json"),
            "result": result.model_dump(mode="json"),
        },
        "held_out": {**held_out.model_dump(mode="json"), "seeds": [7, 8]},
    }
    segment = journal.lines(0, len(journal.events) - 1)
    journal.close()
    trailers = [("Session", "s-1"), ("Held-out", "30.0 s to 20.0 s"), ("Approved-by", "Ada")]
    return accepted("last-edit1", source=EDITED, evidence=evidence, journal_segment=segment, trailers=trailers)
