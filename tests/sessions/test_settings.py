"""Settings: the order of the files, and every fault as one sentence that names file and key."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sessions.errors import SessionError
from sessions.settings import DEFAULT, KEYS, Settings, examine, in_force, workspace_folder
from sessions.settings_file import WANTED, SettingsFile


@pytest.fixture
def user(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text("")
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def environment(user: Path) -> dict[str, str]:
    return {"GLIA_CONFIG": str(user)}


def test_without_files_every_value_is_the_default(user: Path, workspace: Path) -> None:
    found = in_force(workspace, environment(user))
    assert found.values == Settings()
    assert set(found.sources.values()) == {DEFAULT}


def test_the_workspace_file_wins_over_the_users_and_each_value_says_where_it_is_from(
    user: Path, workspace: Path
) -> None:
    user.write_text('gate = "trusted"\nmax_experiments = 4\n')
    (workspace / "glia.toml").write_text("max_experiments = 7\nmax_minutes = 2\n")
    found = in_force(workspace, environment(user))
    assert (found.values.gate, found.values.max_experiments, found.values.max_minutes) == ("trusted", 7, 2.0)
    assert found.sources["gate"] == str(user)
    assert found.sources["max_experiments"] == str(workspace / "glia.toml")
    assert found.sources["theme"] == DEFAULT
    assert found.files == (user, workspace / "glia.toml")


def test_the_workspace_is_the_option_then_the_environment_then_the_users_file(user: Path, tmp_path: Path) -> None:
    named = tmp_path / "from-file"
    user.write_text(f'workspace = "{named}"\n')
    variables = environment(user)
    assert workspace_folder(None, variables) == named
    assert in_force(None, variables).workspace_source == str(user)
    variables["GLIA_WORKSPACE"] = str(tmp_path / "from-environment")
    assert workspace_folder(None, variables) == tmp_path / "from-environment"
    assert workspace_folder(tmp_path / "option", variables) == tmp_path / "option"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("max_experiment = 3", "there is no setting 'max_experiment'; did you mean 'max_experiments'?"),
        ('max_experiments = "3"', "max_experiments has to be a whole number of at least 1, not '3'"),
        ("max_experiments = 0", "max_experiments has to be a whole number of at least 1, not 0"),
        ("max_experiments = true", "max_experiments has to be a whole number"),
        ("max_minutes = nan", "max_minutes has to be a number of minutes"),
        ("max_minutes = inf", "max_minutes has to be a number of minutes"),
        ("seeds_per_experiment = 9", "seeds_per_experiment has to be a whole number from 10 to 1000, not 9"),
        ('gate = "trusty"', "gate has to be"),
        ('theme = ""', "theme has to be"),
        ('workspace = "here"', "workspace has to be a folder as text, absolute"),
        ("gate =", "isn't TOML"),
        ("[gate]\nx = 1", "gate has to be"),
    ],
)
def test_a_fault_is_told_with_file_and_key(user: Path, workspace: Path, content: str, sentence: str) -> None:
    user.write_text(content)
    with pytest.raises(SessionError) as raised:
        in_force(workspace, environment(user))
    assert str(user) in str(raised.value)
    assert sentence in str(raised.value)


def test_bytes_that_are_no_text_are_told(user: Path, workspace: Path) -> None:
    user.write_bytes(b"gate = \xff")
    with pytest.raises(SessionError, match="isn't TOML"):
        in_force(workspace, environment(user))


def test_a_workspace_can_not_name_another_workspace(user: Path, workspace: Path) -> None:
    (workspace / "glia.toml").write_text('workspace = "/elsewhere"\n')
    with pytest.raises(SessionError, match=r"can't be set by a workspace; set it in .*config\.toml"):
        in_force(workspace, environment(user))


def test_in_an_engineer_s_repository_the_workspace_s_file_lies_at_its_top(user: Path, workspace: Path) -> None:
    (workspace / ".git").mkdir()
    (workspace / "sub").mkdir()
    (workspace / "sub" / "code.py").write_text("")
    (workspace / "glia.toml").write_text("max_minutes = 5\n")
    assert in_force(workspace / "sub", environment(user)).values.max_minutes == 5


def test_the_file_of_a_folder_above_a_plain_workspace_is_not_used(user: Path, workspace: Path) -> None:
    (workspace / "sub").mkdir()
    (workspace / "sub" / "thesis.txt").write_text("")
    (workspace / "glia.toml").write_text("max_minutes = 5\n")
    assert in_force(workspace / "sub", environment(user)).values.max_minutes is None


def test_a_named_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="GLIA_CONFIG names"):
        in_force(tmp_path, {"GLIA_CONFIG": str(tmp_path / "none.toml")})


def test_a_broken_file_is_left_out_and_the_other_is_used_when_examined(user: Path, workspace: Path) -> None:
    user.write_text("typo = 1\n")
    (workspace / "glia.toml").write_text('theme = "nord"\n')
    found = examine(workspace, environment(user))
    assert [str(user) in str(problem) for problem in found.problems] == [True]
    assert found.values == dataclasses.replace(Settings(), theme="nord")


def test_every_setting_has_a_type_and_a_description() -> None:
    assert set(KEYS) == set(SettingsFile.model_fields) == set(WANTED)
