"""Every command of the Study screen, once: keys, palette, slash commands and help are made from this list."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from glia_tui.lines import BLANK, Row, clean, hang_of, one_line, pad, row

Group = Literal["answer", "editing", "study", "view", "playback", "app"]
GROUP_TITLES: dict[Group, str] = {
    "answer": "Answering a proposal",
    "editing": "In the editor of a design",
    "study": "The study",
    "view": "Panels",
    "playback": "Watching the cluster",
    "app": "The app",
}


class UnknownCommand(ValueError):
    """A slash command there isn't; the sentence names the nearest one."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command. ``name`` is its slash command; ``keys`` are Textual's names of its keys, ``shown_key`` how people
    read them; ``argument``: what follows the name."""

    name: str
    group: Group
    label: str
    title: str
    keys: tuple[str, ...] = ()
    shown_key: str = ""
    argument: str = ""

    @property
    def action(self) -> str:
        return f"do('{self.name}')"


COMMANDS: tuple[Command, ...] = (
    Command("approve", "answer", "approve", "Approve what is proposed", ("a",), "a"),
    Command("edit", "answer", "edit", "Edit the design here, then run what you wrote", ("e",), "e"),
    Command("editor", "answer", "$EDITOR", "Edit the design in $EDITOR, then run it", ("E", "shift+e"), "E"),
    Command("redirect", "answer", "redirect", "Reject, and say what to do instead", ("r",), "r", "TEXT"),
    Command("reject", "answer", "reject", "Reject at once", ("x",), "x", "[TEXT]"),
    Command("always", "answer", "always", "Approve, and this kind from now on", ("A", "shift+a"), "A"),
    Command("diff", "answer", "diff", "Show what the design changes", ("d",), "d"),
    Command("interrupt", "study", "interrupt", "Stop the agent's reply or the running experiment"),
    Command("gate", "study", "gate", "Set what is asked: supervised, trusted or autonomous", argument="MODE"),
    Command("budget", "study", "budget", "Set how many experiments may run, or none", argument="N"),
    Command("conversation", "view", "conversation", "Show the conversation", ("1",), "1"),
    Command("cluster", "view", "cluster", "Show the cluster", ("2",), "2"),
    Command("designs", "view", "designs", "Show the designs", ("3",), "3"),
    Command("pane", "view", "next pane", "Show the next pane", ("f2",), "F2"),
    Command("play", "playback", "play/pause", "Play or pause", ("space",), "space"),
    Command("faster", "playback", "faster", "Play faster", ("greater_than_sign", "full_stop"), ">"),
    Command("slower", "playback", "slower", "Play slower", ("less_than_sign", "comma"), "<"),
    Command("skip", "playback", "to the end", "Skip to the end of the run"),
    Command("replay", "playback", "replay", "Play the run again from the beginning"),
    Command("symbols", "playback", "symbols", "Draw charts with braille, block or ascii", argument="NAME"),
    Command("help", "app", "help", "Keys and commands", ("question_mark", "f1"), "?"),
    Command("quit", "app", "quit", "Quit and save; what waits stays unanswered", ("ctrl+q", "ctrl+c"), "^q"),
)
EDITING: tuple[Command, ...] = (
    Command("check", "editing", "check and run", "Check the text, and run it if it can", ("ctrl+s", "f5"), "^s"),
    Command("back", "editing", "back", "Go back; the text is kept as a draft of this proposal", ("escape",), "Esc"),
    Command("outside", "editing", "$EDITOR", "Go on with this text in $EDITOR", ("ctrl+o",), "^o"),
    Command("brief", "editing", "why", "Unfold or fold why it was proposed and what it predicts", ("f2",), "F2"),
    Command("undo", "editing", "undo", "Take back the last change; Ctrl+Y makes it again", (), "^z"),
)
"""What the editor's keys do; they have no slash command, because there a slash is typed."""
BY_NAME: dict[str, Command] = {command.name: command for command in COMMANDS}

_OTHER_KEYS: tuple[tuple[str, str], ...] = (
    ("Tab", "From typing to the proposal, then to each panel and back"),
    ("Esc", "Back: out of a prompt, from a panel to typing; while an agent works, interrupt it"),
    ("Enter", "Send what is typed; in a panel, unfold or open what is marked"),
    ("Ctrl+J", "A new line while typing"),
    ("j k", "In the conversation, the next and previous thing that unfolds"),
    ("End", "In the conversation, back to the newest; in the cluster, to the end of the run"),
    ("Home", "In the cluster, play again from the beginning"),
    ("← →", "In the cluster, move in the run"),
    ("Ctrl+P", "Command palette"),
)


def parse(text: str) -> tuple[Command, str]:
    """The command and the argument of ``/name argument``. Raises :class:`UnknownCommand`."""
    name, _, argument = text.removeprefix("/").strip().partition(" ")
    command = BY_NAME.get(name.lower())
    if command is None:
        near = difflib.get_close_matches(name.lower(), BY_NAME, n=1, cutoff=0.4)
        advice = f"the nearest is /{near[0]}" if near else "/help lists them"
        raise UnknownCommand(f"There is no command /{one_line(name)}; {advice}.")
    return command, argument.strip()


def matching(text: str) -> list[Command]:
    """The commands whose name starts like ``/te…``, for completion."""
    start = text.removeprefix("/").lower()
    return [command for command in COMMANDS if command.name.startswith(start)]


def help_rows(steering: str) -> list[Row]:
    """The help screen: every command by group, the other keys, and what the back end understands."""
    rows: list[Row] = []
    for group, title in GROUP_TITLES.items():
        rows += [row((title, "heading")), BLANK]
        for command in (*COMMANDS, *EDITING):
            if command.group == group:
                slash = "" if group == "editing" else f"/{command.name} {command.argument}".rstrip()
                rows.append(
                    row(
                        (pad(command.shown_key, 7), "key"), (pad(slash, 18), "code"), command.title,
                        indent=2, hang=25,
                    )
                )  # fmt: skip
        rows.append(BLANK)
    rows += [row(("Other keys", "heading")), BLANK]
    rows += [row((pad(key, 7), "key"), words, indent=2, hang=7) for key, words in _OTHER_KEYS]
    rows += [BLANK, row(("Steering the researcher", "heading")), BLANK]
    rows += [row(text, indent=2, hang=hang_of(text)) for text in clean(steering).strip("\n").split("\n")]
    return rows
