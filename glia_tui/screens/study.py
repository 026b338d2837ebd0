"""The Study screen: conversation, cluster and designs of one study.

It is a subscriber with a mailbox: it draws events and sends commands. What it shows is rebuilt from the session's
state; what it keeps for itself is only where the reader is looking.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events, getters, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static, TextArea

from glia_tui import chrome
from glia_tui.answering import AnswerDesk
from glia_tui.leaderboard import leaderboard
from glia_tui.lines import Line, Role, Span
from glia_tui.ports import StudySession
from glia_tui.present import Change, Entry, Feed
from glia_tui.proposals import card_rows, card_title
from glia_tui.screens.commands import StudyCommands
from glia_tui.screens.hints import key_hints, verb_hints
from glia_tui.screens.keys import STUDY_KEYS, Timed, VerbKeys
from glia_tui.widgets.bars import HintBar, Made, Tabs
from glia_tui.widgets.cluster import ClusterPanel
from glia_tui.widgets.composer import Composer, Prompt, Suggestions
from glia_tui.widgets.designs import DesignsList, DesignsPanel
from glia_tui.widgets.message import Message
from glia_tui.widgets.proposal import ProposalCard
from glia_tui.widgets.transcript import Transcript
from sessions import events as ev

PANES = ("conversation", "cluster", "designs")
WIDE_COLUMNS = 100
LEAST_COLUMNS, LEAST_ROWS = 60, 15
_FLUSH_S = 0.12


class StudyScreen(Screen[None]):
    """Everything of one study on one screen."""

    BINDINGS: ClassVar[list[BindingType]] = STUDY_KEYS

    def __init__(self, session: StudySession, clock: Callable[[], float], after: Timed | None = None) -> None:
        super().__init__()
        self.session = session
        self.desk = AnswerDesk(session, clock)
        self.commands = StudyCommands(self)
        self.verb_keys = VerbKeys(self, after)
        self.pane = PANES[0]
        self.feed = Feed(session.state, session.source_of, chrome.about(session.state, session.title))
        self._clock = clock
        self._drawn = 0
        self._progress: ev.Progress | None = None
        self._live: dict[str, Change] = {}
        self._flush_waits = False

    def compose(self) -> ComposeResult:
        yield Made(lambda width: chrome.header(self.session.state, self.session.title, width), id="header")
        yield Tabs(PANES, id="tabs")
        with Container(id="body"):
            with Vertical(id="talk"):
                yield Transcript(id="transcript")
                yield ProposalCard(id="proposal")
                yield Message(id="message")
                yield Suggestions(id="suggestions")
                yield Made(self._status, id="status")
                yield Prompt(id="entry")
            with Vertical(id="side"):
                yield ClusterPanel(id="cluster", clock=self._clock)
                yield DesignsPanel(id="designs")
        yield HintBar(id="keys")
        yield Static(f"terminal too small (need {LEAST_COLUMNS}x{LEAST_ROWS})", id="too-small", markup=False)

    def on_mount(self) -> None:
        self.composer.focus()
        self.query_one(Prompt).ask("")
        self._fill()
        self._follow_mailbox()
        if draft := self.session.draft:
            self.composer.insert(draft)
            self.tell("What you had typed and not sent is here again.", "muted")

    # -- what happens in the study

    def _fill(self) -> None:
        """Draws the record so far."""
        entries: dict[str, Entry] = {}
        for change in self._next_changes():
            if isinstance(change, Entry):
                entries[change.key] = change
        self.query_one(Transcript).fill(list(entries.values()))
        finished = [e for e in self.session.state.experiments.values() if e.result and e.result.telemetry]
        if finished:
            self.query_one(ClusterPanel).load(self.session, finished[-1], False)
        self._rank_designs()
        self.update_study()

    def _next_changes(self) -> list[Change]:
        changes: list[Change] = []
        for event in self.session.state.events[self._drawn :]:
            changes += self.feed.take(event)
            self._drawn += 1
        return changes

    @work(exclusive=True, group="mailbox")
    async def _follow_mailbox(self) -> None:
        async for item in self.session.subscribe():
            self._receive(item)

    def _receive(self, item: ev.Event | ev.TextDelta | ev.Progress) -> None:
        match item:
            case ev.TextDelta():
                entry = self.feed.delta(item)
                self._live[entry.key] = entry
                self._flush_soon()
            case ev.Progress():
                self._progress = item
                self.query_one(ClusterPanel).show_progress(item)
                self._refresh_lines()
            case ev.Event():
                streamed = list(self._live.values())
                self._live.clear()
                self.query_one(Transcript).take(streamed + self._next_changes())
                self._effects_of(item.data)
                self.update_study()

    def _effects_of(self, data: ev.Payload) -> None:
        self.query_one(Tabs).mark("conversation")
        cluster = self.query_one(ClusterPanel)
        if isinstance(data, ev.ExperimentFinished | ev.ExperimentCancelled | ev.HeldOutFinished):
            self._progress = None
            cluster.show_progress(None)
        if isinstance(data, ev.ExperimentFinished) and data.telemetry:
            cluster.load(self.session, self.session.state.experiments[data.experiment], True)
            self.query_one(Tabs).mark("cluster")
        if isinstance(data, ev.ApprovalAnswered) and data.rule and self.desk.was_shown(data.approval):
            subject = self.session.state.approvals[data.approval].subject
            self.tell(f"{subject} no longer waits for you: it is approved ({data.rule}).", "warn")
        if isinstance(data, ev.ExperimentFinished | ev.DesignAccepted):
            self._rank_designs()
            self.query_one(Tabs).mark("designs")

    def _rank_designs(self) -> None:
        self.query_one(DesignsList).rank(leaderboard(self.session.state))

    def _flush_soon(self) -> None:
        """Streamed text is drawn a few times a second, however fast it comes."""
        if not self._flush_waits:
            self._flush_waits = True
            self.set_timer(_FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._flush_waits = False
        if self._live:
            self.query_one(Transcript).take(list(self._live.values()))
            self._live.clear()
            self._refresh_lines()

    # -- drawing

    def update_study(self) -> None:
        """Draws everything that depends on the state, except the conversation."""
        state = self.session.state
        card = self.query_one(ProposalCard)
        pending = self.desk.pending
        if pending is None:
            if card.display and card.body.has_focus:
                self.composer.focus()
            card.dismiss()
            self.commands.cancel_words()
        elif self.desk.appeared():
            card.present(card_title(state, pending), card_rows(state, pending, self.session.source_of))
            self._arrange()
            self.app.bell()
        self._refresh_lines()

    def _refresh_lines(self) -> None:
        for name in ("#header", "#status"):
            self.query_one(name, Made).refresh()
        self.update_hints()

    def _status(self, width: int) -> Line:
        words, role = chrome.status(self.session.state, self._progress, self.feed.streaming)
        left: tuple[Span, ...] = (Span(words, role),) if words else ()
        transcript = self.query_one(Transcript)
        right: tuple[Span, ...] = ()
        if not transcript.following and transcript.display:
            fresh = f"{transcript.unread} new below, " if transcript.unread else ""
            right = (Span(f"{fresh}End: newest", "accent" if fresh else "muted"),)
        return chrome.rule(left, right, width)

    def update_hints(self) -> None:
        """What the keys do now."""
        card = self.query_one(ProposalCard)
        if card.display:
            below = "Tab: answer" if not card.body.has_focus else "↑↓ scroll" if card.hides_some else ""
            card.hint(verb_hints(self), below)
        self.query_one("#keys", HintBar).show(key_hints(self))

    def tell(self, text: str, role: Role = "text") -> None:
        """Says a sentence above the composer."""
        self.query_one(Message).say(text, role)

    # -- layout

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()

    @property
    def is_too_small(self) -> bool:
        return self.size.width < LEAST_COLUMNS or self.size.height < LEAST_ROWS

    def _arrange(self) -> None:
        width, height = self.size
        self.set_class(self.is_too_small, "-tiny")
        self.set_class(width < WIDE_COLUMNS, "-narrow")
        for pane in PANES:
            self.set_class(pane == self.pane, f"-{pane}")
        compact = self.has_class("-narrow") and self.pane != "conversation"
        self.query_one(ProposalCard).fit(max(height // 2, 7), compact)
        self.call_after_refresh(self._refresh_lines)
        self.call_after_refresh(self._focus_something)

    def _focus_something(self) -> None:
        """A panel that a new size or pane has hidden loses the focus: then typing has it, never the proposal."""
        if not self.is_too_small and (self.focused is None or not self.focused.is_on_screen):
            self.composer.focus()

    def show_pane(self, pane: str) -> None:
        """Shows ``pane``; in a wide terminal all are shown and it gets the focus."""
        self.pane = pane
        self.query_one(Tabs).select(pane)
        self._arrange()
        panels: dict[str, Widget] = {
            "conversation": self.query_one(Transcript),
            "cluster": self.query_one(ClusterPanel),
            "designs": self.query_one(DesignsList),
        }
        if not self.composer.has_focus or not self.has_class("-narrow"):
            self.call_after_refresh(panels[pane].focus)

    def next_pane(self) -> None:
        self.show_pane(PANES[(PANES.index(self.pane) + 1) % len(PANES)])

    composer = getters.query_one(Composer)

    @property
    def card_has_focus(self) -> bool:
        return self.query_one(ProposalCard).body.has_focus

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    @on(Transcript.Moved)
    @on(ClusterPanel.Changed)
    def _look_again(self) -> None:
        self._refresh_lines()

    @on(ClusterPanel.Failed)
    def _film_failed(self, event: ClusterPanel.Failed) -> None:
        self.tell(event.why, "bad")

    @on(TextArea.Changed)
    def _typed(self, event: TextArea.Changed) -> None:
        self.query_one(Suggestions).suggest("" if self.commands.words_for else event.text_area.text)
        self.update_hints()

    @on(Tabs.Chosen)
    def _tab_chosen(self, event: Tabs.Chosen) -> None:
        self.show_pane(event.pane)

    @on(HintBar.Chosen)
    async def _hint_chosen(self, event: HintBar.Chosen) -> None:
        event.stop()
        await self.commands.perform(event.name)

    @on(DesignsList.Opened)
    def _design_opened(self, event: DesignsList.Opened) -> None:
        self.commands.open_design(event.design)

    @on(Composer.Sent)
    async def _sent(self, event: Composer.Sent) -> None:
        await self.commands.sent(event.text)

    @on(Composer.Asked)
    async def _asked(self, event: Composer.Asked) -> None:
        if event.what == "help":
            await self.commands.perform("help")
        elif event.what == "leave":
            self.commands.leave(1)
        else:
            self.commands.back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.commands.allows(str(parameters[0])) if action == "do" else True

    async def action_do(self, name: str) -> None:
        await self.commands.perform(name)

    def on_key(self, event: events.Key) -> None:
        self.verb_keys.take(event)

    def action_leave(self, step: int = 1) -> None:
        self.commands.leave(step)

    def action_back(self) -> None:
        self.commands.back()
