"""Where the engineer types: words for the agents, or a command after a slash."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import TextArea

from glia_tui.actions import BY_NAME, Command, matching
from glia_tui.lines import Line, Span, line, pad
from glia_tui.widgets.paper import Bar, Paper

_SUGGESTED = 6
_PLACEHOLDER = "type to steer, / for commands, ? for help"
_REDIRECTING = "what to do instead, in your words"


class Composer(TextArea):
    """A text area in which Enter sends. It takes every printable key: no typing ever answers a proposal."""

    class Sent(Message):
        """Enter was pressed on some text."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Asked(Message):
        """A key that means something beside the text: ``help``, ``leave`` (Tab) or ``back`` (Esc)."""

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, soft_wrap=True, show_line_numbers=False, compact=True, placeholder=_PLACEHOLDER)
        self.highlight_cursor_line = False
        self.cursor_blink = False  # an idle screen sends nothing

    async def _on_key(self, event: events.Key) -> None:
        actions: dict[str, Callable[[], object]] = {
            "enter": self._send,
            "escape": lambda: self.post_message(self.Asked("back")),
            "tab": self._tab,
            "ctrl+j": lambda: self.insert("\n"),
            "shift+enter": lambda: self.insert("\n"),
        }
        act = actions.get(event.key)
        if event.character == "?" and not self.text:
            act = lambda: self.post_message(self.Asked("help"))  # noqa: E731
        if act is None:
            await super()._on_key(event)
            return
        event.prevent_default()
        event.stop()
        act()

    def _send(self) -> None:
        if self.text.strip():
            text = self.text
            self.clear()
            self.post_message(self.Sent(text))

    def _tab(self) -> None:
        """Completes a command's name; otherwise leaves the composer."""
        found = completions(self.text)
        if found and self.text != f"/{found[0].name}":
            self.text = f"/{found[0].name}" + (" " if found[0].argument else "")
            self.move_cursor(self.document.end)
        else:
            self.post_message(self.Asked("leave"))


class Prompt(Horizontal):
    """The composer with what stands before it: ``>``, or what the words will be used for."""

    def compose(self) -> ComposeResult:
        yield Bar(id="prompt")
        yield Composer(id="composer")

    def ask(self, what: str) -> None:
        """Says what the words are for; empty for steering."""
        bar = self.query_one("#prompt", Bar)
        bar.styles.width = len(what) + 3 if what else 3
        bar.show(line((f" {what}> " if what else " > ", "accent")))
        self.query_one(Composer).placeholder = _REDIRECTING if what else _PLACEHOLDER


class Suggestions(Paper):
    """The commands that what is typed may become."""

    def suggest(self, text: str) -> None:
        found = completions(text)
        self.display = bool(found)
        self.styles.height = len(found)
        self.show([_suggestion(command, number == 0) for number, command in enumerate(found)])


def completions(text: str) -> list[Command]:
    """Commands that ``text`` may become: only for a slash and a name that isn't finished by a space."""
    if not text.startswith("/") or any(character.isspace() for character in text):
        return []
    found = matching(text)
    exact = BY_NAME.get(text.removeprefix("/"))
    return ([exact] if exact else found)[:_SUGGESTED]


def _suggestion(command: Command, is_first: bool) -> Line:
    name = f"/{command.name} {command.argument}".rstrip()
    tab = Span("  Tab completes" if is_first else "", "muted")
    return Line((Span("   " + pad(name, 18), "code"), Span(command.title), tab))
