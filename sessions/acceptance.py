"""From a held-out result to a commit: the evidence, the trailers, and the two-step journalled commit.

The commit's object id stands in the journal, synced, before any ref moves. Whatever happens in between, going on
publishes that same commit: it is never made twice and never lost.
"""

from __future__ import annotations

import asyncio
import platform
from typing import NamedTuple

import numpy as np
from pydantic import JsonValue

from sessions import events as ev
from sessions.designs import AcceptedDesign, Prepared
from sessions.errors import WorkspaceConflict
from sessions.experiments.laboratory import Measured
from sessions.figures import FIGURES, show
from sessions.state import Acceptance
from sessions.study import Study

EVIDENCE_SCHEMA = 1


class Identity(NamedTuple):
    """Who signs: name and e-mail."""

    name: str
    email: str


ATTEMPTS = 5
"""How often a commit is prepared anew when someone else moved the branch in between."""


def passed_held_out(acceptance: Acceptance, measured: Measured, baseline: str) -> ev.HeldOutFinished:
    """The held-out verdict: a design passes only if it is shown to be *better* than the study's baseline."""
    c = measured.comparison
    passed = c is not None and c.verdict == "better"
    message = measured.message
    if c is not None and not passed:
        message = (
            f"on held-out seeds {acceptance.proposal.design} isn't shown to be better than {baseline}: "
            f"{show(c.metric, c.candidate)} against {show(c.metric, c.baseline)} ({c.verdict})."
        )
    return ev.HeldOutFinished(
        acceptance=acceptance.id,
        outcome=measured.outcome,
        message=message,
        candidate=measured.candidate,
        baseline=measured.baseline,
        comparison=c,
        passed=passed,
    )


async def commit_accepted(study: Study, acceptance: Acceptance) -> None:
    """Commits the design and moves branch and tag, once. Raises :class:`SessionError` if git can't."""
    for attempt in range(ATTEMPTS):
        intent = acceptance.intent if attempt == 0 else None
        prepared = await _prepared(study, acceptance, intent)
        try:
            await asyncio.to_thread(study.repository.publish, prepared)
        except WorkspaceConflict:
            if attempt == ATTEMPTS - 1:
                raise
            continue
        study.record(
            "system",
            ev.DesignAccepted(
                acceptance=acceptance.id,
                design=acceptance.proposal.design,
                commit=prepared.commit,
                tag=prepared.tag,
            ),
        )
        await study.journal.sync()
        return


async def _prepared(study: Study, acceptance: Acceptance, intent: ev.CommitIntended | None) -> Prepared:
    if intent is not None:
        return Prepared(intent.commit, intent.parent, intent.branch, intent.tag, intent.tag_object)
    await asyncio.to_thread(study.repository.ensure)
    identity = Identity(*await asyncio.to_thread(study.repository.identity))
    prepared = await asyncio.to_thread(study.repository.prepare, _accepted(study, acceptance, identity))
    study.record(
        "system",
        ev.CommitIntended(
            acceptance=acceptance.id,
            commit=prepared.commit,
            parent=prepared.parent,
            branch=prepared.branch,
            tag=prepared.tag,
            tag_object=prepared.tag_object,
        ),
    )
    await study.journal.sync()
    return prepared


def _accepted(study: Study, acceptance: Acceptance, engineer: Identity) -> AcceptedDesign:
    design = study.state.designs[acceptance.proposal.design]
    experiment = study.state.experiments[acceptance.proposal.experiment]
    result, held_out = experiment.result, acceptance.held_out
    assert held_out is not None
    assert held_out.comparison is not None
    assert result is not None
    author = engineer
    if design.author == "researcher":
        author = Identity(f"Glia Researcher ({study.started.backend})", "researcher@glia.invalid")
    answer = study.state.approvals[acceptance.approval].answer
    assert answer is not None
    approved_by = f"{engineer.name} <{engineer.email}>" if not answer.rule else f"{answer.rule} ({engineer.name})"
    card, c = study.card, held_out.comparison
    return AcceptedDesign(
        slot=design.slot,
        name=design.name,
        source=design.source,
        card=f"# {design.name}\n\n{design.card}\n",
        evidence=_evidence(study, acceptance, approved_by),
        journal_segment=study.journal.lines(_segment_start(study), len(study.journal.events) - 1),
        author_name=author.name,
        author_email=author.email,
        approver_name=engineer.name,
        approver_email=engineer.email,
        subject=f"Accept {design.slot} {design.name}: {FIGURES[c.metric].title} {_change(c)}",
        body=acceptance.proposal.reason,
        trailers=[
            ("Session", study.started.session),
            ("Experiment", experiment.id),
            ("Hypothesis", experiment.proposal.hypothesis),
            ("Scenario", f"{card.name} ({card.digest[:12]})"),
            ("Metric", f"{c.metric} {_explored(result)} on {len(experiment.proposal.seeds)} explore seeds"),
            ("Baseline", study.started.baseline),
            (
                "Held-out",
                f"{_change(c)}, 95% interval {_interval(c)}, {c.seeds} fresh seeds of "
                f"{acceptance.held_out_scenario}: {c.verdict}",
            ),
            ("Parent-Design", design.parent or "none"),
            ("Simulator", study.started.simulator),
            ("Isolation", study.started.isolation),
            ("Approved-by", approved_by),
        ],
    )


def _change(c: ev.Comparison) -> str:
    return f"{show(c.metric, c.baseline)} to {show(c.metric, c.candidate)} ({c.relative:+.1%})"


def _explored(result: ev.ExperimentFinished) -> str:
    """What the experiment showed; its own baseline may be an earlier design rather than the study's."""
    c = result.comparison
    return "" if c is None or result.baseline is None else f"{_change(c)} against {result.baseline.design}"


def _interval(c: ev.Comparison) -> str:
    low, high = c.ci95
    return f"{show(c.metric, low)} to {show(c.metric, high)} of the difference"


def _segment_start(study: Study) -> int:
    """The journal's line after the last accepted design: where the story of this one begins."""
    accepted = [e.seq for e in study.journal.events if isinstance(e.data, ev.DesignAccepted)]
    return accepted[-1] + 1 if accepted else 0


def _evidence(study: Study, acceptance: Acceptance, approved_by: str) -> dict[str, JsonValue]:
    """Everything an audit needs to run the claim again, and what it has to find."""
    design = study.state.designs[acceptance.proposal.design]
    experiment = study.state.experiments[acceptance.proposal.experiment]
    result, held_out = experiment.result, acceptance.held_out
    assert held_out is not None
    assert result is not None
    unseen = study.playground.scenario(acceptance.held_out_scenario)
    return {
        "schema": EVIDENCE_SCHEMA,
        "session": study.started.session,
        "journal_head": study.journal.head,
        "product": study.started.product,
        "simulator": study.started.simulator,
        "environment": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "machine": platform.machine(),
        },
        "isolation": study.started.isolation,
        "scenario": {"name": study.card.name, "digest": study.card.digest, "source": study.card.source},
        "slot": design.slot,
        "design": {"name": design.name, "digest": design.digest, "parent": design.parent},
        "baseline": study.started.baseline,
        "approved_by": approved_by,
        "experiment": {
            "proposal": experiment.proposal.model_dump(mode="json"),
            "result": result.model_dump(mode="json"),
        },
        "held_out": {
            **held_out.model_dump(mode="json"),
            "scenario": {"name": unseen.name, "digest": unseen.digest, "source": unseen.source},
            "seeds": list(acceptance.held_out_seeds),
        },
    }
