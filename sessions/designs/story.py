"""Why a design was accepted, told from its commit alone: the evidence and the journal's lines that led to it.

What the commit says may have been written by other hands: it is validated, and what can't be read of the journal
is counted and left out, never guessed. The chain of hashes is checked, so that an altered line is named.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from sessions import events as ev
from sessions.designs.model import DesignCommit
from sessions.errors import WorkspaceError
from sessions.journal import chain_hash

_Kind = TypeVar("_Kind", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer at the gate. ``rule``: the gate rule that answered in the engineer's place, or empty."""

    kind: ev.EffectKind
    subject: str
    time: str
    actor: ev.Actor
    verb: ev.Verb
    words: str
    rule: str


@dataclass(frozen=True, slots=True)
class Edit:
    """The engineer's change of the proposed source. ``diff``: unified, from ``before`` to ``after``; empty when the
    source before it isn't part of the commit."""

    time: str
    before: str
    after: str
    diff: str


@dataclass(frozen=True, slots=True)
class Question:
    """What the Supervisor said, when, and what for."""

    time: str
    text: str
    verdict: str
    trigger: str


@dataclass(frozen=True, slots=True)
class Record:
    """How sound the journal's segment is. ``problem``: the first thing that is wrong with it, or empty.

    ``complete``: its last line is the one that the evidence names as the head of the journal.
    """

    lines: int
    unreadable: int
    problem: str
    complete: bool


@dataclass(frozen=True, slots=True)
class Story:
    """Everything behind an accepted design, oldest first within each part."""

    proposal: ev.ExperimentProposed
    result: ev.ExperimentFinished
    held_out: ev.HeldOutFinished
    reason: str
    approved_by: str
    decisions: list[Decision]
    edits: list[Edit]
    questions: list[Question]
    record: Record


def tell(design: DesignCommit) -> Story:
    """The story of ``design``, which comes with its files. Raises :class:`WorkspaceError` without sound evidence."""
    try:
        evidence = json.loads(design.files["evidence.json"])
        experiment = evidence["experiment"]
        proposal = _read(ev.ExperimentProposed, experiment["proposal"])
        result = _read(ev.ExperimentFinished, experiment["result"])
        held_out = _read(ev.HeldOutFinished, evidence["held_out"])
        approved_by, head = str(evidence["approved_by"]), str(evidence["journal_head"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WorkspaceError(
            f"The evidence of {design.commit[:10]} can't be read ({_short(error)}); the commit is damaged, or another "
            "version of Glia made it."
        ) from error
    lines = design.files.get("journal.jsonl", "").splitlines()
    events, record = _segment(lines, head)
    return Story(
        proposal=proposal,
        result=result,
        held_out=held_out,
        reason=_reason(events, held_out.acceptance) or design.body,
        approved_by=approved_by,
        decisions=list(_decisions(events, {proposal.experiment, held_out.acceptance})),
        edits=list(_edits(events, proposal)),
        questions=_questions(events, proposal.experiment),
        record=record,
    )


def _read(kind: type[_Kind], content: dict[str, JsonValue]) -> _Kind:
    """``content`` as an event's payload; the evidence may say more of it than the event does."""
    return kind.model_validate({name: value for name, value in content.items() if name in kind.model_fields})


def _short(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return f"no {error}" if isinstance(error, KeyError) else str(error)


def _segment(lines: list[str], head: str) -> tuple[list[ev.Event], Record]:
    """The readable events of the segment, and how sound it is. Line numbers count from 1."""
    events: list[ev.Event] = []
    problem, previous, unreadable = "", "", 0
    for number, line in enumerate(lines, start=1):
        try:
            content = json.loads(line)
            stated = content.pop("hash")
            if not problem and (stated != chain_hash(content["prev"], content)):
                problem = f"line {number} was changed after it was written"
            if not problem and previous and content["prev"] != previous:
                problem = f"line {number} doesn't continue the line before"
            previous = str(stated)
            events.append(ev.Event.model_validate({**content, "hash": stated}))
        except (ValueError, KeyError, TypeError, AttributeError):
            unreadable += 1
            problem = problem or f"line {number} is no event that this version of Glia knows"
    return events, Record(len(lines), unreadable, problem, bool(lines) and previous == head)


def _reason(events: list[ev.Event], acceptance: str) -> str:
    proposals = (e.data for e in events if isinstance(e.data, ev.AcceptanceProposed))
    return next((p.reason for p in proposals if p.acceptance == acceptance), "")


def _decisions(events: list[ev.Event], subjects: set[str]) -> Iterator[Decision]:
    asked: dict[str, ev.ApprovalAsked] = {}
    for event in events:
        match event.data:
            case ev.ApprovalAsked() as question if question.subject in subjects:
                asked[question.approval] = question
            case ev.ApprovalAnswered() as answer if answer.approval in asked:
                about = asked[answer.approval]
                yield Decision(
                    about.kind, about.subject, event.time, event.actor, answer.verb, answer.words, answer.rule
                )
            case _:
                pass


def _edits(events: list[ev.Event], proposal: ev.ExperimentProposed) -> Iterator[Edit]:
    """The edits by which the proposed design became the measured one."""
    sources = {e.data.design: e.data.source for e in events if isinstance(e.data, ev.DesignWritten)}
    approvals = {
        e.data.approval
        for e in events
        if isinstance(e.data, ev.ApprovalAsked) and e.data.subject == proposal.experiment
    }
    before = proposal.design
    for event in events:
        answer = event.data
        if isinstance(answer, ev.ApprovalAnswered) and answer.verb == "edit" and answer.approval in approvals:
            yield Edit(event.time, before, answer.design, _between(sources, before, answer.design))
            before = answer.design


def _between(sources: dict[str, str], before: str, after: str) -> str:
    if before not in sources or after not in sources:
        return ""
    return unified(sources[before], sources[after], before, after)


def unified(old: str, new: str, old_name: str, new_name: str) -> str:
    """The unified diff of two texts, as ``patch`` reads it; empty when they are equal."""
    lines = difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), old_name, new_name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _questions(events: list[ev.Event], experiment: str) -> list[Question]:
    """The Supervisor's last words before the experiment was proposed, and all that it said from then on."""
    proposed = [
        number
        for number, event in enumerate(events)
        if isinstance(event.data, ev.ExperimentProposed) and event.data.experiment == experiment
    ]
    start = proposed[0] if proposed else 0
    spoken = [
        (number, Question(event.time, event.data.text, event.data.verdict, event.data.trigger))
        for number, event in enumerate(events)
        if isinstance(event.data, ev.SupervisorSpoke)
    ]
    return [q for number, q in spoken if number < start][-1:] + [q for number, q in spoken if number >= start]
