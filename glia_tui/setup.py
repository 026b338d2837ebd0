"""What is chosen before a first study: the form without a terminal, and when it is shown.

Values here are plain data; :mod:`glia_tui.screens.setup` draws them. Nothing is created before :attr:`Setup.begin` is
called with a finished choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from glia_tui.lines import BLANK, Role, Row, elide, one_line, row
from glia_tui.ports import StudySession
from sessions import events as ev
from sessions.settings import DEFAULT, InForce

Group = Literal["backend", "scenario", "gate", "budget", "remember"]
GROUPS: tuple[Group, ...] = ("backend", "scenario", "gate", "budget", "remember")
MOST_EXPERIMENTS = 9_999
CHOSEN_HERE = ("backend", "scenario", "gate", "max_experiments")
"""The settings that the form asks for."""
GATES: dict[ev.GateMode, str] = {
    "supervised": "asks you before every experiment and every acceptance",
    "trusted": "runs experiments by itself, asks before a design is accepted",
    "autonomous": "runs and accepts by itself, within the budget",
}


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to choose. ``about`` is shown beside its name, ``more`` under the list while it is chosen."""

    name: str
    about: str
    more: str = ""


OFFLINE = Option(
    "offline",
    "built in, the only one today",
    "Follows written rules over a fixed set of ideas: no model, no key, no network.",
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen. ``max_experiments``: ``None`` for no limit. ``remember``: as the workspace's defaults."""

    backend: str
    scenario: str
    gate: ev.GateMode
    max_experiments: int | None = None
    remember: bool = False

    @property
    def settings(self) -> dict[str, str | int]:
        """The keys of a settings file that say the same."""
        values: dict[str, str | int] = {"backend": self.backend, "scenario": self.scenario, "gate": self.gate}
        return values if self.max_experiments is None else {**values, "max_experiments": self.max_experiments}


@dataclass(frozen=True, slots=True)
class Setup:
    """What a first study can be set up with. ``defaults`` is what Enter takes at once.

    ``begin`` creates the study and raises :class:`~sessions.errors.SessionError` if it can't; ``remember`` writes the
    defaults and returns a sentence on how that went.
    """

    backends: Sequence[Option]
    scenarios: Sequence[Option]
    defaults: Choice
    begin: Callable[[Choice], StudySession]
    remember: Callable[[Choice], str]


def is_first_run(found: InForce, sessions: Sequence[str], options: Sequence[object]) -> bool:
    """Whether nothing was chosen yet: no session here, no option given, none of the form's settings set."""
    settings = [found.sources[key] for key in CHOSEN_HERE]
    return not sessions and all(option is None for option in options) and all(s == DEFAULT for s in settings)


class Form:
    """The form while it is filled in. ``group`` is where the keys go."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.choice = setup.defaults
        self.group: Group = "scenario"

    @property
    def options(self) -> Mapping[Group, Sequence[Option]]:
        """The lists to choose from."""
        return {
            "backend": self._setup.backends,
            "scenario": self._setup.scenarios,
            "gate": [Option(name, about) for name, about in GATES.items()],
        }

    def go(self, step: int) -> None:
        """To the next group, around."""
        self.group = GROUPS[(GROUPS.index(self.group) + step) % len(GROUPS)]

    def step(self, step: int) -> None:
        """The next option of the group; in the budget one experiment more or fewer."""
        options = self.options.get(self.group)
        if options is not None:
            names = [option.name for option in options]
            at = names.index(self._chosen(self.group)) + step
            self.choose(self.group, names[min(max(at, 0), len(names) - 1)])
        elif self.group == "budget":
            self._limit((self.choice.max_experiments or 0) - step)
        else:
            self.toggle()

    def choose(self, group: Group, name: str) -> None:
        """Chooses an option by its name."""
        self.group = group
        if group == "backend":
            self.choice = replace(self.choice, backend=name)
        elif group == "scenario":
            self.choice = replace(self.choice, scenario=name)
        elif group == "gate":
            gate = next(mode for mode in GATES if mode == name)
            self.choice = replace(self.choice, gate=gate)

    def digit(self, digit: str) -> None:
        """Types a digit of the budget, wherever the form is; other fields take none."""
        self.group = "budget"
        typed = int(f"{self.choice.max_experiments or ''}{digit}")
        if typed <= MOST_EXPERIMENTS:
            self._limit(typed)

    def erase(self) -> None:
        """Takes the last digit of the budget away."""
        if self.group == "budget":
            self._limit((self.choice.max_experiments or 0) // 10)

    def toggle(self) -> None:
        self.choice = replace(self.choice, remember=not self.choice.remember)

    def _limit(self, number: int) -> None:
        limit = min(number, MOST_EXPERIMENTS) if number > 0 else None
        self.choice = replace(self.choice, max_experiments=limit)

    def _chosen(self, group: Group) -> str:
        return {"backend": self.choice.backend, "scenario": self.choice.scenario, "gate": self.choice.gate}[group]

    # -- as rows

    def rows(self, width: int, airy: bool) -> list[tuple[Row, Group | None, str]]:
        """Each row with the group and the option that a click on it means, in ``width`` cells; ``airy``: with space
        between groups."""
        titles: dict[Group, str] = {
            "backend": "Who researches",
            "scenario": "What to design for",
            "gate": "What is asked",
        }
        rows: list[tuple[Row, Group | None, str]] = []
        for group, options in self.options.items():
            rows.append(
                (row((titles[group], self._role(group)), ("  ◂" if group == self.group else "", "key")), group, "")
            )
            rows += [(self._option(group, option, width), group, option.name) for option in options]
            more = next((option.more for option in options if option.name == self._chosen(group)), "")
            rows += [(row((more, "muted"), indent=4), group, "")] if more else []
            rows += [(BLANK, None, "")] if airy else []
        limit = self.choice.max_experiments
        words = "no limit" if limit is None else f"{limit}"
        here = ("  type a number, ↑↓", "muted") if self.group == "budget" else ("", "muted")
        rows.append((row(("Most experiments  ", self._role("budget")), (words, "strong"), here), "budget", ""))  # type: ignore[arg-type]
        box = "[x]" if self.choice.remember else "[ ]"
        told = "remember this as the defaults of this workspace (glia.toml)"
        rows.append((row((f"{box} ", "key"), (told, self._role("remember"))), "remember", ""))
        return rows

    def _role(self, group: Group) -> Role:
        return "accent" if group == self.group else "heading" if group in self.options else "text"

    def _option(self, group: Group, option: Option, width: int) -> Row:
        chosen = option.name == self._chosen(group)
        column = max(len(known.name) for known in self.options[group]) + 2
        name: Role = "strong" if chosen else "text"
        return row(
            ("  ● " if chosen else "  ○ ", "key" if chosen else "muted"),
            (one_line(option.name).ljust(column), name),
            (elide(one_line(option.about), max(width - column - 4, 8)), "text" if chosen else "muted"),
            hang=4 + column,
        )
