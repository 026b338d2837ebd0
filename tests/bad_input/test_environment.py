"""Surroundings that aren't as one expects: streams that are closed or full, encodings, no home, no room."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = f"{sys.executable} -m glia_tui"


def shell(line: str, workspace: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "GLIA_WORKSPACE": str(workspace), "HOME": str(workspace.parent), **environment}
    return subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, errors="replace", timeout=60)


@pytest.mark.parametrize(
    ("redirected", "code", "words"),
    [
        ("policies > /dev/full", 2, "can't be written"),
        ("simulate smoke --json > /dev/full", 2, "can't be written"),
        ("policies >&-", 2, "can't be written"),
        ("policies <&-", 0, ""),
        ("nonsense 2>&-", 2, ""),
        ("nonsense 2> /dev/full", 2, ""),
    ],
)
def test_a_stream_that_is_closed_or_full_is_no_defect(redirected: str, code: int, words: str, tmp_path: Path) -> None:
    done = shell(f"{COMMAND} {redirected}", tmp_path / "ws")
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_study_without_any_stream_keeps_its_journal_to_itself(tmp_path: Path) -> None:
    shell(f"{COMMAND} run smoke --max-experiments 1 <&- >&- 2>&-", tmp_path / "ws")
    listed = shell(f"{COMMAND} sessions list --json", tmp_path / "ws")
    assert [(s["status"], s["problem"]) for s in json.loads(listed.stdout)] == [("budget", "")]


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, {"LANG": "C"}, {"LC_ALL": "POSIX"}]
)
def test_every_encoding_gets_its_output(environment: dict[str, str], tmp_path: Path) -> None:
    text = shell(f"{COMMAND} simulate smoke --seeds 2", tmp_path / "ws", **environment)
    assert text.returncode == 0, text.stderr
    as_json = shell(f"{COMMAND} scenarios --json", tmp_path / "ws", **environment)
    assert as_json.returncode == 0, as_json.stderr
    assert json.loads(as_json.stdout)


def test_neither_a_home_nor_a_temporary_folder_is_needed_to_simulate(tmp_path: Path) -> None:
    done = shell(f"unset HOME; {COMMAND} simulate smoke --json", tmp_path / "ws", TMPDIR="/proc/nowhere")
    assert done.returncode == 0, done.stderr
