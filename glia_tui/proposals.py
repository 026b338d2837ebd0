"""What an approval is about, in rows: the card that waits for an answer and its trace in the conversation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glia_tui import wording
from glia_tui.diffing import Size, diff_size
from glia_tui.lines import Role, Row, clean, one_line, pad, row
from sessions import events as ev
from sessions.errors import SessionError
from sessions.state import Acceptance, Approval, Experiment, StudyState

LABEL = 11
SourceOf = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class DesignChange:
    """A design and what it was made from. ``old`` is empty when there is nothing to compare with."""

    design: str
    parent: str
    old: str
    new: str

    @property
    def size(self) -> Size:
        return diff_size(self.old, self.new)

    @property
    def words(self) -> str:
        if not self.parent:
            return f"{len(self.new.splitlines())} lines"
        return f"{self.size} vs {self.parent}"


def design_change(state: StudyState, design: str, baseline: str, source_of: SourceOf) -> DesignChange | None:
    """The design beside its parent, or beside ``baseline``; ``None`` when its source can't be had."""
    try:
        new = source_of(design)
    except SessionError:
        return None
    known = state.designs.get(design)
    parent = (known.parent if known else "") or (baseline if baseline != design else "")
    return _changed(design, new, parent, source_of)


def _changed(design: str, new: str, parent: str, source_of: SourceOf) -> DesignChange:
    try:
        return DesignChange(design, parent, source_of(parent) if parent else "", new)
    except SessionError:
        return DesignChange(design, "", "", new)


def subject_of(state: StudyState, approval: Approval) -> Experiment | Acceptance:
    if approval.kind == "experiment":
        return state.experiments[approval.subject]
    return state.acceptances[approval.subject]


def change_of(state: StudyState, approval: Approval, source_of: SourceOf) -> DesignChange | None:
    """The design an approval is about, with what it changes: an acceptance is shown against the study's baseline."""
    subject = subject_of(state, approval)
    if isinstance(subject, Experiment):
        return design_change(state, subject.design, subject.proposal.baseline, source_of)
    design = subject.proposal.design
    try:
        return _changed(design, source_of(design), state.started.baseline if state.started else "", source_of)
    except SessionError:
        return None


def card_title(state: StudyState, approval: Approval) -> str:
    subject = subject_of(state, approval)
    if isinstance(subject, Experiment):
        return f"{subject.id}  {one_line(subject.proposal.title)}"
    return f"Accept {one_line(subject.proposal.design)}?"


def card_rows(state: StudyState, approval: Approval, source_of: SourceOf) -> list[Row]:
    """The body of the card: everything an answer should rest on."""
    subject = subject_of(state, approval)
    change = change_of(state, approval, source_of)
    if isinstance(subject, Experiment):
        return experiment_rows(subject.proposal, subject.design, change)
    return _acceptance_rows(state, subject, change)


def brief_rows(state: StudyState, approval: Approval) -> list[Row]:
    """Why an experiment was proposed and what it predicts; nothing for an acceptance."""
    subject = subject_of(state, approval)
    if not isinstance(subject, Experiment):
        return []
    return [labelled("because", subject.proposal.hypothesis), _prediction_row(subject.proposal)]


def experiment_rows(p: ev.ExperimentProposed, design: str, change: DesignChange | None) -> list[Row]:
    """Hypothesis, mechanism, prediction, what refutes it, design, and what the run takes."""
    rows = [
        labelled("because", p.hypothesis),
        labelled("how", p.mechanism),
        _prediction_row(p),
        labelled("refuted if", p.prediction.refuted_if),
        _design_row(design, p.baseline, change),
        labelled("runs", f"{one_line(p.scenario)} × {len(p.seeds)} seeds{_estimate(p.estimate_s)}"),
    ]
    return [entry for entry in rows if entry.plain.strip() != entry.plain[:LABEL].strip()]


def _prediction_row(p: ev.ExperimentProposed) -> Row:
    return row(
        (pad("predicts", LABEL), "muted"),
        (f"{wording.metric_title(p.prediction.metric)} {wording.predicted(p.prediction)}", "strong"),
        f" vs {one_line(p.baseline)}" if p.prediction.kind == "relative" else "",
        hang=LABEL,
    )


def _estimate(seconds: float | None) -> str:
    return ", time not known yet" if seconds is None else f", {wording.about(seconds)}"


def _acceptance_rows(state: StudyState, acceptance: Acceptance, change: DesignChange | None) -> list[Row]:
    p = acceptance.proposal
    rows = [
        labelled("why", p.reason),
        _evidence(state, p.experiment),
        labelled("then", "Held-out seeds will be run before the commit; it is made only if the design holds there."),
    ]
    if change:
        rows.insert(2, _design_row(p.design, "", change))
    return rows


def _evidence(state: StudyState, experiment: str) -> Row:
    found = state.experiments.get(experiment)
    comparison = found.result.comparison if found and found.result else None
    if comparison is None:
        return labelled("evidence", experiment)
    low, high = comparison.ci95
    return row(
        (pad("evidence", LABEL), "muted"),
        f"{experiment}: {wording.metric_title(comparison.metric)} "
        f"{wording.amount(comparison.metric, comparison.candidate)} vs "
        f"{wording.amount(comparison.metric, comparison.baseline)}, ",
        (f"{wording.percent(comparison.relative)} {comparison.verdict}", wording.VERDICT_ROLES[comparison.verdict]),
        (f" (difference {wording.signed(low)} to {wording.signed(high)} {comparison.unit})", "muted"),
        hang=LABEL,
    )


def _design_row(design: str, baseline: str, change: DesignChange | None) -> Row:
    if design == baseline:
        return labelled("design", f"{design} itself: measures the baseline alone")
    words = f"  {change.words}" if change else "  source not at hand"
    return row((pad("design", LABEL), "muted"), (one_line(design), "strong"), words, hang=LABEL)


def labelled(label: str, text: str, role: Role = "text") -> Row:
    """A labelled paragraph whose lines hang under their first word."""
    return row((pad(label, LABEL), "muted"), (one_line(clean(text)), role), hang=LABEL)
