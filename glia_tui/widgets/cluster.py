"""The cluster: recorded telemetry of the latest experiment, played.

The timer runs only while something plays and is on the screen; with animations off a run is shown at its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer

from glia_tui import chrome, scenes
from glia_tui.lines import Line, Span, row, wrap
from glia_tui.playback import BadRecording, Film, Player, film_of
from glia_tui.ports import StudySession
from glia_tui.raster import Symbols
from glia_tui.widgets.bars import Made
from glia_tui.widgets.chart import Chart, UsageStrips
from glia_tui.widgets.paper import Bar, Paper
from sessions import events as ev
from sessions.errors import SessionError
from sessions.state import Experiment

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

    class Failed(Message):
        """The telemetry can't be shown; ``why`` is a sentence."""

        def __init__(self, why: str) -> None:
            super().__init__()
            self.why = why

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
            yield Made(partial(self._line, scenes.time_axis), id="cluster-axis")
            yield Made(partial(self._line, scenes.figures), id="cluster-figures")

    def on_mount(self) -> None:
        self._timer = self.set_interval(_FRAME_S, self._tick, pause=True)
        self.show_progress(None)

    # -- what is shown

    @work(exclusive=True, group="film")
    async def load(self, session: StudySession, experiment: Experiment, play: bool) -> None:
        """Reads an experiment's telemetry away from the event loop, then presents it."""
        try:
            film = await asyncio.to_thread(film_of, session, experiment)
        except (SessionError, BadRecording) as error:
            self.post_message(self.Failed(str(error)))
            return
        if film is not None:
            self.present(film, play)

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
        now, symbols = player.position_s, self.symbols
        for name, scene in (
            ("#chart-completion", scenes.completion(film, now, symbols)),
            ("#chart-queue", scenes.requests(film, now, symbols)),
        ):
            self.query_one(name, Chart).show(scene, film.end_s, symbols)
        self.query_one("#chart-kv", UsageStrips).show(scenes.kv_cache(film, now, symbols), film.end_s, symbols)
        for name in ("#cluster-title", "#cluster-axis", "#cluster-figures"):
            self.query_one(name, Made).refresh()

    def _line(self, make: Callable[[Film, Player, int], Line], width: int) -> Line:
        return make(self.film, self.player, width) if self.film and self.player else Line()

    def _title(self, width: int) -> Line:
        if self.film is None:
            return chrome.rule((Span("Cluster", "heading"),), (), width)
        return self._line(scenes.title, width)
