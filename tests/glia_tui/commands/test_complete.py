"""What the shell offers, as the shell asks for it; and help that shows an example of every command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from glia_tui import cli
from sessions.store import Workspace


def offered(line: str) -> list[str]:
    """The completions of ``line``, whose last word is the one that is being typed."""
    words = line.split(" ")
    environment = {
        **os.environ,
        "_GLIA_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    program = "import sys; sys.argv = ['glia']; from glia_tui.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.split()


def test_sessions_are_offered_newest_first_and_last(workspace: Path) -> None:
    name = Workspace(workspace).names()[0]
    new = Workspace(workspace).fork(name).session
    assert offered("glia sessions show ") == [new, name, "last"]
    assert offered(f"glia sessions delete {name[:-1]}") == [name]
    assert offered(f"glia sessions fork --workspace {workspace.parent} ") == []


def test_sessions_are_offered_from_the_workspace_of_the_settings(
    workspace: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLIA_WORKSPACE")
    config.write_text(f'workspace = "{workspace}"\n')
    assert offered("glia sessions resume l") == ["last"]


def test_a_broken_settings_file_doesn_t_break_completion(
    workspace: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLIA_WORKSPACE")
    config.write_text(f'typo = 1\nworkspace = "{workspace}"\n')
    assert offered("glia sessions show l") == ["last"]
    monkeypatch.setenv("HOME", str(workspace.parent))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    config.write_bytes(b"\xff = [")
    assert offered("glia sessions show l") == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("glia run smo", ["smoke"]),
        ("glia simulate paper-routing-", ["paper-routing-family"]),
        ("glia simulate smoke --router ll", ["llq"]),
        ("glia --scenario smo", ["smoke"]),
        ("glia policies show round", ["round-robin"]),
        ("glia run smoke --gate a", ["autonomous"]),
        ("glia doct", ["doctor"]),
    ],
)
def test_names_that_ship_are_offered(line: str, expected: list[str]) -> None:
    assert offered(line) == expected


def test_completing_imports_nothing_heavy(workspace: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIA_WORKSPACE")
    config.write_text(f'workspace = "{workspace}"\n')
    program = (
        "import sys, types; from glia_tui import cli; from glia_tui.commands import complete as c;"
        "assert c.scenario_names('') and c.policy_names('');"
        "assert c.session_ids(types.SimpleNamespace(params={}), 'last') == ['last'];"
        "print(sorted({'pydantic', 'numpy', 'textual', 'git', 'simpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(cli.app), ("glia",)))


def test_every_known_command_is_among_those_whose_help_is_read() -> None:
    assert ("glia", "sessions", "fork") in COMMANDS
    assert ("glia", "doctor") in COMMANDS


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_an_example_of_it(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    text = command.get_help(command.make_context(path[-1], [], resilient_parsing=True))
    assert f"Example: {' '.join(path)}" in " ".join(text.split())
