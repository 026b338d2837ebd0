"""The command line inside this process, where that is enough: hundreds of faults cost no start of Python each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from glia_tui.cli import _run


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """What went wrong: one line, printable, no traceback, nothing on stdout."""
        lines = self.err.strip().splitlines()
        assert self.out == ""
        assert len(lines) == 1, self.err
        assert lines[0].isprintable()
        assert "Traceback" not in lines[0]
        assert "defect" not in lines[0]
        return lines[0]


Ask = Callable[..., Answer]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Ask:
    """Runs one command in a workspace of its own."""
    monkeypatch.setenv("GLIA_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["glia", *arguments])
        capsys.readouterr()
        code = _run()
        said = capsys.readouterr()
        return Answer(int(code), said.out, said.err)

    return run
