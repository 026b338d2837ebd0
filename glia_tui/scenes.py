"""What the cluster panel shows of a film at one instant: curves, legends, figures. No Textual in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glia_tui import chrome, wording
from glia_tui.lines import Line, Role, Span, elide
from glia_tui.playback import Film, Player, Recording
from glia_tui.raster import Array, Curve, Symbols

AXIS = 7
"""Cells left of a plot, for the numbers of its axis."""
_NAME = 16


@dataclass(frozen=True, slots=True)
class Scene:
    """One chart at one instant. ``peak``: the highest value of the whole run, so that the axis doesn't move."""

    curves: tuple[Curve, ...]
    legend: tuple[Span, ...]
    peak: float


def completion(film: Film, now: float, symbols: Symbols) -> Scene:
    """Mean completion time so far: the candidate up to ``now`` before the whole of the baseline."""
    c, b = film.candidate, film.baseline
    upto = c.at(now) + 1
    front = Curve("C", "candidate", c.t_s[:upto], c.mean_completion_s[:upto])
    legend = _legend(front, film.candidate_name, _value(c.mean_completion_s[upto - 1]), symbols)
    if b is None:
        return Scene((front,), legend, _peak(c.mean_completion_s))
    back = Curve("b", "baseline", b.t_s, b.mean_completion_s, dotted=True)
    legend += _legend(back, film.baseline_name, _value(b.mean_completion_s[b.at(now)]), symbols)
    return Scene((back, front), legend, _peak(c.mean_completion_s, b.mean_completion_s))


def requests(film: Film, now: float, symbols: Symbols) -> Scene:
    """Requests waiting (held ones included) and running."""
    c, b = film.candidate, film.baseline
    upto = c.at(now) + 1
    waiting = Curve("W", "candidate", c.t_s[:upto], c.waiting[:upto])
    running = Curve("R", "candidate-2", c.t_s[:upto], c.running[:upto])
    legend = _legend(waiting, "waiting", f"{c.waiting[upto - 1]:.0f}", symbols)
    legend += _legend(running, "running", f"{c.running[upto - 1]:.0f}", symbols)
    if b is None:
        return Scene((running, waiting), legend, _peak(c.waiting, c.running))
    behind = (
        Curve("w", "baseline", b.t_s, b.waiting, dotted=True),
        Curve("r", "baseline-2", b.t_s, b.running, dotted=True),
    )
    return Scene((*behind, running, waiting), legend, _peak(c.waiting, c.running, b.waiting, b.running))


def kv_cache(film: Film, now: float, symbols: Symbols) -> Scene:
    """One curve per replica of the candidate, 0..1; the legend gives the mean of either run's replicas."""
    c, b = film.candidate, film.baseline
    upto = c.at(now) + 1
    t_s = c.t_s[:upto]
    curves = tuple(
        Curve(str(replica), "candidate", t_s, c.kv_usage[:upto, replica]) for replica in range(c.kv_usage.shape[1])
    )
    legend = _legend(curves[0], film.candidate_name, f"{c.kv_usage[upto - 1].mean():.0%}", symbols) if curves else ()
    if b is not None:
        sample = Curve("b", "baseline", b.t_s, b.kv_usage, dotted=True)
        legend += _legend(sample, film.baseline_name, f"{b.kv_usage[b.at(now)].mean():.0%}", symbols)
    return Scene(curves, legend, 1.0)


def title(film: Film, player: Player, width: int) -> Line:
    """Which experiment and seed is played, and how fast."""
    seed = "" if film.seed is None else f", seed {film.seed}"
    versus = f" vs {film.baseline_name}" if film.baseline else ""
    words = f"  {film.experiment} {film.candidate_name}{versus}{seed}"
    if len(words) > width - 28:  # the legends name both anyway
        words = f"  {film.experiment}{seed}"
    if player.playing:
        state = Span(f"▶ ×{player.speed:.{0 if player.speed >= 10 else 1}f}", "accent")
    else:
        state = Span("■ end" if player.at_end else "⏸ paused", "muted")
    return chrome.rule((Span("Cluster", "heading"), Span(words, "muted")), (state,), width)


def time_axis(film: Film, player: Player, width: int) -> Line:
    """Simulated time under the charts: its start, where the show is, and its end where there is room for it."""
    room = max(width - AXIS - 1, 8)
    now, end = f"t={player.position_s:.0f} s", f"{film.end_s:.0f} s"
    at = round(room * player.position_s / max(film.end_s, 1e-9))
    start = min(max(at - len(now), 2), max(room - len(now), 0))
    left = "0".ljust(start)
    right = end.rjust(room - start - len(now)) if start + len(now) + len(end) + 2 <= room else ""
    return Line((Span(" " * AXIS + left, "muted"), Span(now, "strong"), Span(right, "muted")))


def figures(film: Film, player: Player, width: int) -> Line:
    """The candidate's figures of the moment, as many as fit."""
    pieces = [(Span(f"{label} ", "muted"), Span(value, "strong")) for label, value in moment(film, player.position_s)]
    shown = [span for piece in chrome.fit(pieces, width) for span in (*piece, Span("  "))]
    return Line(tuple(shown[:-1]))


def moment(film: Film, now: float) -> list[tuple[str, str]]:
    """Label and value of each figure of the candidate at ``now``."""
    recording: Recording = film.candidate
    at = recording.at(now)
    return [
        ("preemptions", _whole(recording.preemptions[at])),
        ("held at router", _whole(recording.held[at])),
        ("tok/s", _whole(recording.tokens_per_s(now))),
    ]


def _legend(curve: Curve, name: str, value: str, symbols: Symbols) -> tuple[Span, ...]:
    """A sample of the curve as it is drawn, its name and its value."""
    sample = curve.letter * 2 if symbols == "ascii" else "┄┄" if curve.dotted else "━━"
    role: Role = curve.role
    return (Span(f"  {sample} {elide(name, _NAME)} ", role), Span(value, role))


def _value(value: float) -> str:
    return wording.number(value) if np.isfinite(value) else "–"


def _whole(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u2009")


def _peak(*series: Array) -> float:
    known = [values[np.isfinite(values)] for values in series]
    return max((float(values.max()) for values in known if values.size), default=0.0)
