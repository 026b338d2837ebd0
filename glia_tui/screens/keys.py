"""The keys of the Study screen, and what keeps typing from answering a proposal.

A verb's key counts only on the proposal's card, and only when no other printable key follows it within
:data:`HOLD_S`: two keys so close are a sentence that was meant for the composer, and go there. Nothing that was
typed is lost, and nothing that was typed answers. Slash commands, clicks and the palette don't come this way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import events
from textual.binding import Binding, BindingType

from glia_tui.actions import COMMANDS, Command
from glia_tui.answering import AnswerVerb

if TYPE_CHECKING:
    from glia_tui.screens.study import StudyScreen

HOLD_S = 0.35
Timed = Callable[[float, Callable[[], None]], Callable[[], None]]
"""Calls a function after so many seconds; returns what calls that off."""
STUDY_KEYS: list[BindingType] = [
    *(
        Binding(",".join(command.keys), command.action, command.label, show=False)
        for command in COMMANDS
        if command.keys and command.name != "quit" and command.group != "answer"
    ),
    Binding("tab", "leave", "next", show=False),
    Binding("shift+tab", "leave(-1)", "previous", show=False),
    Binding("escape", "back", "back", show=False),
]
_VERB_OF: dict[str, Command] = {key: c for c in COMMANDS if c.group == "answer" for key in c.keys}


@dataclass(frozen=True, slots=True)
class _Held:
    """A verb's key that was pressed on ``approval``; ``refusal``: why it could not be used at that moment."""

    command: Command
    character: str
    approval: str
    on_card: bool
    refusal: str
    call_off: Callable[[], None]


class VerbKeys:
    """Tells keys that answer from keys that are typed, wherever the composer doesn't have the focus."""

    def __init__(self, screen: StudyScreen, after: Timed | None) -> None:
        """``after``: how time passes; the screen's own timers without it."""
        self._screen = screen
        self._after = after or self._timer
        self._held: _Held | None = None

    @property
    def armed(self) -> str:
        """The command whose key is held on the card; empty without one."""
        return self._held.command.name if self._held and self._held.on_card else ""

    def take(self, event: events.Key) -> None:
        """Takes a key that no panel used. What is taken is stopped; the rest goes on to the bindings."""
        screen, held = self._screen, self._held
        self.forget()
        if event.character is None or not event.is_printable:
            return
        if held is not None:
            self._type(event, held.character + event.character)
        elif event.key in _VERB_OF and screen.commands.allows(_VERB_OF[event.key].name):
            self._hold(event, _VERB_OF[event.key], event.character)
        elif event.key not in screen.active_bindings:
            self._type(event, event.character)

    def forget(self) -> None:
        """Gives up the key that is held, which then has done nothing."""
        if self._held is not None:
            self._held.call_off()
            self._held = None
            self._screen.update_hints()

    def _hold(self, event: events.Key, command: Command, character: str) -> None:
        screen = self._screen
        pending = screen.desk.pending
        assert pending is not None  # what allows() has just said
        verb: AnswerVerb | None = None if command.name == "diff" else command.name  # type: ignore[assignment]
        refusal = screen.desk.refusal(verb) if verb else ""
        call_off = self._after(HOLD_S, self._act)
        self._held = _Held(command, character, pending.id, screen.card_has_focus, refusal, call_off)
        event.stop()
        event.prevent_default()
        screen.update_hints()

    async def _perform(self, name: str) -> None:
        await self._screen.commands.perform(name)

    def _act(self) -> None:
        """No other key came: the one that was held counts."""
        screen, held = self._screen, self._held
        self.forget()
        pending = screen.desk.pending
        if held is None or pending is None or pending.id != held.approval:
            return
        if held.on_card and not screen.card_has_focus:  # Esc or Tab of the same burst of keys came to act only now
            screen.composer.insert(held.character)
        elif not held.on_card:
            screen.tell("Tab to the proposal to answer it.", "muted")
        elif held.refusal:
            screen.tell(held.refusal, "warn")
        else:
            screen.run_worker(self._perform(held.command.name), group="answer")

    def _type(self, event: events.Key, characters: str) -> None:
        """Puts what was typed into the composer, where the rest of it goes too."""
        event.stop()
        event.prevent_default()
        self._screen.composer.focus()
        self._screen.composer.insert(characters)

    def _timer(self, delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
        return self._screen.set_timer(delay_s, call).stop
