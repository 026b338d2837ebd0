"""``glia why``: what was proposed, changed, approved, measured and asked behind an accepted design."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import asdict
from pathlib import Path

from pydantic import JsonValue

from glia_tui.commands.output import print_json, terminal_safe
from sessions import events as ev
from sessions.designs import DesignCommit, DesignRepository
from sessions.designs.story import Decision, Story, tell
from sessions.figures import FIGURES, show

_WIDTH = 100
_VERBS = {
    "approve": "approved",
    "approve_kind": "approved, and every further one of its kind,",
    "edit": "approved with changes",
    "redirect": "redirected",
    "reject": "rejected",
}


def why(workspace: Path, rev: str, *, as_json: bool) -> None:
    """The story of one accepted design, from its commit alone."""
    commit = DesignRepository(workspace).show(rev)
    story = tell(commit)
    if as_json:
        print_json(_document(commit, story))
        return
    sys.stdout.write(terminal_safe("\n".join(_lines(commit, story))).rstrip() + "\n")


def _document(commit: DesignCommit, story: Story) -> dict[str, JsonValue]:
    proposal, result, held_out = story.proposal, story.result, story.held_out
    return {
        "commit": commit.commit,
        "tag": commit.tag,
        "slot": commit.slot,
        "design": commit.design,
        "accepted": commit.accepted,
        "author": f"{commit.author_name} <{commit.author_email}>",
        "approved_by": story.approved_by,
        "reason": story.reason,
        "proposal": proposal.model_dump(mode="json", exclude={"type", "call_id", "estimate_s"}),
        "edits": [asdict(edit) for edit in story.edits],
        "decisions": [asdict(decision) for decision in story.decisions],
        "result": {
            "outcome": result.outcome,
            "message": result.message,
            "prediction": result.prediction,
            "comparison": _comparison(result.comparison),
        },
        "held_out": {
            "outcome": held_out.outcome,
            "passed": held_out.passed,
            "message": held_out.message,
            "comparison": _comparison(held_out.comparison),
        },
        "supervisor": [asdict(question) for question in story.questions],
        "record": asdict(story.record),
    }


def _comparison(comparison: ev.Comparison | None) -> JsonValue:
    return None if comparison is None else comparison.model_dump(mode="json")


def _lines(commit: DesignCommit, story: Story) -> list[str]:
    proposal = story.proposal
    return [
        f"{commit.slot} {commit.design} · {commit.tag or commit.commit[:10]} · accepted {commit.accepted[:10]}",
        *_part("Proposal", f"{proposal.experiment}: {proposal.title}"),
        *_item("hypothesis", proposal.hypothesis),
        *_item("mechanism", proposal.mechanism),
        *_item("prediction", _prediction(proposal.prediction)),
        *_item("design", f"{proposal.design} against {proposal.baseline} on {len(proposal.seeds)} seeds"),
        *_edits(story),
        *_part("Measured", _outcome(story.result.outcome, story.result.message, story.result.comparison)),
        *_item("prediction", story.result.prediction),
        *_part("Proposed for acceptance", story.reason),
        *_part("Held out", _outcome(story.held_out.outcome, story.held_out.message, story.held_out.comparison)),
        *_part("Approved by", story.approved_by),
        *[line for decision in story.decisions for line in _item(_when(decision.time), _decision(decision))],
        *_part("The Supervisor asked" if story.questions else "The Supervisor said nothing", ""),
        *[line for q in story.questions for line in _item(_when(q.time), f"{q.text} ({q.trigger}: {q.verdict})")],
        *_part("Record", _record(story)),
    ]


def _edits(story: Story) -> list[str]:
    if not story.edits:
        return _part("Edits by the engineer", "none")
    lines: list[str] = []
    for edit in story.edits:
        lines += _part("Edit by the engineer", f"{_when(edit.time)}: {edit.before} became {edit.after}")
        told = edit.diff or "The source before it was written in an earlier part of the study."
        lines += ["  " + line for line in told.splitlines()]
    return lines


def _decision(decision: Decision) -> str:
    who = f"the rule {decision.rule!r}" if decision.rule else f"the {decision.actor}"
    words = f": {decision.words}" if decision.words else ""
    return f"{decision.kind} {decision.subject} {_VERBS[decision.verb]} by {who}{words}"


def _prediction(p: ev.Prediction) -> str:
    title = FIGURES[p.metric].title if p.metric in FIGURES else p.metric
    if p.kind == "relative":
        said = f"{title} changes by {p.low:+g}% to {p.high:+g}%"
    else:
        said = f"{title} between {show(p.metric, p.low)} and {show(p.metric, p.high)}"
    return f"{said}; refuted if {p.refuted_if}"


def _outcome(outcome: str, message: str, c: ev.Comparison | None) -> str:
    if c is None:
        return f"{outcome}: {message}" if message else outcome
    low, high = (show(c.metric, value) for value in c.ci95)
    title = FIGURES[c.metric].title if c.metric in FIGURES else c.metric
    return (
        f"{title} {show(c.metric, c.baseline)} to {show(c.metric, c.candidate)} ({c.relative:+.1%}), 95% interval of "
        f"the difference {low} to {high}, {c.seeds} seeds: {c.verdict}"
    )


def _record(story: Story) -> str:
    record = story.record
    if record.problem:
        return f"{record.lines} lines of the journal, not sound: {record.problem}"
    if not record.complete:
        return f"{record.lines} lines of the journal, an intact chain that doesn't end where the evidence says"
    return f"{record.lines} lines of the journal, an intact chain up to the evidence's own"


def _when(time: str) -> str:
    return time[:16].replace("T", " ")


def _part(title: str, text: str) -> list[str]:
    head = f"{title}: {text}" if text else title
    return ["", *_wrapped(head, "  ")]


def _item(name: str, text: str) -> list[str]:
    return ["  " + line for line in _wrapped(f"{name}: {text}", "  ")]


def _wrapped(text: str, indent: str) -> list[str]:
    return [
        line
        for paragraph in text.splitlines()
        for line in textwrap.wrap(paragraph, _WIDTH, subsequent_indent=indent) or [""]
    ]
