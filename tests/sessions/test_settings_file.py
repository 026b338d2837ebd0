"""Remembering choices in a settings file that may be there already."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessions.settings import SettingsError, examine
from sessions.settings_file import remember

CHOSEN: dict[str, str | int] = {"scenario": 'a "b"\\c.toml', "gate": "trusted", "max_experiments": 5}


def read(path: Path) -> dict[str, object]:
    values = examine(path.parent, {"GLIA_CONFIG": "/nowhere"}).values
    return {key: getattr(values, key) for key in (*CHOSEN, "theme")}


def test_a_new_file_says_what_was_chosen(tmp_path: Path) -> None:
    remember(tmp_path / "glia.toml", CHOSEN)
    assert read(tmp_path / "glia.toml") == {**CHOSEN, "theme": ""}


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_what_a_file_says_stays_and_its_own_values_win(tmp_path: Path, end: str) -> None:
    path = tmp_path / "glia.toml"
    before = f'# mine\ntheme = "nord"  # dark\ngate = "autonomous"{end}'
    path.write_text(before)
    remember(path, CHOSEN)
    assert path.read_text().startswith(before)
    assert read(path) == {**CHOSEN, "gate": "autonomous", "theme": "nord"}
    once = path.read_text()
    remember(path, CHOSEN)
    assert path.read_text() == once


@pytest.mark.parametrize("content", ["theme = \n", "[table]\n", "\x00", 'tehme = "nord"\n'])
def test_a_file_that_can_not_be_used_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "glia.toml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"glia\.toml"):
        remember(path, CHOSEN)
    assert path.read_text() == content


def test_a_value_that_a_file_may_not_have_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="gate has to be"):
        remember(tmp_path / "glia.toml", {"gate": "sometimes"})
    assert not (tmp_path / "glia.toml").exists()


def test_a_place_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be written"):
        remember(tmp_path / "missing" / "glia.toml", CHOSEN)
