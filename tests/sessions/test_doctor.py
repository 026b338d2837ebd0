"""What the doctor finds: each topic by trying it, secrets never, and a broken topic doesn't hide the others."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from sessions.designs.plumbing import run_git
from sessions.doctor import NOT_STOPPED, Finding, examine
from sessions.errors import SessionError
from sessions.experiments.lockdown import landlock_version
from sessions.settings import examine as examine_settings
from sessions.store import ISOLATION, Workspace


def anything(_name: str) -> object:
    return object()


def refused(_name: str) -> object:
    raise SessionError("There is no such back end.")


def findings(root: Path, config: str = "", **variables: str) -> dict[str, Finding]:
    file = root.parent / "config.toml"
    file.write_text(config)
    environment = {"GLIA_CONFIG": str(file), **variables}
    return {f.topic: f for f in examine(examine_settings(root, environment), environment, anything)}


def test_everything_is_looked_at_and_usable_in_a_new_place(tmp_path: Path) -> None:
    found = findings(tmp_path / "new")
    assert list(found) == [
        *("settings", "workspace", "git", "isolation", "back end", "engine", "simulator", "python"),
    ]
    assert [f.topic for f in found.values() if f.status == "problem"] == []
    assert not (tmp_path / "new").exists()


def test_the_isolation_level_in_force_is_named_with_what_it_does_not_stop(tmp_path: Path) -> None:
    found = findings(tmp_path / "new")["isolation"]
    assert found.facts["level"] == ISOLATION
    assert found.facts["tried"] == "ok"
    assert "isn't stopped" in NOT_STOPPED[ISOLATION]
    assert NOT_STOPPED[ISOLATION] in found.text
    assert ("denies it all files" in found.text) == (landlock_version() > 0)


def test_of_a_key_only_whether_it_is_set_is_told(tmp_path: Path) -> None:
    found = findings(tmp_path / "new", ANTHROPIC_API_KEY="sk-secret")
    assert found["back end"].facts["anthropic_api_key_set"] is True
    assert "sk-secret" not in json.dumps([asdict(f) for f in found.values()])
    assert findings(tmp_path / "new")["back end"].facts["anthropic_api_key_set"] is False


def test_a_broken_settings_file_is_a_problem_and_the_rest_is_still_examined(tmp_path: Path) -> None:
    found = findings(tmp_path / "new", "sceanrio = 1\n")
    assert found["settings"].status == "problem"
    assert "did you mean 'scenario'" in found["settings"].text
    assert found["simulator"].status == "ok"


def test_a_setting_names_the_file_that_it_is_from(tmp_path: Path) -> None:
    found = findings(tmp_path / "new", "max_experiments = 3\n")
    values = found["settings"].facts["values"]
    assert isinstance(values, dict)
    assert values["max_experiments"] == {"value": 3, "from": str(tmp_path / "config.toml")}


def test_a_scenario_that_is_not_there_is_a_problem_that_names_the_file(tmp_path: Path) -> None:
    found = findings(tmp_path / "new", 'scenario = "smok"\n')["simulator"]
    assert found.status == "problem"
    assert "smoke" in found.text
    assert "config.toml" in found.todo


def test_a_back_end_that_can_not_be_used_is_a_problem(tmp_path: Path) -> None:
    settings = examine_settings(tmp_path / "new", {})
    found = {f.topic: f for f in examine(settings, {}, refused)}
    assert found["back end"].status == "problem"


def test_a_folder_in_other_use_is_no_workspace(tmp_path: Path) -> None:
    used = tmp_path / "used"
    used.mkdir()
    (used / "thesis.txt").write_text("x")
    assert findings(used)["workspace"].status == "problem"


def test_inside_an_engineer_s_repository_the_workspace_is_a_guest_before_and_after_first_use(tmp_path: Path) -> None:
    folder = tmp_path / "repository" / "sub"
    folder.mkdir(parents=True)
    (folder / "code.py").write_text("x = 1\n")
    run_git(("init", "-q", str(folder.parent)), git_dir=None)
    before = findings(folder)["workspace"]
    assert (before.status, before.facts["path"]) == ("ok", str(folder.parent))
    assert "made on first use" in before.text
    Workspace(folder).repository.ensure()
    after = findings(folder)["workspace"]
    assert after.status == "ok"
    assert "made on first use" not in after.text


def test_a_file_in_the_place_of_a_workspace_is_a_problem(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("x")
    assert findings(place)["workspace"].status == "problem"


def test_without_git_the_doctor_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = findings(tmp_path / "new")
    assert found["git"].status == "problem"
    assert "install git" in f"{found['git'].text} {found['git'].todo}".lower()
    assert found["simulator"].status == "ok"
