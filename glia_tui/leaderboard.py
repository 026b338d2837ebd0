"""Designs by what was measured of them. Never ranks inside the noise: a tie is shown as a tie."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from glia_tui import wording
from glia_tui.lines import Line, Role, Span, elide, line, one_line, pad
from sessions import events as ev
from sessions.errors import SessionError
from sessions.experiments.statistics import compare
from sessions.figures import by_seed
from sessions.state import StudyState

Standing = Literal["baseline", "better", "worse", "tie", "failed"]
_MARKS: dict[Standing, tuple[str, Role]] = {
    "baseline": ("○", "baseline"),
    "better": ("●", "good"),
    "worse": ("▽", "bad"),
    "tie": ("≈", "warn"),
    "failed": ("✕", "bad"),
}


_MARK, _RANK, _NAME, _MEAN, _CHANGE, _P99, _COMMIT, _TITLE = 2, 3, 15, 11, 6, 5, 8, 20


@dataclass(frozen=True, slots=True)
class Place:
    """One design on the leaderboard. ``standing`` is against the baseline; ``rank`` is shared by designs that the
    measurements can't tell apart, and 0 for one that failed."""

    design: str
    standing: Standing
    rank: int
    experiment: str
    metric: str
    mean: float | None = None
    arm: ev.Arm | None = None
    relative: float | None = None
    commit: str = ""
    message: str = ""
    title: str = ""


def leaderboard(state: StudyState) -> list[Place]:
    """The designs measured on the study's scenario, best mean first, each by its latest finished experiment."""
    metric = state.started.metric if state.started else "e2e_s.mean"
    places: dict[str, Place] = {}
    failed: dict[str, Place] = {}
    for experiment in state.experiments.values():
        result = experiment.result
        if result is None or (state.started and experiment.proposal.scenario != state.started.scenario):
            continue
        if result.outcome != "ok":
            place = Place(
                experiment.design, "failed", 0, experiment.id, metric, message=result.outcome,
                title=experiment.proposal.title,
            )  # fmt: skip
            failed[experiment.design] = place
        for arm in (result.baseline, result.candidate):
            mean = wording.measured(arm.metrics, metric) if arm else None
            if arm is not None and mean is not None:
                design = state.designs.get(arm.design)
                commit = design.commit if design else ""
                places[arm.design] = Place(
                    arm.design, "tie", 0, experiment.id, metric, mean, arm, None, commit,
                    title=experiment.proposal.title if arm is result.candidate else "",
                )  # fmt: skip
                failed.pop(arm.design, None)
    baseline = places.get(state.started.baseline) if state.started else None
    standing = [_against(baseline, place) for place in places.values()]
    ranked = _ranked(sorted(standing, key=lambda place: (place.mean or 0.0, place.design)))
    return [*ranked, *(place for place in failed.values() if place.design not in places)]


def _against(baseline: Place | None, place: Place) -> Place:
    """``place`` with its standing against the study's baseline, paired by the seeds both were measured on."""
    if baseline is place:
        return replace(place, standing="baseline")
    comparison = _paired(baseline, place) if baseline else None
    if comparison is None:
        return place
    standing: Standing = "tie" if comparison.verdict == "no difference shown" else comparison.verdict
    return replace(place, standing=standing, relative=comparison.relative)


def _ranked(places: list[Place]) -> list[Place]:
    """Gives each place its rank: a design shares the rank of the leader above it unless it is shown to be worse."""
    ranked: list[Place] = []
    leader: Place | None = None
    for position, place in enumerate(places, start=1):
        comparison = _paired(leader, place) if leader else None
        if leader is None or (comparison is not None and comparison.verdict == "worse"):
            leader = place
            ranked.append(replace(place, rank=position))
        else:
            ranked.append(replace(place, rank=ranked[-1].rank))
    return ranked


def _paired(reference: Place, other: Place) -> ev.Comparison | None:
    """``other`` against ``reference`` on the seeds they share; ``None`` where there are none."""
    if reference.arm is None or other.arm is None:
        return None
    try:
        first, second = by_seed(reference.arm, reference.metric), by_seed(other.arm, other.metric)
    except SessionError:
        return None
    shared = first.keys() & second.keys()
    if len(shared) < 2:
        return None
    ours, theirs = {seed: first[seed] for seed in shared}, {seed: second[seed] for seed in shared}
    return compare(reference.metric, wording.unit_of(reference.metric), ours, theirs)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Widths of the columns; 0 for one that is left out."""

    rank: int
    name: int
    mean: int
    change: int
    p99: int
    commit: int


def _columns(places: list[Place], width: int) -> _Columns:
    """What fits in ``width`` cells beside mark, mean and change: the commit first, then rank, then P99."""
    wanted = max([8, *(len(place.design) + 2 for place in places)])
    least = min(wanted, _NAME)
    mean = max([_MEAN, *(len(_mean(place)) + 1 for place in places)])
    change = max([_CHANGE, *(len(_change(place)) + 1 for place in places)])
    spare = width + 1 - _MARK - least - mean - change  # the last column needs no gap
    commit = _COMMIT if any(place.commit for place in places) and spare >= _COMMIT else 0
    rank = _RANK if spare - commit >= _RANK else 0
    p99 = _P99 if spare - commit - rank >= _P99 else 0
    return _Columns(rank, max(min(wanted, least + spare - commit - rank - p99), 2), mean, change, p99, commit)


def table(places: list[Place], width: int) -> list[Line]:
    """The leaderboard in ``width`` cells, with a header; the experiment's title where there is room for it."""
    columns = _columns(places, width)
    unit = wording.unit_of(places[0].metric) if places else ""
    header = [" " * _MARK, pad("#", columns.rank), pad("design", columns.name), pad(f"mean ({unit})", columns.mean)]
    header += [" " * columns.change, pad("P99", columns.p99), pad("commit", columns.commit)]
    ranks = [place.rank for place in places]
    lines = [line(("".join(header).rstrip(), "muted"))]
    for place in places:
        mark, role = _MARKS[place.standing]
        rank = f"{place.rank}{'=' if ranks.count(place.rank) > 1 else ''}" if place.rank else ""
        weight: Role = "text" if place.standing == "baseline" else "strong"
        spans = [
            Span(pad(mark, _MARK), role),
            Span(pad(rank, columns.rank), "muted"),
            Span(pad(elide(place.design, columns.name - 1), columns.name), weight),
            *_figures(place, role, columns),
            Span(pad(place.commit[:7], columns.commit), "good"),
        ]
        room = width - sum(len(span.text) for span in spans)
        if room >= _TITLE and place.title:
            spans.append(Span(elide(f"{place.experiment}  {one_line(place.title)}", room), "muted"))
        lines.append(Line(tuple(span for span in spans if span.text)))
    return lines


def _mean(place: Place) -> str:
    """The mean with its interval, without the unit, which the header has."""
    if place.mean is None or place.arm is None:
        return ""
    words = wording.with_interval(place.arm.metrics, place.metric, place.mean)
    return words.removesuffix(wording.unit_of(place.metric)).rstrip()


def _change(place: Place) -> str:
    return wording.percent(place.relative) if place.relative is not None else ""


def _figures(place: Place, role: Role, columns: _Columns) -> list[Span]:
    if place.mean is None or place.arm is None:
        return [Span(pad(f"failed: {place.message}", columns.mean + columns.change + columns.p99), "bad")]
    spans = [Span(pad(_mean(place), columns.mean)), Span(pad(_change(place), columns.change), role)]
    if columns.p99:
        p99 = wording.measured(place.arm.metrics, "e2e_s.p99")
        spans.append(Span(pad(wording.number(p99) if p99 is not None else "", columns.p99)))
    return spans
