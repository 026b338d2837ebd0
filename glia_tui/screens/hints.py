"""Which keys the Study screen shows: only what works where the focus is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glia_tui.actions import BY_NAME
from glia_tui.widgets.bars import Hint
from glia_tui.widgets.cluster import ClusterPanel
from glia_tui.widgets.designs import DesignsList
from glia_tui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from glia_tui.screens.study import StudyScreen

_VERBS = ("approve", "edit", "redirect", "reject", "always", "diff")


def verb_hints(screen: StudyScreen) -> list[Hint]:
    """The verbs of the waiting approval, dimmed where their keys do nothing; dots after the one about to be used."""
    active, armed = screen.card_has_focus, screen.verb_keys.armed
    verbs = [BY_NAME[name] for name in _VERBS if screen.commands.allows(name)]
    return [Hint(v.shown_key, v.label + ("…" if v.name == armed else ""), v.name, active) for v in verbs]


def key_hints(screen: StudyScreen) -> list[Hint]:
    """The key bar, most needed first: what doesn't fit is left out."""
    hints = _typing(screen) if screen.composer.has_focus else _in_panel(screen)
    help_key = "?" if not screen.composer.has_focus or not screen.composer.text else "F1"
    hints.insert(min(3, len(hints)), Hint(help_key, "help", "help"))
    return [*hints, Hint("^p", "palette"), Hint("^q", "quit", "quit")]


def _typing(screen: StudyScreen) -> list[Hint]:
    commands, text = screen.commands, screen.composer.text
    if commands.words_for is not None:
        return [Hint("Enter", "send"), Hint("Esc", "cancel")]
    if text.startswith("/"):
        return [Hint("Enter", "run"), Hint("Tab", "complete"), Hint("Esc", "clear")]
    hints = [Hint("Enter", "send")] if text else []
    if screen.desk.pending is not None:
        hints.append(Hint("Tab", "answer"))
    else:
        hints.append(Hint("Tab", "panels"))
        if commands.busy:
            hints.append(Hint("Esc", "interrupt", "interrupt"))
    if screen.has_class("-narrow"):
        hints.append(Hint("F2", "next pane", "pane"))
    return hints


def _in_panel(screen: StudyScreen) -> list[Hint]:
    hints = [Hint("Esc", "type")]
    if isinstance(screen.focused, Transcript):
        hints += [Hint("j k", "mark"), Hint("Enter", "unfold"), Hint("End", "newest")]
    elif isinstance(screen.focused, ClusterPanel) and screen.commands.allows("play"):
        hints += [Hint("space", "play/pause", "play"), Hint("< >", "speed"), Hint("End", "skip", "skip")]
        hints += [Hint("Home", "replay", "replay"), Hint("← →", "move")]
    elif isinstance(screen.focused, DesignsList):
        hints += [Hint("↑↓", "choose"), Hint("Enter", "open")]
    elif screen.commands.allows("play"):
        hints.append(Hint("space", "play/pause", "play"))
    if screen.has_class("-narrow"):
        hints.append(Hint("1 2 3", "panes"))
    return [*hints, Hint("Tab", "next")]
