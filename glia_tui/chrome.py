"""The lines round the panels: header, tabs, status. They give up items, never wrap and never clip a word."""

from __future__ import annotations

from collections.abc import Sequence

from glia_tui import wording
from glia_tui.lines import Line, Role, Span, elide, one_line
from glia_tui.ports import StudyTitle
from glia_tui.present import Speaker
from sessions import events as ev
from sessions.state import StudyState

Piece = tuple[Span, ...]
_SEPARATOR = Span("  ")


def header(state: StudyState, title: StudyTitle, width: int) -> Line:
    """Glia · scenario · hardware · back end on the left, gate · experiments · best on the right."""
    left: dict[str, list[str]] = {
        "scenario": [one_line(title.scenario)],
        "hardware": [one_line(title.hardware)],
        "back end": [one_line(title.backend_label), one_line(title.backend_label).split(" ")[0]],
    }
    right: dict[str, list[str]] = {
        "gate": [wording.gate_words(state), wording.gate_short(state)],
        "experiments": [_experiments(state)],
        "best": _best(state),
    }
    for item in ("", "gate", "back end", "hardware", "best", "back end", "best", "gate", "experiments"):
        if item and (options := left.get(item) or right.get(item)):
            del options[0]
        shown_left = [name for name, options in left.items() if options]
        shown_right = [name for name, options in right.items() if options]
        texts = ["Glia", *(left[n][0] for n in shown_left), *(right[n][0] for n in shown_right)]
        if sum(map(len, texts)) + 2 * len(texts) + 1 <= width:
            break
    roles: dict[str, Role] = {"scenario": "strong", "best": "good", "gate": "accent"}
    start: list[Span] = [Span(" Glia", "accent")]
    for name in shown_left:
        start += [_SEPARATOR, Span(elide(left[name][0], max(width - 8, 8)), roles.get(name, "muted"))]
    end: list[Span] = []
    for name in shown_right:
        end += [_SEPARATOR, Span(right[name][0], roles.get(name, "muted"))]
    gap = width - 1 - Line((*start, *end)).width
    return Line((*start, Span(" " * max(gap, 0)), *end))


def about(state: StudyState, title: StudyTitle) -> tuple[str, ...]:
    """Sentences on what is in force, said when the study starts."""
    started = state.started
    objective = ""
    if started is not None:
        metric = wording.metric_title(started.metric)
        objective = f" Baseline {started.baseline}, objective {metric}: lower is better."
    return (
        f"{one_line(title.hardware)}.{objective}",
        f"Back end: {wording.back_end(started, title.backend_label)}.",
        f"Gate: {wording.gate_words(state)}. Designs run isolated: {one_line(title.isolation)}.",
        f"Accepted designs become commits in {one_line(title.workspace)}",
    )


def _experiments(state: StudyState) -> str:
    most = "" if state.max_experiments is None else f"/{state.max_experiments}"
    return f"exp {state.experiments_run}{most}"


def _best(state: StudyState) -> list[str]:
    found = wording.best_of(state)
    if found is None:
        return []
    experiment, comparison = found
    assert experiment.result is not None
    metrics = experiment.result.candidate.metrics if experiment.result.candidate else {}
    change = wording.percent(state.gain_over_baseline(comparison))
    value = wording.amount(comparison.metric, comparison.candidate)
    interval = wording.with_interval(metrics, comparison.metric, comparison.candidate)
    return [f"best {interval} ({change})", f"best {value} {change}"]


def status(state: StudyState, progress: ev.Progress | None, speaking: Speaker | None) -> tuple[str, Role]:
    """What the study is doing now, in one sentence."""
    if state.pending is not None:
        return "", "muted"  # the card says it
    if state.stopped is not None:
        return f"stopped: {one_line(state.stopped.text) or state.stopped.reason}", "strong"
    running = state.running
    if running is not None:
        return f"{running.id} runs{_progress(progress, running.id)}", "text"
    for acceptance in state.acceptances.values():
        if acceptance.status == "held-out":
            subject = f"held-out seeds of {one_line(acceptance.proposal.design)} run"
            return f"{subject}{_progress(progress, acceptance.id)}", "text"
    if speaking is not None:
        return f"{speaking} replies", "text"
    return "", "muted"


def _progress(progress: ev.Progress | None, subject: str) -> str:
    if progress is None or progress.subject != subject:
        return ""
    left = "" if progress.remaining_s is None else f", {wording.about(progress.remaining_s)} left"
    return f": {progress.done} of {progress.total} runs done{left}"


def progress_bar(progress: ev.Progress, width: int) -> Line:
    """``exp-8  ━━━━━━━━──────  12/20  9 s left`` in ``width`` cells."""
    left = "" if progress.remaining_s is None else f"  {wording.duration(progress.remaining_s)} left"
    label, figures = f"{progress.subject}  ", f"  {progress.done}/{progress.total}{left}"
    room = max(width - len(label) - len(figures), 4)
    done = round(room * progress.done / progress.total) if progress.total else 0
    return Line(
        (Span(label, "strong"), Span("━" * done, "accent"), Span("─" * (room - done), "rule"), Span(figures, "muted"))
    )


def rule(left: Piece, right: Piece, width: int) -> Line:
    """A horizontal rule with words in it: ``── left ───────── right ──``."""
    if not left and not right:
        return Line((Span("─" * width, "rule"),))
    start: Piece = (Span("── ", "rule"), *left, Span(" ", "rule")) if left else ()
    end: Piece = (Span(" ", "rule"), *right, Span(" ──", "rule")) if right else ()
    gap = width - Line((*start, *end)).width
    if gap < 1 and right:
        return rule(left, (), width)
    if gap < 0 and len(left) == 1 and (shorter := _shorter(left[0].text)):
        return rule((Span(shorter, left[0].role),), (), width)
    if gap < 0:
        words = elide(Line(left).plain, max(width - 4, 1))
        return rule((Span(words, left[0].role),), (), width) if width > 8 else Line((Span("─" * width, "rule"),))
    return Line((*start, Span("─" * gap, "rule"), *end))


def _shorter(words: str) -> str:
    """``words`` without their last part: after a comma, then after a colon; empty where there is none."""
    return next((words.rpartition(mark)[0] for mark in (", ", ": ") if mark in words), "")


def fit(pieces: Sequence[Piece], width: int, gap: int = 2) -> list[Piece]:
    """As many of ``pieces``, first ones first, as fit in ``width`` cells with ``gap`` spaces between them."""
    shown: list[Piece] = []
    used = 0
    for piece in pieces:
        size = Line(piece).width + (gap if shown else 0)
        if used + size <= width:
            shown.append(piece)
            used += size
    return shown
