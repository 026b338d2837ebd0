"""Every shell command of the README and of docs/ is run, or its exception is named and counted here.

Each document is one reader with a fresh home, who does its blocks in order in one folder.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.blocks import DOCUMENTS, ROOT, Block, blocks, read, shell_blocks
from tests.docs.reader import INSTALLS, LONG, Reader, matches

BY_HAND = {"docs/paper-table.md": 1, "docs/scenarios.md": 2}
"""How many blocks of a document no test runs."""
INTERACTIVE = {"docs/sessions.md": 1, "docs/tutorial.md": 2}
"""How many blocks of a document need a terminal."""


def marked(document: str, start: str) -> list[Block]:
    return [block for block in shell_blocks(document) if block.mark.startswith(start)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_reader_can_do_what_the_document_says(document: str, tmp_path: Path, prepared: Callable[[str], Path]) -> None:
    reader = Reader(tmp_path, prepared)
    if "my_router.py" in read(document) and document != "docs/write-a-router.md":
        for block in blocks(read("docs/write-a-router.md"), "docs/write-a-router.md"):
            if block.file == "my_router.py":
                reader.follow(block)
    for block in blocks(read(document), document):
        reader.follow(block)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_exceptions_are_those_that_are_known(document: str) -> None:
    assert len(marked(document, "by hand")) == BY_HAND.get(document, 0)
    assert len(marked(document, "interactive")) == INTERACTIVE.get(document, 0)
    assert all(", " in block.mark for block in marked(document, "by hand"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_command_stands_in_a_block_of_another_kind(document: str) -> None:
    others = [block for block in blocks(read(document), document) if block.kind not in ("sh", "before")]
    assert [b.where for b in others if re.search(r"^\$? ?(glia|git|python3?) ", b.content, re.MULTILINE)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_replaced_command_prints_is_not_shown(document: str) -> None:
    assert [b.where for b in shell_blocks(document) if b.shows and LONG.search(b.content)] == []


def test_the_readme_installs_as_ci_does() -> None:
    """What installs is run by ``.ci/run`` on a fresh checkout; it needs a package index, so no test does it."""
    ci = read(".ci/run").splitlines()
    scripts = [block.content.strip() for block in shell_blocks("README.md") if INSTALLS.match(block.content)]
    then = []
    for script in scripts:
        environment, install, last = script.split(" && ")
        assert environment in ci
        assert install.removesuffix(" .").removesuffix(" '.[dev]'") + " '.[dev]'" in ci
        then.append(last)
    assert then == [".venv/bin/glia", ".venv/bin/python -m pytest"]
    assert then[1] in ci


def test_a_block_that_is_by_hand_still_starts() -> None:
    for document in BY_HAND:
        for block in marked(document, "by hand"):
            program, script, *_ = block.content.split()
            done = subprocess.run([sys.executable, script, "--help"], cwd=ROOT, capture_output=True, check=False)
            assert (program, done.returncode) == ("python", 0), block.where


def test_a_shown_line_that_is_not_printed_is_noticed() -> None:
    assert matches("mean … 6.05 s  to …", "figure\nmean completion time   6.05 s to 6.81 s")
    assert not matches("mean … 6.06 s …", "mean completion time   6.05 s to 6.81 s")
    assert not matches("mean", "mean completion time")


def test_marks_and_what_is_shown_are_read() -> None:
    text = "<!-- run: exit code 3 -->\n```sh\nfalse\n```\n\n```text\nno\n```\n\nWords.\n\n```text\napart\n```\n"
    first, second = blocks(text, "x.md")
    assert (first.mark, first.shows, first.where) == ("exit code 3", "no\n", "x.md:1")
    assert (second.kind, second.content) == ("text", "apart\n")
