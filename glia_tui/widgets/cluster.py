"""The cluster: recorded telemetry of the latest experiment, played.

The timer runs only while something plays and is on the screen; with animations off a run is shown at its end.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import ClassVar

import numpy as np
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer

from glia_tui import chrome, wording
from glia_tui.lines import Line, Role, Span, elide, row, wrap
from glia_tui.playback import Film, Player, Recording
from glia_tui.raster import Array, Curve, Symbols
from glia_tui.widgets.bars import Made
from glia_tui.widgets.chart import AXIS, Chart, UsageStrips
from glia_tui.widgets.paper import Bar, Paper
from sessions import events as ev

_FRAME_S = 0.1
_NOTHING = "What happens in the cluster plays here after the first experiment: completion times, queues and KV cache."


class ClusterPanel(Vertical, can_focus=True):
    """Three charts and the figures of the moment."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("end", "skip", "to the end", show=False),
        Binding("home", "replay", "replay", show=False),
        Binding("left", "seek(-0.05)", "back", show=False),
        Binding("right", "seek(0.05)", "on", show=False),
    ]

    class Changed(Message):
        """What can be done with the show has changed."""

    def __init__(self, *, id: str | None = None, clock: Callable[[], float] = monotonic) -> None:
        super().__init__(id=id)
        self._clock = clock
        self._timer: Timer | None = None
        self._ticked = 0.0
        self.film: Film | None = None
        self.player: Player | None = None
        self.symbols: Symbols = "braille"
        self._progress: ev.Progress | None = None

    def compose(self) -> ComposeResult:
        yield Made(self._title, id="cluster-title")
        yield Bar(id="cluster-progress")
        yield Paper(id="cluster-empty")
        with Vertical(id="cluster-charts"):
            yield Chart(("mean completion so far (s)", "mean completion (s)", "mean (s)"), id="chart-completion")
            yield Chart(("requests waiting or held, and running", "requests"), id="chart-queue")
            yield UsageStrips(id="chart-kv")
            yield Made(self._time_axis, id="cluster-axis")
            yield Made(self._figures, id="cluster-figures")

    def on_mount(self) -> None:
        self._timer = self.set_interval(_FRAME_S, self._tick, pause=True)
        self.show_progress(None)

    # -- what is shown

    def present(self, film: Film, play: bool) -> None:
        """Shows ``film``, from its beginning if ``play`` (and animations are on), else at its end."""
        self.film, self.player = film, Player(film.end_s)
        if not play or self.app.animation_level == "none":
            self.player.skip()
        self.set_class(True, "-has-film")
        self._draw()
        self._run_timer()

    def show_progress(self, progress: ev.Progress | None) -> None:
        """How far the running experiment is; ``None`` when nothing runs."""
        self._progress = progress
        bar = self.query_one("#cluster-progress", Bar)
        bar.display = progress is not None
        if progress is not None:
            bar.show(chrome.progress_bar(progress, bar.size.width or self.size.width - 2))

    def on_resize(self, event: events.Resize) -> None:
        self.show_progress(self._progress)
        empty = self.query_one("#cluster-empty", Paper)
        empty.show(wrap(row((_NOTHING, "muted")), max(self.size.width - 2, 8)))

    def on_show(self) -> None:
        self._run_timer()

    def on_hide(self) -> None:
        self._run_timer()

    # -- playing

    def action_play(self) -> None:
        """Plays or pauses."""
        if self.player:
            self.player.toggle()
            self._run_timer()

    def action_skip(self) -> None:
        if self.player:
            self.player.skip()
            self._run_timer()

    def action_replay(self) -> None:
        if self.player:
            self.player.replay()
            self._run_timer()

    def action_seek(self, share: float) -> None:
        if self.player:
            self.player.seek(share)
            self._run_timer()

    def action_faster(self) -> None:
        if self.player:
            self.player.faster()
            self._run_timer()

    def action_slower(self) -> None:
        if self.player:
            self.player.slower()
            self._run_timer()

    def set_symbols(self, symbols: Symbols) -> None:
        """Draws with braille dots, half blocks or plain letters from now on."""
        self.symbols = symbols
        self._draw()

    @property
    def running(self) -> bool:
        """Whether the timer runs."""
        return self.player is not None and self.player.playing and self.is_on_screen

    @property
    def is_on_screen(self) -> bool:
        return all(node.display for node in self.ancestors_with_self if hasattr(node, "display"))

    def _run_timer(self) -> None:
        self._ticked = self._clock()
        if self._timer is not None:
            if self.running:
                self._timer.resume()
            else:
                self._timer.pause()
        self._draw()
        self.post_message(self.Changed())

    def _tick(self) -> None:
        now = self._clock()
        self.advance(now - self._ticked)
        self._ticked = now

    def advance(self, wall_s: float) -> None:
        """Lets ``wall_s`` seconds of watching pass."""
        if self.player is None:
            return
        self.player.advance(wall_s)
        if self.player.playing:
            self._draw()
        else:
            self._run_timer()

    # -- drawing

    def _draw(self) -> None:
        film, player = self.film, self.player
        if film is None or player is None:
            return
        now = player.position_s
        self._draw_completion(film, now)
        self._draw_queue(film, now)
        self._draw_kv(film, now)
        for name in ("#cluster-title", "#cluster-axis", "#cluster-figures"):
            self.query_one(name, Made).refresh()

    def _draw_completion(self, film: Film, now: float) -> None:
        curves, legend = [], []
        peak = _peak(film.candidate.mean_completion_s)
        if film.baseline:
            b = film.baseline
            peak = max(peak, _peak(b.mean_completion_s))
            curves.append(Curve("b", "baseline", b.t_s, b.mean_completion_s, dotted=True))
            legend += _legend("┄", film.baseline_name, b.mean_completion_s[b.at(now)], "baseline")
        c = film.candidate
        upto = c.at(now) + 1
        curves.append(Curve("C", "candidate", c.t_s[:upto], c.mean_completion_s[:upto]))
        legend = _legend("━", film.candidate_name, c.mean_completion_s[upto - 1], "candidate") + legend
        chart = self.query_one("#chart-completion", Chart)
        chart.show(curves, tuple(legend), film.end_s, peak, self.symbols)

    def _draw_queue(self, film: Film, now: float) -> None:
        c = film.candidate
        upto = c.at(now) + 1
        curves: list[Curve] = []
        peak = max(_peak(c.waiting), _peak(c.running))
        if film.baseline:
            b = film.baseline
            peak = max(peak, _peak(b.waiting), _peak(b.running))
            curves.append(Curve("w", "baseline", b.t_s, b.waiting, dotted=True))
            curves.append(Curve("r", "baseline-2", b.t_s, b.running, dotted=True))
        curves.append(Curve("R", "candidate-2", c.t_s[:upto], c.running[:upto]))
        curves.append(Curve("W", "candidate", c.t_s[:upto], c.waiting[:upto]))
        legend = _legend("━", "waiting", c.waiting[upto - 1], "candidate")
        legend += _legend("━", "running", c.running[upto - 1], "candidate-2")
        chart = self.query_one("#chart-queue", Chart)
        chart.show(curves, tuple(legend), film.end_s, peak, self.symbols)

    def _draw_kv(self, film: Film, now: float) -> None:
        c = film.candidate
        upto = c.at(now) + 1
        legend = [Span(f"  ━━ {elide(film.candidate_name, 16)} {c.kv_usage[upto - 1].mean():.0%}", "candidate")]
        if film.baseline:
            b = film.baseline
            legend.append(Span(f"  ┄┄ {elide(film.baseline_name, 16)} {b.kv_usage[b.at(now)].mean():.0%}", "baseline"))
        strips = self.query_one("#chart-kv", UsageStrips)
        strips.show(c.t_s[:upto], c.kv_usage[:upto], tuple(legend), film.end_s, self.symbols)

    def _title(self, width: int) -> Line:
        heading = Span("Cluster", "heading")
        if self.film is None or self.player is None:
            return chrome.rule((heading,), (), width)
        film, player = self.film, self.player
        seed = "" if film.seed is None else f", seed {film.seed}"
        versus = f" vs {film.baseline_name}" if film.baseline else ""
        words = f"  {film.experiment} {film.candidate_name}{versus}{seed}"
        if len(words) > width - 28:  # the legend below names both anyway
            words = f"  {film.experiment}{seed}"
        left = (heading, Span(words, "muted"))
        if player.playing:
            state = Span(f"▶ ×{player.speed:.{0 if player.speed >= 10 else 1}f}", "accent")
        else:
            state = Span("■ end" if player.at_end else "⏸ paused", "muted")
        return chrome.rule(left, (state,), width)

    def _time_axis(self, width: int) -> Line:
        """Simulated time under the charts: start, now and end."""
        if self.film is None or self.player is None:
            return Line()
        room = max(width - AXIS - 1, 8)
        end, now = f"{self.film.end_s:.0f} s", f"t={self.player.position_s:.0f} s"
        at = round(room * self.player.position_s / max(self.film.end_s, 1e-9))
        cells = [" "] * room
        cells[0] = "0"
        cells[room - len(end) :] = end
        start = min(max(at - len(now), 2), room - len(now))
        clear = range(max(start - 1, 0), min(start + len(now) + 1, room))
        text = "".join(" " if position in clear else cell for position, cell in enumerate(cells))
        if start + len(now) > room - len(end) - 1:
            text = text[: room - len(end)].rstrip().ljust(room)
        return Line(
            (
                Span(" " * AXIS + text[:start], "muted"),
                Span(now, "strong"),
                Span(text[start + len(now) :], "muted"),
            )
        )

    def _figures(self, width: int) -> Line:
        if self.film is None or self.player is None:
            return Line()
        figures = moment(self.film.candidate, self.player.position_s)
        pieces = [(Span(f"{label} ", "muted"), Span(value, "strong")) for label, value in figures]
        shown = [span for piece in chrome.fit(pieces, width) for span in (*piece, Span("  "))]
        return Line(tuple(shown[:-1]))


def moment(recording: Recording, now: float) -> list[tuple[str, str]]:
    """The figures of one instant, in the words of the screen."""
    at = recording.at(now)
    return [
        ("preemptions", wording.number(float(recording.preemptions[at])).removesuffix(".00").removesuffix(".0")),
        ("held at router", f"{recording.held[at]:.0f}"),
        ("tok/s", f"{recording.tokens_per_s(now):,.0f}".replace(",", "\u2009")),
    ]


def _legend(sample: str, name: str, value: float, role: Role) -> list[Span]:
    shown = "–" if not np.isfinite(value) else wording.number(value) if value % 1 else f"{value:.0f}"
    return [Span(f"  {sample}{sample} {elide(name, 16)} ", role), Span(shown, role)]


def _peak(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else 0.0
