"""A study as a Markdown document: what was found, then everything that happened.

Whatever a model, a design or a person wrote is quoted and disarmed: control characters are dropped, HTML and links
are shown as text, and nothing can leave its quote, so that no words pass for the document's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sessions import events as ev
from sessions.figures import FIGURES, figure, show
from sessions.state import Experiment, StudyState

_NAMES: dict[ev.Actor, str] = {
    "engineer": "Engineer",
    "researcher": "Researcher",
    "supervisor": "Supervisor",
    "system": "Glia",
}


def markdown(state: StudyState, status: str) -> str:
    """The whole study as CommonMark with tables. ``status``: how it stands, in words."""
    started = state.started
    assert started is not None
    head = [
        f"# {plain(started.slot)} for {plain(started.scenario)}",
        "",
        *_facts(state, started, status),
        "",
        "## Results",
        "",
        *_experiments(state),
        "",
        *_accepted(state),
        *_insights(state),
        "## What happened",
        "",
    ]
    return "\n".join([*head, *_story(state)]).rstrip() + "\n"


def _facts(state: StudyState, started: ev.SessionStarted, status: str) -> list[str]:
    origin = started.forked_from
    facts = [
        ("session", started.session),
        ("began (UTC)", state.events[0].time[:19].replace("T", " ")),
        ("status", status),
        ("forked from", f"{origin.session} after event {origin.seq}" if origin else ""),
        ("baseline", started.baseline),
        ("objective", f"lower {FIGURES[started.metric].title if started.metric in FIGURES else started.metric}"),
        ("back end", started.backend),
        ("simulator", started.simulator),
        ("isolation", started.isolation),
        ("seeds", f"{started.seeds_per_experiment} an experiment, drawn from seed {started.seed}"),
    ]
    return [f"- {name}: {plain(value)}" for name, value in facts if value]


def _experiments(state: StudyState) -> list[str]:
    if not state.experiments:
        return ["No experiment was proposed."]
    assert state.started is not None
    header = ("experiment", "design", "baseline", "predicted", "outcome", "difference, 95%", "verdict", "prediction")
    rows = [experiment_row(e, state.started.metric) for e in state.experiments.values()]
    return _table(header, rows)


def experiment_row(experiment: Experiment, metric: str) -> tuple[str, ...]:
    """One experiment in words: id, design, baseline, prediction, ``metric`` measured, interval, verdict, and what
    became of the prediction."""
    p, outcome = experiment.proposal, experiment.result
    c = outcome.comparison if outcome else None
    measured = ""
    if outcome is not None and outcome.candidate is not None:
        measured = show(metric, figure(outcome.candidate.metrics, metric))
    return (
        experiment.id,
        experiment.design,
        p.baseline if p.baseline != experiment.design else "",
        predicted(p.prediction),
        measured or (outcome.outcome if outcome else experiment.status),
        f"{show(c.metric, c.ci95[0])} to {show(c.metric, c.ci95[1])}" if c else "",
        c.verdict if c else "",
        outcome.prediction if outcome else "",
    )


def predicted(p: ev.Prediction) -> str:
    """A prediction in words: ``mean completion time -40% to -10%``."""
    title = FIGURES[p.metric].title if p.metric in FIGURES else p.metric
    if p.kind == "relative":
        return f"{title} {_percent(p.low)} to {_percent(p.high)}"
    return f"{title} {show(p.metric, p.low)} to {show(p.metric, p.high)}"


def _percent(value: float) -> str:
    return f"{value:+.0f}%" if abs(value) >= 1 else f"{value:+.2g}%"


def _accepted(state: StudyState) -> list[str]:
    lines = []
    for acceptance in state.acceptances.values():
        design = state.designs.get(acceptance.proposal.design)
        if acceptance.status != "accepted" or design is None:
            continue
        held_out = acceptance.held_out.comparison if acceptance.held_out else None
        on = f"; on held-out seeds {_compared(held_out)}" if held_out else ""
        lines.append(f"- accepted: {plain(design.name)}, commit `{design.commit[:12]}`{on}")
    return [*lines, ""] if lines else ["No design was accepted.", ""]


def _insights(state: StudyState) -> list[str]:
    if not state.insights:
        return []
    said = [f"- {plain(i.text)} ({plain(', '.join(i.experiments))})" for i in state.insights]
    return ["### Insights", "", *said, ""]


def _compared(c: ev.Comparison) -> str:
    return (
        f"{show(c.metric, c.candidate)} against {show(c.metric, c.baseline)} ({c.relative:+.1%}, {c.seeds} seeds): "
        f"{c.verdict}"
    )


def _story(state: StudyState) -> list[str]:
    lines: list[str] = []
    for event in state.events:
        if told := _told(state, event):
            lines += [*told, ""]
    return lines


def _told(state: StudyState, event: ev.Event) -> list[str]:
    """One event as paragraphs; empty for what another event tells already."""
    who = f"**{_NAMES[event.actor]}** · {event.time[11:19]}"
    match event.data:
        case ev.EngineerSaid(text=text) | ev.AgentReplied(text=text) | ev.SupervisorSpoke(text=text) if text.strip():
            return [who, "", *_quote(text)]
        case ev.DesignWritten() as d:
            origin = f" from {plain(d.parent)}" if d.parent else ""
            return [f"{who} wrote the design {plain(d.design)}{origin}:", "", *_quote(d.card), "", *fenced(d.source)]
        case ev.ExperimentProposed() as p:
            return [f"{who} proposed {p.experiment}: {plain(p.title)}", "", *_proposal(p)]
        case ev.AcceptanceProposed() as a:
            return [f"{who} proposed to accept {plain(a.design)} ({a.acceptance}):", "", *_quote(a.reason)]
        case ev.ApprovalAnswered() as answer:
            return _decided(state, who, answer)
        case ev.ExperimentFinished() as result:
            return [f"{who} measured {result.experiment}: {_measured(result)}"]
        case ev.HeldOutFinished() as held_out:
            verdict = _compared(held_out.comparison) if held_out.comparison else plain(held_out.message)
            return [f"{who} measured {held_out.acceptance} on held-out seeds: {verdict}"]
        case ev.DesignAccepted() as accepted:
            return [f"{who} committed {plain(accepted.design)} as `{accepted.commit[:12]}` ({plain(accepted.tag)})"]
        case ev.ExperimentCancelled(experiment=name, reason=reason):
            return [f"{who} cancelled {name}: {plain(reason)}"]
        case ev.Notice(text=text) | ev.BudgetReached(text=text) | ev.SessionStopped(text=text) if text:
            return [f"{who}: {plain(text)}"]
        case ev.GateChanged(mode=mode):
            return [f"{who} set the gate to {mode}"]
        case _:
            return []


def _proposal(p: ev.ExperimentProposed) -> list[str]:
    parts = (
        ("hypothesis", p.hypothesis),
        ("mechanism", p.mechanism),
        ("design", f"{p.design} against {p.baseline} on {len(p.seeds)} seeds"),
        ("prediction", predicted(p.prediction)),
        ("refuted if", p.prediction.refuted_if),
    )
    return [f"- {name}: {plain(text)}" for name, text in parts if text]


def _decided(state: StudyState, who: str, answer: ev.ApprovalAnswered) -> list[str]:
    subject = state.approvals[answer.approval].subject
    by = f" by rule ({plain(answer.rule)})" if answer.rule else ""
    design = f", as {plain(answer.design)}" if answer.design else ""
    line = f"{who} decided on {subject}: {answer.verb.replace('_', ' ')}{by}{design}"
    return [line, "", *_quote(answer.words)] if answer.words else [line]


def _measured(result: ev.ExperimentFinished) -> str:
    if result.outcome != "ok":
        return plain(f"{result.outcome}: {result.message}")
    if result.comparison is None:
        return f"prediction {result.prediction}"
    return f"{_compared(result.comparison)}; prediction {result.prediction}"


def plain(text: str) -> str:
    """``text`` in one line in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>|#~&!])", r"\\\1", " ".join(_printable(text).split()))


def _quote(text: str) -> list[str]:
    """A block quote: emphasis and lists stay, HTML, links and images become text, and a blank line can't end it."""
    safe = _printable(text).replace("<", "&lt;").replace("](", "]\\(").replace("]:", "]\\:").replace("][", "]\\[")
    return [f"> {line}".rstrip() for line in safe.strip().split("\n")]


def fenced(source: str) -> list[str]:
    """A Python block whose fence is longer than any in ``source``."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", source)), default=0))
    return [f"{fence}python", *_printable(source).rstrip().split("\n"), fence]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [" | ".join(header), " | ".join("---" for _ in header)]
    lines += [" | ".join(plain(cell) for cell in row) for row in rows]
    return [f"| {line} |" for line in lines]


def _printable(text: str) -> str:
    return "".join(c if c in "\n\t" or c.isprintable() else "\ufffd" for c in text)
