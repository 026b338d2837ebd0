"""Whether a study that was crashed and driven on is the study that it would have been.

Compared is the whole record, event by event, less what must differ (times, ids, the resume itself). Since a state is a
fold over its record, equal records are equal states. The engineer's asides run beside the rest, so the two are
compared apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from sessions import events as ev
from sessions.gate import rule_for
from sessions.journal import read
from sessions.state import StudyState, apply
from sessions.store import Workspace
from tests.sessions.crash_points import Photo

_DIFFERS = frozenset({"session", "wall_s", "estimate_s", "commit", "parent", "tag_object", "seen"})
"""Times, ids, and numbers of events, which the resume itself moves on."""
_OBJECT_ID = re.compile(r"commit [0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a recovery, each in one sentence; empty if nothing is."""

    different_end: str = ""
    lost: str = ""
    unapproved: str = ""
    commits: str = ""

    @property
    def problems(self) -> list[str]:
        return [p for p in (self.different_end, self.lost, self.unapproved, self.commits) if p]


def judge(
    undisturbed: Sequence[ev.Event],
    photo: Photo,
    workspace: Workspace,
    given: Iterable[tuple[str, str]],
) -> Verdict:
    """Looks at the journal and the repository that the recovery of ``photo`` left in ``workspace``."""
    events = read(workspace.folder("last") / "journal.jsonl").events
    return Verdict(
        different_end=_first_difference(undisturbed, events),
        lost="" if photo.cut else _lost(photo, events),
        unapproved=_unapproved(events, set(given)),
        commits=_commits(workspace, events),
    )


def _first_difference(undisturbed: Iterable[ev.Event], events: Iterable[ev.Event]) -> str:
    for expected, found in zip(_streams(undisturbed), _streams(events), strict=True):
        for number, (a, b) in enumerate(zip(expected, found, strict=False)):
            if a != b:
                return f"event {number} of the record is {b[:400]} instead of {a[:400]}"
        if len(expected) != len(found):
            extra = (expected + found)[min(len(expected), len(found)) :][:1] if len(found) < len(expected) else found
            return f"the record has {len(found)} events instead of {len(expected)}: {extra[-1][:200]}"
    return ""


def _streams(events: Iterable[ev.Event]) -> tuple[list[str], list[str]]:
    """The study's own events and the engineer's asides, as comparable text."""
    study: list[str] = []
    asides: list[str] = []
    for event in events:
        if isinstance(event.data, ev.SessionResumed) or _is_about_the_crash(event.data):
            if study and '"type": "session_stopped"' in study[-1]:
                study.pop()  # a study that had stopped goes on, and stops again
            continue
        beside = isinstance(event.data, ev.EngineerSaid) or (
            isinstance(event.data, ev.AgentReplied) and event.data.aside
        )
        text = json.dumps(_timeless(event.data.model_dump(mode="json")), sort_keys=True)
        (asides if beside else study).append(f"{event.actor}: {_OBJECT_ID.sub('commit X', text)}")
    return study, asides


def _is_about_the_crash(data: ev.Payload) -> bool:
    return isinstance(data, ev.Notice) and "was cut off the journal" in data.text


def _timeless(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _timeless(part) for key, part in value.items() if key not in _DIFFERS}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


def _lost(photo: Photo, events: Iterable[ev.Event]) -> str:
    """What was shown has to stand in the journal, unchanged and in order."""
    rest = iter([event.hash for event in events])
    gone = [shown for shown in photo.shown if shown not in rest]
    return f"{len(gone)} of {len(photo.shown)} events that were shown are gone" if gone else ""


def _unapproved(events: Iterable[ev.Event], given: set[tuple[str, str]]) -> str:
    """Every answer is one that the engineer gave or a rule that held; every effect stands on an answer."""
    state = StudyState()
    for event in events:
        match event.data:
            case ev.ApprovalAnswered(approval=name, verb=verb, rule=""):
                if event.actor != "engineer" or (name, verb) not in given:
                    return f"nobody answered {name} with {verb}"
            case ev.ApprovalAnswered(approval=name, rule=rule):
                if rule_for(state, state.approvals[name].kind) != ("auto", rule):
                    return f"no such rule held when {name} was answered: {rule}"
            case ev.ExperimentStarted(experiment=subject):
                if state.experiments[subject].status != "approved":
                    return f"{subject} ran while it was {state.experiments[subject].status}"
            case ev.HeldOutStarted(acceptance=subject):
                if state.acceptances[subject].status != "approved":
                    return f"{subject} was measured while it was {state.acceptances[subject].status}"
            case _:
                pass
        apply(state, event)
    return ""


def _commits(workspace: Workspace, events: Sequence[ev.Event]) -> str:
    """One commit, the one in the journal, with its tag, and its files in the working tree."""
    accepted = [event.data for event in events if isinstance(event.data, ev.DesignAccepted)]
    log = workspace.repository.log()
    if [(c.commit, c.tag) for c in log] != [(a.commit, a.tag) for a in accepted] or len(log) != 1:
        return f"{len(log)} commits ({[c.tag for c in log]}) for {len(accepted)} accepted designs in the journal"
    folder = workspace.root / "designs" / log[0].slot / log[0].design
    source = next(
        e.data.source for e in events if isinstance(e.data, ev.DesignWritten) and e.data.design == folder.name
    )
    files = ("policy.py", "card.md", "evidence.json", "journal.jsonl")
    missing = [name for name in files if not (folder / name).is_file() or not (folder / name).stat().st_size]
    if missing or (folder / "policy.py").read_text(encoding="utf-8") != source:
        return f"the files of {folder.name} aren't in the working tree as they were accepted ({missing})"
    return ""
