"""Lines, prose, source code and diffs: text that was written by others is laid out and never acted upon."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from glia_tui import diffing
from glia_tui.lines import Row, Span, clean, elide, one_line, pad, row, wrap
from glia_tui.prose import prose
from glia_tui.source_code import highlight


def plain(rows: list[Row]) -> list[str]:
    return [row.plain for row in rows]


def test_importing_the_package_brings_no_textual() -> None:
    code = "import sys, glia_tui, glia_tui.present, glia_tui.actions; print('textual' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@given(st.text(), st.integers(8, 60), st.integers(0, 4), st.integers(0, 4))
def test_wrapped_lines_fit_and_lose_no_word(text: str, width: int, indent: int, hang: int) -> None:
    words = clean(text).split()
    lines = wrap(row(" ".join(words), indent=indent, hang=hang), width)
    assert all(line.width <= width for line in lines)
    assert "".join(line.plain for line in lines).replace(" ", "") == "".join(words).replace(" ", "")


def test_a_word_of_several_spans_is_not_broken_between_them() -> None:
    lines = wrap(row("twelve chars ", ("bold", "strong"), ", then"), 17)
    assert [line.plain for line in lines] == ["twelve chars", "bold, then"]


def test_a_word_wider_than_the_line_is_chopped() -> None:
    assert [line.plain for line in wrap(row("x" * 20), 8)] == ["x" * 8, "x" * 8, "xxxx"]


def test_wrapped_lines_hang_under_the_text() -> None:
    lines = wrap(row(("label   ", "muted"), "some words that wrap", hang=8), 20)
    assert [line.plain for line in lines] == ["label   some words", "        that wrap"]


@given(st.text())
def test_cleaned_text_has_nothing_a_terminal_acts_upon(text: str) -> None:
    assert not [c for c in clean(text) if c != "\n" and (ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0)]
    clean(text).encode("utf-8")


def test_escapes_and_hidden_characters_are_shown() -> None:
    assert clean("\x1b[31mred\x07") == "␛[31mred␇"
    assert clean("a\u202eb\u200bc") == "a‹U+202E›b‹U+200B›c"
    assert clean("a\r\nb\tc") == "a\nb   c"
    assert one_line("a\n  b\x00") == "a b␀"


@given(st.text(), st.integers(1, 30))
def test_elided_and_padded_text_has_its_width(text: str, width: int) -> None:
    assert cell_len(elide(one_line(text), width)) <= width
    assert cell_len(pad(one_line(text), width)) == width


def test_prose_reads_paragraphs_lists_headings_and_fences() -> None:
    rows = prose("# Title\none\ntwo\n\n- a **b** `c`\n2. d\n```python\nx = 1\n```\nend")
    assert plain(rows) == ["Title", "one", "two", "", "• a b c", "2. d", "│ x = 1", "end"]
    assert Span("b", "strong") in rows[4].spans
    assert Span("c", "code") in rows[4].spans


def test_markup_in_prose_is_text() -> None:
    text = "[red]x[/red] [@click=app.quit]y[/] \\[z]"
    assert plain(prose(text)) == [text]


def test_an_open_fence_of_a_streaming_reply_is_shown() -> None:
    assert plain(prose("see\n```\ny = 2")) == ["see", "│ y = 2"]


def test_highlighting_keeps_every_character_and_line() -> None:
    source = 'def f(x):\n    """Doc\n    more"""\n    return x + 1  # note'
    lines = highlight(source)
    assert "\n".join("".join(span.text for span in line) for line in lines) == source
    assert Span("def", "keyword") in lines[0]
    assert lines[2][0].role == "comment"


@pytest.mark.parametrize(
    ("old", "new", "size"),
    [("a\nb\n", "a\nb\n", "no change"), ("a\nb\n", "a\nc\nd\n", "+2 −1"), ("", "a\n", "+1 −0")],
)
def test_diff_size_counts_lines(old: str, new: str, size: str) -> None:
    assert str(diffing.diff_size(old, new)) == size


def test_a_unified_diff_marks_lines_with_signs_and_not_only_colour() -> None:
    lines = [line.plain for line in diffing.unified("a = 1\nb = 2\n", "a = 1\nb = 3\n", 60)]
    assert [text.split(maxsplit=1)[1] for text in lines] == ["a = 1", "− b = 2", "+ b = 3"]


def test_side_by_side_lines_have_two_halves_of_one_width() -> None:
    old = "\n".join(f"line {n}" for n in range(30))
    lines = diffing.side_by_side(old, old.replace("line 20", "a much longer line " * 3), 81)
    changed = [line.plain for line in lines]
    assert all(text[40] == "│" for text in changed if "⋯" not in text)
    assert all(line.width == 81 for line in lines if "⋯" not in line.plain)


def test_a_diff_of_hostile_text_is_harmless() -> None:
    text = "\n".join(line.plain for line in diffing.unified("x\n", "x\n[bold]\x1b]0;title\x07\u202e\n", 40))
    assert "[bold]␛]0;title␇‹U+202E›" in text.replace("\n", "").replace("       ", "")
