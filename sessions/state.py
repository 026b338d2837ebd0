"""A study's state as a pure fold over its events. No input but the events, no output but the state.

The state object knows nothing of asyncio, files or widgets: the session acts on it, every surface draws it, and
tests feed it synthetic events.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from sessions import events as ev
from sessions.errors import SessionError


@dataclass(slots=True)
class Design:
    """A design written in this study. ``author``: who wrote this version."""

    name: str
    slot: str
    source: str
    card: str
    parent: str
    digest: str
    author: ev.Actor
    commit: str = ""


@dataclass(slots=True)
class Experiment:
    """One experiment from proposal to result. ``design`` changes when the engineer edits the proposal."""

    id: str
    proposal: ev.ExperimentProposed
    design: str
    status: Literal["proposed", "approved", "running", "finished", "rejected", "cancelled"] = "proposed"
    approval: str = ""
    result: ev.ExperimentFinished | None = None


@dataclass(slots=True)
class Acceptance:
    id: str
    proposal: ev.AcceptanceProposed
    status: Literal["proposed", "returned", "approved", "held-out", "failed", "committing", "accepted", "rejected"] = (
        "proposed"
    )
    approval: str = ""
    held_out_scenario: str = ""
    held_out_seeds: list[int] = field(default_factory=list)
    held_out: ev.HeldOutFinished | None = None
    intent: ev.CommitIntended | None = None


@dataclass(slots=True)
class Approval:
    id: str
    kind: ev.EffectKind
    subject: str
    answer: ev.ApprovalAnswered | None = None


@dataclass(slots=True)
class StudyState:
    """Everything a surface needs. ``events`` is the whole record, in order."""

    started: ev.SessionStarted | None = None
    events: list[ev.Event] = field(default_factory=list)
    designs: dict[str, Design] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    acceptances: dict[str, Acceptance] = field(default_factory=dict)
    approvals: dict[str, Approval] = field(default_factory=dict)
    insights: list[ev.InsightRecorded] = field(default_factory=list)
    gate: ev.GateMode = "supervised"
    auto: list[ev.EffectKind] = field(default_factory=list)
    max_experiments: int | None = None
    max_minutes: float | None = None
    usage: ev.Usage = field(default_factory=ev.Usage)
    stopped: ev.SessionStopped | None = None

    @property
    def pending(self) -> Approval | None:
        """The approval that waits for an answer, if any. There is at most one per context."""
        for approval in reversed(self.approvals.values()):
            if approval.answer is None:
                return approval
        return None

    @property
    def running(self) -> Experiment | None:
        for experiment in reversed(self.experiments.values()):
            if experiment.status == "running":
                return experiment
        return None

    @property
    def experiments_run(self) -> int:
        """Experiments that count against the budget: everything that was started."""
        return sum(e.status in ("running", "finished", "cancelled") for e in self.experiments.values())

    @property
    def best(self) -> Experiment | None:
        """The finished experiment with the lowest candidate mean among those shown to be better than the
        baseline. Ties inside the noise are for the leaderboard to show; this is only the header's figure."""
        better = [
            e
            for e in self.experiments.values()
            if e.result and e.result.comparison and e.result.comparison.verdict == "better"
        ]
        return min(better, key=_candidate_mean, default=None)

    def gain_over_baseline(self, comparison: ev.Comparison) -> float:
        """Relative change of the comparison's candidate against the study's own baseline (-0.4: 40% lower).

        An experiment may have compared with an earlier design; the study's baseline was measured on the same seeds.
        """
        for experiment in self.experiments.values():
            found = experiment.result and experiment.result.comparison
            if found and self.started and experiment.proposal.baseline == self.started.baseline:
                same = found.metric == comparison.metric and found.seeds == comparison.seeds
                if same and found.baseline:
                    return comparison.candidate / found.baseline - 1
        return comparison.relative

    def experiment_of_call(self, call_id: str) -> Experiment | None:
        return next((e for e in self.experiments.values() if e.proposal.call_id == call_id), None)

    def acceptance_of_call(self, call_id: str) -> Acceptance | None:
        return next((a for a in self.acceptances.values() if a.proposal.call_id == call_id), None)


def _candidate_mean(experiment: Experiment) -> float:
    assert experiment.result is not None
    assert experiment.result.comparison is not None
    return experiment.result.comparison.candidate


def fold(events: Iterable[ev.Event]) -> StudyState:
    """The state after ``events``."""
    state = StudyState()
    for event in events:
        apply(state, event)
    return state


def fold_of(events: Iterable[ev.Event], session: str) -> StudyState:
    """As :func:`fold`, for lines from a disk. Raises :class:`SessionError` where sound lines make no sense together."""
    try:
        return fold(events)
    except KeyError as error:
        raise SessionError(
            f"The journal of {session} contradicts itself: it speaks of {error} and never says what that is. "
            "Nothing was changed; restore the file from a copy."
        ) from error


def apply(state: StudyState, event: ev.Event) -> None:
    """Moves ``state`` past one event."""
    state.events.append(event)
    match event.data:
        case ev.SessionStarted() as started:
            state.started = started
            state.gate = started.gate
            state.max_experiments = started.max_experiments
            state.max_minutes = started.max_minutes
        case ev.SessionResumed():
            state.stopped = None
        case ev.AgentReplied() as reply:
            state.usage = _add(state.usage, reply.usage)
        case ev.DesignWritten() as d:
            state.designs[d.design] = Design(d.design, d.slot, d.source, d.card, d.parent, d.digest, event.actor)
        case ev.GateChanged() as gate:
            state.gate, state.auto = gate.mode, list(gate.auto)
        case ev.BudgetChanged() as budget:
            state.max_experiments, state.max_minutes = budget.max_experiments, budget.max_minutes
        case ev.InsightRecorded() as insight:
            state.insights.append(insight)
        case ev.SessionStopped() as stopped:
            state.stopped = stopped
        case _:
            _apply_effect(state, event.data)


def _apply_effect(state: StudyState, data: ev.Payload) -> None:
    """Experiments, acceptances and their approvals."""
    match data:
        case ev.ExperimentProposed() as p:
            state.experiments[p.experiment] = Experiment(p.experiment, p, p.design)
        case ev.AcceptanceProposed() as p:
            state.acceptances[p.acceptance] = Acceptance(p.acceptance, p)
        case ev.ApprovalAsked() as asked:
            state.approvals[asked.approval] = Approval(asked.approval, asked.kind, asked.subject)
            _subject(state, asked.subject).approval = asked.approval
        case ev.ApprovalAnswered() as answer:
            _answer(state, answer)
        case ev.ExperimentStarted(experiment=name):
            state.experiments[name].status = "running"
        case ev.ExperimentFinished() as result:
            state.experiments[result.experiment].status = "finished"
            state.experiments[result.experiment].result = result
        case ev.ExperimentCancelled(experiment=name):
            state.experiments[name].status = "cancelled"
        case ev.AcceptanceReturned(acceptance=name):
            state.acceptances[name].status = "returned"
        case ev.HeldOutStarted() as started:
            state.acceptances[started.acceptance].status = "held-out"
            state.acceptances[started.acceptance].held_out_scenario = started.scenario
            state.acceptances[started.acceptance].held_out_seeds = list(started.seeds)
        case ev.HeldOutFinished() as held_out:
            acceptance = state.acceptances[held_out.acceptance]
            acceptance.held_out = held_out
            acceptance.status = "committing" if held_out.passed else "failed"
        case ev.CommitIntended() as intent:
            state.acceptances[intent.acceptance].intent = intent
        case ev.DesignAccepted() as accepted:
            state.acceptances[accepted.acceptance].status = "accepted"
            state.designs[accepted.design].commit = accepted.commit
        case _:
            pass  # events that change nothing but the record


def _subject(state: StudyState, subject: str) -> Experiment | Acceptance:
    return state.experiments[subject] if subject in state.experiments else state.acceptances[subject]


def _answer(state: StudyState, answer: ev.ApprovalAnswered) -> None:
    approval = state.approvals[answer.approval]
    approval.answer = answer
    if answer.verb == "approve_kind" and approval.kind not in state.auto:
        state.auto.append(approval.kind)
    subject = _subject(state, approval.subject)
    subject.status = "rejected" if answer.verb in ("redirect", "reject") else "approved"
    if answer.verb == "edit" and answer.design and isinstance(subject, Experiment):
        subject.design = answer.design


def _add(a: ev.Usage, b: ev.Usage) -> ev.Usage:
    return ev.Usage(
        input_tokens=a.input_tokens + b.input_tokens,
        output_tokens=a.output_tokens + b.output_tokens,
        cost_usd=a.cost_usd + b.cost_usd,
    )
