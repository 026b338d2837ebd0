"""The conversation: entries laid out once each, drawn a line at a time.

There is no widget per entry, so that a long study costs no more than a short one: an event lays out its own entry,
and a redraw touches the visible lines. What the reader looks at never moves under them: it follows new entries only
while it is at the end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message

from glia_tui.lines import Line, Role, Span, filled, wrap_all
from glia_tui.present import SPEAKER_ROLES, Change, Entry
from glia_tui.widgets.paper import Paper

GUTTER = 12
_NARROW = 56
_WINDOW = 300
_MOST = 900
_MORE = 300


@dataclass(slots=True, eq=False)
class _Block:
    """An entry with the lines it takes now."""

    entry: Entry
    labelled: bool
    lines: list[Line] = field(default_factory=list)
    unfolded: bool = False


class Transcript(Paper, can_focus=True):
    """The conversation. Only a window of the latest entries is laid out; earlier ones when they are asked for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "mark(1)", "next", show=False),
        Binding("k", "mark(-1)", "previous", show=False),
        Binding("enter", "fold", "unfold", show=False),
        Binding("end", "to_end", "newest", show=False),
        Binding("home", "to_start", "earliest", show=False),
    ]

    class Moved(Message):
        """The reader scrolled, or entries came in below what they read."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._blocks: list[_Block] = []
        self._index: dict[str, _Block] = {}
        self._earlier: list[Entry] = []
        self._tops: list[int] = []
        self._marked: str | None = None
        self._follow = True
        self._laid_out_for = 0
        self.unread = 0

    @property
    def following(self) -> bool:
        """Whether it stays at the newest entry."""
        return self._follow

    @property
    def marked_folds(self) -> bool:
        """Whether the marked entry has more to show."""
        return self._marked in self._index

    def fill(self, entries: list[Entry]) -> None:
        """Shows the record of a study that is opened again."""
        self._earlier = entries[:-_WINDOW]
        for entry in entries[-_WINDOW:]:
            self._put(entry)
        self._compose_lines()

    def take(self, changes: list[Change]) -> None:
        """Adds, replaces and removes entries."""
        before = len(self._blocks)
        first = min((self._change(change) for change in changes), default=before)
        if not self._follow:
            self.unread += max(len(self._blocks) - before, 0)
            self.post_message(self.Moved())
        elif len(self._blocks) > _MOST:
            self._narrow()
            first = 0
        self._compose_lines(first)

    def _change(self, change: Change) -> int:
        """Makes one change; the number of the first block that isn't where it was."""
        if isinstance(change, Entry):
            return self._put(change)
        block = self._index.pop(change.key, None)
        if block is None:
            return len(self._blocks)
        number = self._number_of(block)
        del self._blocks[number]
        return number

    def _put(self, entry: Entry) -> int:
        block = self._index.get(entry.key)
        if block is None:
            block = _Block(entry, self._needs_label(entry))
            self._index[entry.key] = block
            self._blocks.append(block)
        block.entry = entry
        block.lines = self._lay_out(block)
        return self._number_of(block)

    def _number_of(self, block: _Block) -> int:
        """Where ``block`` is; what changes is nearly always near the end."""
        return next(n for n in range(len(self._blocks) - 1, -1, -1) if self._blocks[n] is block)

    def _narrow(self) -> None:
        """Keeps the latest window; the rest is laid out again when it is asked for."""
        old, self._blocks = self._blocks[:-_WINDOW], self._blocks[-_WINDOW:]
        for block in old:
            del self._index[block.entry.key]
        self._earlier += [block.entry for block in old]

    def _needs_label(self, entry: Entry) -> bool:
        """A name is left out only where the entry above has the same speaker."""
        return entry.labelled or not self._blocks or self._blocks[-1].entry.speaker != entry.speaker

    def _lay_out(self, block: _Block) -> list[Line]:
        width = self._text_width()
        if width <= 0:
            return []
        entry = block.entry
        role = SPEAKER_ROLES[entry.speaker]
        body = _laid_out(entry, width - (2 if entry.detail else 0))
        if entry.detail:
            mark = "▾ " if block.unfolded else "▸ "
            marked: Role = "accent" if entry.key == self._marked else "muted"
            body = [
                Line((Span(mark if number == 0 else "  ", marked), *line.spans), line.fill)
                for number, line in enumerate(body)
            ]
            if block.unfolded:
                inner = _unfolded(entry.detail, width - 4)
                body += [Line((Span("  │ ", "rule"), *filled(line, width - 4))) for line in inner]
        if self._has_gutter():
            lines = [Line((_label(block, role, number), *line.spans), line.fill) for number, line in enumerate(body)]
        else:
            name = [Line((Span(entry.speaker, role),))] if block.labelled else []
            lines = name + [Line((Span("  "), *line.spans), line.fill) for line in body]
        return [Line(), *lines] if block.labelled else lines

    def _has_gutter(self) -> bool:
        return self.size.width >= _NARROW

    def _text_width(self) -> int:
        return self.size.width - (GUTTER if self._has_gutter() else 2) - 1

    def _compose_lines(self, first: int = 0) -> None:
        """Puts the blocks' lines together, from block ``first`` on, and keeps the reader where they are."""
        anchor = None if self._follow else self._anchor()
        lines = list(self.lines[: self._tops[first]]) if 0 < first < len(self._tops) else []
        if 0 < first == len(self._tops):
            lines = list(self.lines)
        elif not lines:
            first = 0
            if self._earlier:
                lines.append(Line((Span(f"  ▴ {len(self._earlier)} earlier: Home or a click shows them", "muted"),)))
        del self._tops[first:]
        for block in self._blocks[first:]:
            self._tops.append(len(lines))
            lines += block.lines
        self.lines = lines
        self.virtual_size = Size(0, len(lines))
        if self._follow:
            self._jump(self.max_scroll_y)
        elif anchor is not None and anchor[0].entry.key in self._index:
            self._jump(self._top_of(anchor[0]) + anchor[1])
        self.call_after_refresh(self._place_scrollbar)
        self.refresh()

    def _place_scrollbar(self) -> None:
        """A scroll bar that has just appeared doesn't know where the text stands."""
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.position = self.scroll_y

    def _anchor(self) -> tuple[_Block, int] | None:
        """The block at the top of the screen as it was drawn last, and how many of its lines are above."""
        y = round(self.scroll_y)
        number = bisect_right(self._tops, y) - 1
        return (self._blocks[number], y - self._tops[number]) if 0 <= number < len(self._blocks) else None

    def _jump(self, y: int) -> None:
        self.scroll_to(y=y, animate=False, immediate=True, force=True)

    def on_resize(self, event: events.Resize) -> None:
        if self.size.width != self._laid_out_for:
            self._laid_out_for = self.size.width
            for block in self._blocks:
                block.lines = self._lay_out(block)
        self._compose_lines()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        follow = new_value >= self.max_scroll_y
        if follow != self._follow:
            self._follow = follow
            if follow:
                self.unread = 0
            self.post_message(self.Moved())

    def action_to_end(self) -> None:
        self._follow = True
        self.unread = 0
        if len(self._blocks) > _MOST:
            self._narrow()
        self._compose_lines()
        self.post_message(self.Moved())

    def action_to_start(self) -> None:
        """To the top, with more of what is earlier than that."""
        if self._earlier:
            later, self._blocks = self._blocks, []
            for entry in self._earlier[-_MORE:]:
                self._put(entry)
            del self._earlier[-_MORE:]
            self._blocks += later
        self._follow = False
        self._compose_lines()
        self._jump(0)

    def action_mark(self, step: int) -> None:
        """Marks the next or previous entry that unfolds, starting from what is on the screen."""
        keys = [block.entry.key for block in self._blocks if block.entry.detail]
        if not keys:
            return
        if self._marked in keys:
            at = min(max(keys.index(self._marked) + step, 0), len(keys) - 1)
        else:
            at = len(keys) - 1
        self._set_mark(keys[at])
        self._reveal(keys[at])

    def action_fold(self) -> None:
        if self._marked is None:
            self.action_mark(1)
            return
        self._toggle(self._marked)

    def on_click(self, event: events.Click) -> None:
        number = self.line_at(event.get_content_offset_capture(self))
        if self._earlier and number == 0:
            self.action_to_start()
            return
        block = self._block_at(number)
        if block is not None and block.entry.detail and self.text_selection is None:
            self._set_mark(block.entry.key)
            self._toggle(block.entry.key)

    def _toggle(self, key: str) -> None:
        block = self._index.get(key)
        if block is None or block.entry.detail is None:
            return
        block.unfolded = not block.unfolded
        block.lines = self._lay_out(block)
        if block.unfolded:
            self._follow = False
        self._compose_lines()
        self._reveal(key)

    def _set_mark(self, key: str) -> None:
        for old in (self._marked, key):
            self._marked = key
            if old in self._index:
                self._index[old].lines = self._lay_out(self._index[old])
        self._compose_lines()

    def _reveal(self, key: str) -> None:
        """Scrolls only as far as needed to see the entry's first lines."""
        block = self._index[key]
        top, height = self._top_of(block), self.size.height
        size = min(len(block.lines), height)
        if top < self.scroll_y:
            self._jump(top)
        elif top + size > self.scroll_y + height:
            self._jump(top + size - height)

    def _top_of(self, block: _Block) -> int:
        return self._tops[self._blocks.index(block)]

    def _block_at(self, number: int) -> _Block | None:
        at = bisect_right(self._tops, number) - 1
        return self._blocks[at] if 0 <= at < len(self._blocks) else None


def _laid_out(entry: Entry, width: int) -> list[Line]:
    """The entry's rows; one that can't be laid out is shown as it is, because no text may end the app."""
    try:
        return wrap_all(entry.rows, width)
    except Exception:
        return [Line((Span(r.plain[: max(width, 1)], "muted"),)) for r in entry.rows]


def _unfolded(detail: Callable[[int], list[Line]], width: int) -> list[Line]:
    try:
        return detail(width)
    except Exception as error:
        return [Line((Span(f"this can't be drawn ({type(error).__name__})"[: max(width, 1)], "warn"),))]


def _label(block: _Block, role: Role, number: int) -> Span:
    """The margin: a bar in the speaker's colour, and their name on the first line."""
    name = block.entry.speaker if number == 0 and block.labelled else ""
    return Span(f"▌{name}".ljust(GUTTER), role)
