"""A design's source while it is edited: a text area with line numbers, Python colours and one marked line.

Colours come from pygments, which is there anyway, and through the text area's public :meth:`get_line`: tree-sitter
would add sixteen compiled packages for one language. Text is drawn as pictures where a terminal would act upon it;
what is edited stays as it is.
"""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.style import Style as VisualStyle
from textual.theme import Theme
from textual.widgets import TextArea
from textual.widgets.text_area import Edit, EditResult, TextAreaTheme

from glia_tui.answering import MAX_SOURCE_CHARACTERS
from glia_tui.lines import Role, pictured
from glia_tui.source_code import ranges
from glia_tui.widgets.paper import Painter

_MOST_COLOURED = 15_000
"""Characters up to which a text is coloured: beyond, colouring anew at each key would be felt."""


_CURSOR_LINE = "on $foreground 7%"


class SourceArea(TextArea):
    """An editor of one Python file. Tab indents; Esc and the screen's other keys are the screen's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+home", "to_end(False)", show=False),
        Binding("ctrl+end", "to_end(True)", show=False),
    ]

    class Refused(Message):
        """A paste that would make the text too long was not taken."""

        def __init__(self, why: str) -> None:
            super().__init__()
            self.why = why

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, soft_wrap=False, show_line_numbers=True, tab_behavior="indent", compact=True)
        self.cursor_blink = False  # an idle screen sends nothing
        self._painter = Painter(self)
        self._ranges: list[list[tuple[int, int, Role]]] | None = None
        self._marked: int | None = None

    def on_mount(self) -> None:
        self._match_theme(self.app.current_theme)
        self.app.theme_changed_signal.subscribe(self, self._match_theme)

    def _match_theme(self, theme: Theme) -> None:
        """Marks the cursor's line by its background alone: the usual style would take the colours of the code away."""
        name = f"glia-{theme.name}"
        if name not in self.available_themes:
            ground = self.visual_style + VisualStyle.parse(_CURSOR_LINE, self.app.theme_variables)
            style = Style() if self.app.no_color else Style(bgcolor=ground.rich_style.bgcolor)
            self.register_theme(TextAreaTheme(name, cursor_line_style=style))
        self.theme = name

    def open(self, text: str) -> None:
        """Shows another text, which nothing has been undone of."""
        self.load_text(text)
        self._forget_colours()

    def replace_all(self, text: str) -> None:
        """Replaces everything, as one change that can be undone."""
        if text != self.text:
            self.replace(text, self.document.start, self.document.end)
            self.move_cursor(self.document.start)

    def action_to_end(self, last: bool) -> None:
        """To the end of the text, or to its beginning."""
        self.move_cursor(self.document.end if last else self.document.start)

    def mark(self, line: int | None) -> None:
        """Marks ``line`` (from 1) and goes there; ``None`` marks nothing. A change takes the mark away."""
        number = None if line is None else min(max(line, 1), self.document.line_count) - 1
        if number is not None:
            text = self.document.get_line(number)
            self.move_cursor((number, len(text) - len(text.lstrip())), center=True)
        self._marked = number
        self.notify_style_update()
        self.refresh()

    @property
    def marked(self) -> int | None:
        """The marked line, from 1."""
        return None if self._marked is None else self._marked + 1

    async def _on_key(self, event: events.Key) -> None:
        """Leaves Esc to the screen, in turn: a priority binding would overtake what was typed before it."""
        if event.key == "escape":
            event.prevent_default()
            return
        await super()._on_key(event)

    # -- every way a text changes

    def edit(self, edit: Edit) -> EditResult:
        result = super().edit(edit)
        self._changed()
        return result

    def undo(self) -> None:
        super().undo()
        self._changed()

    def redo(self) -> None:
        super().redo()
        self._changed()

    def _changed(self) -> None:
        self._forget_colours()
        if self._marked is not None:
            self.mark(None)

    def _forget_colours(self) -> None:
        self._ranges = None

    def on_paste(self, event: events.Paste) -> None:
        """Refuses at once what is too long for a design; the text area itself takes the rest."""
        room = MAX_SOURCE_CHARACTERS - len(self.text) + len(self.selected_text)
        if len(event.text) > room:
            event.prevent_default()
            self.post_message(
                self.Refused(
                    f"A design has at most {MAX_SOURCE_CHARACTERS:,} characters; what was pasted has "
                    f"{len(event.text):,} and {max(room, 0):,} are free, so nothing was pasted."
                )
            )

    # -- drawing

    def notify_style_update(self) -> None:
        super().notify_style_update()
        if hasattr(self, "_painter"):
            self._painter.forget()

    def get_line(self, line_index: int) -> Text:
        line = Text(pictured(self.document.get_line(line_index)), end="", no_wrap=True)
        if self._ranges is None:
            self._ranges = ranges(pictured(self.text)) if len(self.text) <= _MOST_COLOURED else []
        if line_index < len(self._ranges):
            for start, end, role in self._ranges[line_index]:
                line.stylize(self._colour(role), start, end)
        if line_index == self._marked:
            line.stylize(self._colour("bad") + Style(underline=True))
        return line

    def _colour(self, role: Role) -> Style:
        """The look of ``role`` without a background: the cursor's line keeps its own."""
        style = self._painter.style(role)
        return Style(color=style.color, bold=style.bold, italic=style.italic, dim=style.dim)
