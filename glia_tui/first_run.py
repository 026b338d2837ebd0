"""What the set-up screen of a first run offers here, and what becomes of the choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from glia_tui.ports import StudySession
from glia_tui.setup import OFFLINE, Choice, Option, Setup
from sessions.errors import SessionError
from sessions.gate import PRESETS
from sessions.playground import find_playground
from sessions.settings import WORKSPACE_FILE, Settings, workspace_home
from sessions.settings_file import remember


def make_setup(values: Settings, folder: Path, begin: Callable[[Choice], StudySession]) -> Setup:
    """The form for the workspace in ``folder``, with ``values`` as its defaults."""
    playground = find_playground()
    cards = [playground.scenario(name) for name in playground.scenario_names()]
    first = sorted(cards, key=lambda card: card.name != values.scenario)
    gate = next(mode for mode in PRESETS if mode == values.gate)

    def keep(choice: Choice) -> str:
        path = workspace_home(folder) / WORKSPACE_FILE
        try:
            remember(path, choice.settings)
        except SessionError as error:
            return str(error)
        return f"Your choices are the defaults of this workspace now ({path.name})."

    return Setup(
        backends=(OFFLINE,),
        scenarios=[Option(card.name, card.title, f"{card.hardware}. {card.why}") for card in first],
        defaults=Choice(values.backend, first[0].name, gate, values.max_experiments),
        begin=begin,
        remember=keep,
    )
