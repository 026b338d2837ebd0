"""The command line in this process, against a recorded study and without the settings of whoever runs the tests."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from glia_tui import cli
from tests.sessions.recorded import record_study


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Glia = Callable[..., Done]


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recorded") / "workspace"
    record_study(root)
    return root


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's settings file."""
    path = tmp_path / "config.toml"
    path.write_text("")
    monkeypatch.setenv("GLIA_CONFIG", str(path))
    return path


@pytest.fixture
def workspace(recorded: Path, tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with one finished study, in the environment as GLIA_WORKSPACE."""
    root = tmp_path / "workspace"
    shutil.copytree(recorded, root)
    monkeypatch.setenv("GLIA_WORKSPACE", str(root))
    return root


@pytest.fixture
def glia(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Glia:
    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["glia", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    return run
