"""What the Study screen's keys, slash commands, palette entries and clicks do.

Kept apart from how the screen is drawn. Whatever gives a command, it goes through :meth:`StudyCommands.perform`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, get_args

from textual.app import SuspendNotSupported
from textual.widget import Widget

from glia_tui import diffing
from glia_tui.actions import COMMANDS, Command, UnknownCommand, help_rows, parse
from glia_tui.answering import AnswerVerb
from glia_tui.editor import EditorError, edit_handing_over
from glia_tui.lines import one_line, wrap_all
from glia_tui.proposals import DesignChange, change_of, design_change
from glia_tui.raster import Symbols
from glia_tui.screens.editing import NO_HANDING_OVER, EditScreen
from glia_tui.screens.reading import Page, ReadingScreen
from glia_tui.widgets.cluster import ClusterPanel
from glia_tui.widgets.composer import Prompt
from glia_tui.widgets.designs import DesignsList
from glia_tui.widgets.proposal import ProposalBody, ProposalCard
from glia_tui.widgets.transcript import Transcript
from sessions import events as ev
from sessions.errors import SessionError
from sessions.state import Approval

if TYPE_CHECKING:
    from glia_tui.screens.study import StudyScreen

_SIDE_BY_SIDE_COLUMNS = 120
_ANSWERS: tuple[AnswerVerb, ...] = get_args(AnswerVerb)


class StudyCommands:
    """The commands of :data:`glia_tui.actions.COMMANDS` on one Study screen."""

    def __init__(self, screen: StudyScreen) -> None:
        self._screen = screen
        self._is_answering = False
        self.words_for: Approval | None = None
        """The approval that the words being typed will redirect."""
        self._warned_of = ""

    # -- what can be done now

    @property
    def busy(self) -> bool:
        """Whether there is something that Esc would interrupt."""
        state = self._screen.session.state
        held_out = any(a.status == "held-out" for a in state.acceptances.values())
        return state.running is not None or held_out or self._screen.feed.streaming is not None

    def allows(self, name: str) -> bool:
        """Whether the command does something now, wherever it comes from."""
        screen = self._screen
        if name in (*_ANSWERS, "diff"):
            pending = screen.desk.pending
            if screen.is_too_small:
                return False  # nobody answers what they can't see
            return pending is not None and (name not in ("edit", "editor") or pending.kind == "experiment")
        if name in ("play", "faster", "slower", "skip", "replay"):
            cluster = screen.query_one(ClusterPanel)
            return cluster.film is not None and cluster.is_on_screen
        return self.busy if name == "interrupt" else True

    def offered(self) -> list[Command]:
        """The commands of the palette: those that do something now and need no words."""
        return [c for c in COMMANDS if self.allows(c.name) and (not c.argument or c.argument == "[TEXT]")]

    @property
    def draft(self) -> str:
        """What is typed and not sent, as it would be typed again: words of a redirect under its command."""
        text = self._screen.composer.text
        return f"/redirect {text}" if self.words_for is not None and text.strip() else text

    def may_leave(self) -> bool:
        """Whether nothing is typed that isn't sent, or that has been said already."""
        draft = self.draft
        if not draft.strip() or draft == self._warned_of:
            return True
        self._warned_of = draft
        return False

    # -- doing it

    async def sent(self, text: str) -> None:
        """What the engineer typed and sent: words of a redirect, a slash command, or words for the agents."""
        screen = self._screen
        screen.tell("")
        if self.words_for is not None:
            approval, self.words_for = self.words_for, None
            screen.query_one(Prompt).ask("")
            self._give(approval, "redirect", text.strip())
        elif text.startswith("/"):
            try:
                command, argument = parse(text)
            except UnknownCommand as error:
                screen.tell(str(error), "warn")
                return
            await self.perform(command.name, argument)
        else:
            screen.session.say(text.strip())
            screen.query_one(Transcript).action_to_end()

    async def perform(self, name: str, argument: str = "") -> None:
        """Does one command of the registry."""
        screen = self._screen
        cluster = screen.query_one(ClusterPanel)
        if name in _ANSWERS:
            self._answer(name, argument)
        elif name in ("conversation", "cluster", "designs"):
            screen.show_pane(name)
        elif name in ("play", "faster", "slower", "skip", "replay"):
            if cluster.film is None:
                screen.tell("There is nothing to play before the first experiment has finished.", "warn")
            await cluster.run_action(name)
        else:
            await self._perform_other(name, argument)
        screen.update_hints()

    async def _perform_other(self, name: str, argument: str) -> None:
        screen = self._screen
        match name:
            case "diff":
                self._show_pending_diff()
            case "interrupt":
                if not screen.session.interrupt():
                    screen.tell("Nothing runs that could be interrupted.", "warn")
            case "gate":
                self._set_gate(argument)
            case "budget":
                await self._set_budget(argument)
            case "pane":
                screen.next_pane()
            case "symbols":
                self._set_symbols(argument)
            case "help":
                rows = help_rows(screen.session.steering_help())
                screen.app.push_screen(ReadingScreen("Help", {"help": lambda width: wrap_all(rows, width)}))
            case "quit":
                await screen.app.run_action("leave")

    def _answer(self, verb: AnswerVerb, words: str) -> None:
        screen = self._screen
        pending = screen.desk.pending
        refusal = screen.desk.refusal(verb)
        if refusal or pending is None or self._is_answering:
            screen.tell(refusal or "The last answer is still being checked.", "warn")
        elif verb == "redirect" and not words:
            self.words_for = pending
            screen.query_one(Prompt).ask(f"redirect {pending.subject}")
            screen.composer.focus()
        elif verb == "edit":
            self._edit(pending)
        elif verb == "editor":
            self._edit_outside(pending)
        else:
            self._give(pending, verb, one_line(words))

    def _give(self, approval: Approval, verb: AnswerVerb, words: str = "", source: str | None = None) -> None:
        """Answers in the background: an edited design is checked first, which takes a moment."""
        screen = self._screen

        async def give() -> None:
            self._is_answering = True
            try:
                sentence = await screen.desk.give(approval, verb, words, source)
            except SessionError as error:
                sentence = str(error)
            finally:
                self._is_answering = False
            kept = " Your text is kept: edit again to go on with it." if sentence and source is not None else ""
            screen.tell(sentence + kept, "warn")
            screen.update_study()

        screen.tell("The edited design is being checked." if source is not None else "", "muted")
        screen.run_worker(give(), group="answer")

    def _edit(self, approval: Approval) -> None:
        screen = self._screen
        try:
            editing = EditScreen(screen.session, screen.desk, approval)
        except SessionError as error:
            screen.tell(str(error), "warn")
        else:
            screen.tell("")
            screen.app.push_screen(editing, lambda told: screen.tell(told or "", "muted"))

    def _edit_outside(self, approval: Approval) -> None:
        """Hands the terminal to the engineer's editor until it ends; the study waits for this answer anyway."""
        screen = self._screen
        try:
            before = screen.desk.text_to_edit(approval)
            after = edit_handing_over(screen.app.suspend, before, screen.desk.design_of(approval))
        except SuspendNotSupported:
            screen.tell(NO_HANDING_OVER, "warn")
        except (EditorError, SessionError) as error:
            screen.tell(str(error), "warn")
        else:
            if after == before and not screen.desk.has_draft(approval):
                screen.tell("Nothing was changed, so nothing was answered.", "muted")
            else:
                self._give(approval, "edit", source=after)

    def cancel_words(self) -> None:
        """Gives up a redirect that is being typed."""
        if self.words_for is not None:
            self.words_for = None
            self._screen.query_one(Prompt).ask("")

    def _set_gate(self, argument: str) -> None:
        modes: tuple[ev.GateMode, ...] = get_args(ev.GateMode)
        mode = next((mode for mode in modes if mode == argument.lower()), None)
        if mode is None:
            near = get_close_matches(argument.lower(), modes, n=1, cutoff=0.3)
            hint = f"; the nearest is {near[0]}" if near and argument else ""
            self._screen.tell(f"/gate takes one of {', '.join(modes)}{hint}.", "warn")
        else:
            self._screen.session.set_gate(mode)

    async def _set_budget(self, argument: str) -> None:
        if argument.lower() == "none":
            await self._screen.session.set_budget(None)
        elif argument.isascii() and argument.isdigit():
            await self._screen.session.set_budget(int(argument))
        else:
            self._screen.tell("/budget takes a number of experiments, or none.", "warn")

    def _set_symbols(self, argument: str) -> None:
        known: tuple[Symbols, ...] = get_args(Symbols)
        symbols = next((symbols for symbols in known if symbols == argument.lower()), None)
        if symbols is None:
            self._screen.tell(f"/symbols takes one of {', '.join(known)}.", "warn")
        else:
            self._screen.query_one(ClusterPanel).set_symbols(symbols)

    # -- reading

    def _show_pending_diff(self) -> None:
        screen = self._screen
        pending = screen.desk.pending
        change = change_of(screen.session.state, pending, screen.session.source_of) if pending else None
        if change is None:
            screen.tell("There is no proposed design to show.", "warn")
        else:
            self._read(change)

    def open_design(self, design: str) -> None:
        """Shows a design's source, and what it changes."""
        screen = self._screen
        state = screen.session.state
        change = design_change(state, design, state.started.baseline if state.started else "", screen.session.source_of)
        if change is None:
            screen.tell(f"The source of {design} is not at hand.", "warn")
        else:
            self._read(change)

    def _read(self, change: DesignChange) -> None:
        pages: dict[str, Page] = {"source": lambda width: diffing.whole(change.new, width)}
        first = "source"
        if change.parent:
            pages = {
                "changes": lambda width: diffing.unified(change.old, change.new, width),
                "side by side": lambda width: diffing.side_by_side(change.old, change.new, width),
                **pages,
            }
            first = "side by side" if self._screen.size.width >= _SIDE_BY_SIDE_COLUMNS else "changes"
        versus = f"  {change.words}" if change.parent else ""
        self._screen.app.push_screen(ReadingScreen(f"{one_line(change.design)}{versus}", pages, first))

    # -- going about

    def leave(self, step: int) -> None:
        """From one area to the next: composer, proposal, conversation, cluster, designs."""
        screen = self._screen
        card, cluster = screen.query_one(ProposalCard), screen.query_one(ClusterPanel)
        places: list[Widget] = [screen.composer]
        if card.display:
            places.append(screen.query_one(ProposalBody))
        places.append(screen.query_one(Transcript))
        if cluster.film is not None:
            places.append(cluster)
        places.append(screen.query_one(DesignsList))
        shown = [place for place in places if all(node.display for node in place.ancestors_with_self)]
        if not shown:  # the terminal is too small for any
            return
        focused = screen.focused
        at = shown.index(focused) if focused in shown else 0
        shown[(at + step) % len(shown)].focus()

    def back(self) -> None:
        """Esc: one step back, and at the end of the way the interrupt. Never a step on to the proposal's verbs."""
        screen = self._screen
        pending = screen.desk.pending
        composer = screen.composer
        screen.tell("")
        if not composer.has_focus:
            composer.focus()
        elif self.words_for is not None:
            composer.clear()
            self.cancel_words()
        elif composer.text.startswith("/"):
            composer.clear()
        elif pending is not None:
            screen.tell(f"{pending.subject} waits for your answer: Tab goes to it.", "muted")
        elif self.busy:
            screen.session.interrupt()
        screen.update_hints()
