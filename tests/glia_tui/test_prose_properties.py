"""A reply is drawn at every moment of its streaming, whatever it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glia_tui.prose import prose
from sessions.models.offline.steering import HELP

MARKS = st.sampled_from(
    ["```", "```python\n", "\n", "**", "*", "`", "- ", "# ", "|", "[b]", "\x1b[31m", "\u2028", "\r", "\t", "x"]
)


@given(st.lists(st.one_of(MARKS, st.text(max_size=5)), max_size=12).map("".join))
def test_any_text_is_drawn(text: str) -> None:
    prose(text)


@pytest.mark.parametrize(
    "text", [f"I can't act on “x”:\n\n```\n{HELP}\n```", "```py\nx = 1\n```\n", "**bold** `a` *b*"]
)
def test_every_beginning_of_a_reply_is_drawn(text: str) -> None:
    for end in range(len(text) + 1):
        prose(text[:end])
