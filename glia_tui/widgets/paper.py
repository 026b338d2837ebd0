"""Painting lines: the one place where a role becomes a colour.

Every segment gets an explicit style: the filter that serves ``NO_COLOR`` can't take a segment without one. Styles are
parsed here and not by component classes, which the stylesheet would match anew, role by role, at every change of
focus.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Offset, Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style as VisualStyle
from textual.widget import Widget

from glia_tui.lines import Line, Role, Span

ROLE_STYLES: dict[Role, str] = {
    "text": "$foreground",
    "muted": "$foreground 62%",
    "strong": "bold $foreground",
    "accent": "bold $text-accent",
    "good": "$text-success",
    "bad": "$text-error",
    "warn": "$text-warning",
    "heading": "bold $foreground",
    "key": "bold $text-accent",
    "code": "$text-primary",
    "rule": "$foreground 25%",
    "you": "bold $text-accent",
    "researcher": "bold $text-primary",
    "supervisor": "bold $glia-supervisor",
    "system": "$foreground 50%",
    "keyword": "$glia-supervisor",
    "string": "$text-success",
    "comment": "italic $foreground 55%",
    "number": "$text-warning",
    "name": "bold $text-primary",
    "added": "$text-success on $success 16%",
    "removed": "$text-error on $error 18%",
    "cursor": "$foreground on $primary 35%",
    "chip": "bold $foreground on $primary 45%",
    "candidate": "$glia-candidate",
    "candidate-2": "$glia-candidate-2",
    "baseline": "$glia-baseline",
    "baseline-2": "$glia-baseline-2",
}
"""The look of each role, in the variables of the theme in force."""

NO_COLOR_STYLES: dict[Role, str] = {
    **dict.fromkeys(ROLE_STYLES, ""),
    **dict.fromkeys(("muted", "rule", "system", "removed", "baseline", "baseline-2"), "dim"),
    **dict.fromkeys(("strong", "accent", "heading", "key", "you", "researcher", "supervisor"), "bold"),
    **dict.fromkeys(("keyword", "name", "added", "bad", "warn", "candidate"), "bold"),
    "comment": "dim italic",
    "cursor": "reverse",
    "chip": "reverse",
}
"""The look of each role under ``NO_COLOR``: attributes only. Words and marks say what colour would."""


class Painter:
    """Styles by role for one widget; :meth:`forget` them when the widget's own style changes."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._theme = ""
        self._styles: dict[tuple[Role, Role], Style] = {}

    def forget(self) -> None:
        self._styles.clear()

    def style(self, role: Role, fill: Role = "text") -> Style:
        """The style of ``role`` on the background of ``fill``, over the widget's own."""
        app = self._widget.app
        if app.theme != self._theme:
            self._theme = app.theme
            self.forget()
        style = self._styles.get((role, fill))
        if style is None:
            style = self._styles[role, fill] = self._make(role, fill).rich_style
        return style

    def _make(self, role: Role, fill: Role) -> VisualStyle:
        app = self._widget.app
        looks = NO_COLOR_STYLES if app.no_color else ROLE_STYLES
        text = VisualStyle.parse(looks[role], app.theme_variables)
        ground = VisualStyle.parse(looks[fill], app.theme_variables)
        if app.no_color:
            return self._widget.visual_style + ground + text
        return self._widget.visual_style + VisualStyle(background=ground.background) + text

    def segments(self, line: Line, width: int) -> list[Segment]:
        """``line`` filled up to ``width`` cells."""
        segments = [
            Segment(text, self.style(role, line.fill if fill == "text" else fill))
            for text, role, fill in line.spans
            if text
        ]
        space = width - line.width
        if space > 0:
            segments.append(Segment(" " * space, self.style("text", line.fill)))
        return segments

    def strip(self, line: Line, width: int) -> Strip:
        return Strip(self.segments(line, width)).adjust_cell_length(width, self.style("text", line.fill))


class LineBar(Widget):
    """A widget of a few lines that are made for its width. Spans may be clicked: see :meth:`action_at`."""

    DEFAULT_CSS = "LineBar { height: 1; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.painter = Painter(self)

    def line_for(self, y: int, width: int) -> Line:
        """The line at ``y``; subclasses say what it is."""
        raise NotImplementedError

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.painter.forget()

    def render_line(self, y: int) -> Strip:
        return self.painter.strip(self.line_for(y, self.size.width), self.size.width)


class Bar(LineBar):
    """One line that is set from outside."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._line = Line()

    def show(self, line: Line) -> None:
        """Draws ``line`` from now on; nothing happens when it is there already."""
        if line != self._line:
            self._line = line
            self.refresh()

    @property
    def plain(self) -> str:
        return self._line.plain

    def line_for(self, y: int, width: int) -> Line:
        return self._line if y == 0 else Line()


class Paper(ScrollView):
    """Lines that scroll. Text can be selected with the mouse and copied."""

    ALLOW_SELECT = True
    DEFAULT_CSS = """
    Paper { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.painter = Painter(self)
        self.lines: Sequence[Line] = []

    @property
    def allow_select(self) -> bool:
        return True

    @property
    def plain(self) -> str:
        """Everything it shows, as text."""
        return "\n".join(line.plain for line in self.lines)

    def show(self, lines: Sequence[Line]) -> None:
        """Draws ``lines`` from now on, which must fit the width."""
        self.lines = lines
        self.virtual_size = Size(0, len(lines))
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.painter.forget()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        number = round(self.scroll_y) + y
        if not 0 <= number < len(self.lines):
            return Strip.blank(width, self.painter.style("text"))
        line = self.lines[number]
        strip = self.painter.strip(self._selected(line, number), width)
        return strip.apply_offsets(0, number)

    def _selected(self, line: Line, number: int) -> Line:
        """``line`` with the part the mouse has selected marked."""
        selection = self.text_selection
        span = selection.get_span(number) if selection is not None else None
        if span is None:
            return line
        start, end = span
        end = len(line.plain) if end == -1 else end
        spans: list[Span] = []
        at = 0
        for text, role, fill in line.spans:
            low, high = (max(min(edge - at, len(text)), 0) for edge in (start, end))
            spans += [Span(text[:low], role, fill), Span(text[low:high], "chip"), Span(text[high:], role, fill)]
            at += len(text)
        return Line(tuple(span for span in spans if span.text), line.fill)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract(self.plain), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    def line_at(self, offset: Offset) -> int:
        """The number of the line under an offset inside the widget."""
        return offset.y + round(self.scroll_y)
