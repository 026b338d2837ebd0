"""Settings meet the command line: an option that is given wins, what it leaves open comes from the files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from glia_tui import app as glia_app
from glia_tui.commands.options import app_pace_s, prepare_app
from sessions.errors import UnknownName
from sessions.settings import Settings
from sessions.store import Workspace
from tests.glia_tui.commands.conftest import Glia


def test_a_headless_study_takes_budget_seeds_and_gate_from_the_settings(
    glia: Glia, config: Path, tmp_path: Path
) -> None:
    root = tmp_path / "new"
    config.write_text(f'workspace = "{root}"\nmax_experiments = 1\nseeds_per_experiment = 11\ngate = "supervised"\n')
    done = glia("run", "smoke", "--json")
    assert done.code == 4  # one experiment can only measure the baseline
    document = json.loads(done.out)
    started = Workspace(root).state(document["session"]).started
    assert started is not None
    assert (started.max_experiments, started.seeds_per_experiment, started.gate) == (1, 11, "autonomous")
    assert [len(e["comparison"] or e["metrics"]) > 0 for e in document["experiments"]] == [True]


def test_an_option_on_the_command_line_wins(glia: Glia, config: Path, tmp_path: Path) -> None:
    config.write_text('max_experiments = 5\nheadless_gate = "autonomous"\n')
    root = tmp_path / "new"
    done = glia("run", "smoke", "--gate", "supervised", "--max-experiments", "2", "--workspace", str(root))
    assert done.code == 1
    started = Workspace(root).state("last").started
    assert started is not None
    assert (started.max_experiments, started.gate) == (2, "supervised")


def test_a_typo_in_the_workspace_s_file_stops_a_study_before_it_begins(glia: Glia, workspace: Path) -> None:
    before = Workspace(workspace).names()
    (workspace / "glia.toml").write_text("max_minute = 1\n")
    done = glia("run", "smoke")
    assert done.code == 2
    assert f"{workspace / 'glia.toml'}: there is no setting 'max_minute'; did you mean 'max_minutes'?" in done.err
    assert Workspace(workspace).names() == before


def test_the_editor_of_the_settings_goes_before_the_environment_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "emacs")
    prepare_app(Settings(editor="nano -w"))
    assert os.environ["VISUAL"] == "nano -w"


def test_an_unknown_theme_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'nord'"):
        prepare_app(Settings(theme="nrd"))


def test_the_app_opens_in_the_theme_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def run(self: glia_app.GliaApp, **_: Any) -> None:
        opened.append(self.theme)

    monkeypatch.setattr(glia_app.GliaApp, "run", run)
    glia_app.run_app(object(), theme="nord")  # type: ignore[arg-type]
    assert opened == ["nord"]


@pytest.mark.parametrize(("animations", "waits"), [("none", False), ("full", True), (None, True)])
def test_replies_come_at_once_where_animations_are_off(
    animations: str | None, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEXTUAL_ANIMATIONS", raising=False)
    if animations is not None:
        monkeypatch.setenv("TEXTUAL_ANIMATIONS", animations)
    assert (app_pace_s() > 0) is waits
