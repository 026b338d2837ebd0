"""The table of git situations is about tests that there are, and leaves none out."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.blocks import ROOT

TABLE = (ROOT / "docs/git-table.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][1:]
NAMED = re.findall(r"`(test_\w+)`", TABLE)


def names_in(name: str) -> set[str]:
    tree = ast.parse((ROOT / "tests/sessions/designs" / name).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_row_names_tests_that_there_are_and_no_test_stands_in_two() -> None:
    assert all(len(row) == 3 and re.search(r"`test_\w+`", row[2]) for row in ROWS)
    there_are = names_in("test_guest.py") | names_in("test_signing.py") | names_in("test_repository.py")
    assert set(NAMED) <= there_are
    assert len(NAMED) == len(set(NAMED))


def test_every_test_of_a_guest_and_of_signing_is_in_the_table() -> None:
    assert names_in("test_guest.py") | names_in("test_signing.py") <= set(NAMED)


@pytest.mark.parametrize(
    "situation",
    [
        "dirty", "checked out", "index is locked", "HEAD is detached", "shallow clone", "submodule", "no identity",
        "the key only in an agent", "no agent holds the key", "hooks",
    ],
)  # fmt: skip
def test_a_situation_that_people_are_in_is_in_the_table(situation: str) -> None:
    assert any(situation in row[0] for row in ROWS)
