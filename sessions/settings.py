"""The user's settings: which file each value comes from, and what is in force.

Order, the later wins: the product's defaults, the user's file (``config.toml`` in the user's configuration folder, or
the file that ``GLIA_CONFIG`` names), the workspace's ``glia.toml``, the command line. A setting that nothing would
honour doesn't exist: an unknown key is an error that names file, key and nearest key. Reading is quick, because
every command and shell completion does it: what validates (pydantic) is imported only when there is a file.
"""

from __future__ import annotations

import contextlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import platformdirs

from sessions.errors import SessionError

USER_FILE = "config.toml"
WORKSPACE_FILE = "glia.toml"
DEFAULT = "default"
USER_ONLY = frozenset({"workspace"})
"""Keys that make sense in the user's file only."""


class SettingsError(SessionError):
    """A settings file can't be used; the sentence names the file and the key."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default; the fields are the keys of the files.

    ``gate``: of a study in the app; ``headless_gate``: of ``glia run``. ``max_experiments``, ``max_minutes``: budget of
    a new study, ``None`` for no limit. ``seeds_per_experiment``: explore seeds of every experiment and held-out seeds
    of every acceptance. ``editor``: a command that goes before ``$VISUAL`` and ``$EDITOR``. ``theme``: of the app.
    ``workspace``: a folder, absolute or below ``~``. An empty text means: not set.
    """

    backend: str = "offline"
    scenario: str = "paper-routing-family"
    gate: str = "supervised"
    headless_gate: str = "autonomous"
    max_experiments: int | None = None
    max_minutes: float | None = None
    seeds_per_experiment: int = 10
    editor: str = ""
    theme: str = ""
    workspace: str = ""


KEYS = tuple(field.name for field in fields(Settings))


@dataclass(frozen=True, slots=True)
class InForce:
    """What is in force. ``workspace``: the folder that is meant; ``workspace_source`` and ``sources`` (by key): where
    from, in words. ``files``: the settings files that were read. ``problems``: files that can't be used, whose values
    are left out."""

    values: Settings
    workspace: Path
    workspace_source: str
    sources: Mapping[str, str]
    files: tuple[Path, ...]
    problems: tuple[SettingsError, ...] = ()


def user_file(environment: Mapping[str, str] | None = None) -> Path:
    """Where the user's settings are: ``GLIA_CONFIG``, else the user's configuration folder."""
    named = (os.environ if environment is None else environment).get("GLIA_CONFIG", "")
    return Path(named).expanduser() if named else Path(platformdirs.user_config_dir("glia")) / USER_FILE


def workspace_folder(option: Path | None, environment: Mapping[str, str] | None = None) -> Path:
    """The workspace that is meant: the option, ``GLIA_WORKSPACE``, the user's file, or the user's data folder.

    Raises :class:`SettingsError` if the user's file is needed and can't be used.
    """
    environment = os.environ if environment is None else environment
    named = _named(option, environment)
    return named[0] if named else _fallback(_user_values(environment), environment)[0]


def workspace_guess(option: Path | None, environment: Mapping[str, str] | None = None) -> Path:
    """Where ``.glia/`` is, quick, unchecked and never raising: for what a shell offers on <Tab>."""
    environment = os.environ if environment is None else environment
    user: dict[str, object] = {}
    with contextlib.suppress(OSError, ValueError):
        user = tomllib.loads(user_file(environment).read_text(encoding="utf-8"))
    folder, _ = _named(option, environment) or _fallback(user, environment)
    return workspace_home(folder)


def in_force(option: Path | None, environment: Mapping[str, str] | None = None) -> InForce:
    """The settings for a command whose ``--workspace`` is ``option``. Raises the first :class:`SettingsError`."""
    found = examine(option, environment)
    if found.problems:
        raise found.problems[0]
    return found


def examine(option: Path | None, environment: Mapping[str, str] | None = None) -> InForce:
    """As :func:`in_force`, but a file that can't be used is told in ``problems`` and left out."""
    environment = os.environ if environment is None else environment
    problems: list[SettingsError] = []
    files: list[Path] = []
    user: dict[str, object] = {}
    try:
        user = _user_values(environment)
        files += [user_file(environment)] if user_file(environment).exists() else []
    except SettingsError as error:
        problems.append(error)
    folder, source = _named(option, environment) or _fallback(user, environment)
    path = workspace_home(folder) / WORKSPACE_FILE
    own: dict[str, object] = {}
    try:
        own = _read(path, in_workspace=True, user_file=user_file(environment))
        files += [path] if path.exists() else []
    except SettingsError as error:
        problems.append(error)
    values = replace(Settings(), **{**user, **own})  # type: ignore[arg-type]
    sources = {
        key: str(path) if key in own else str(user_file(environment)) if key in user else DEFAULT for key in KEYS
    }
    return InForce(values, folder, source, sources, tuple(files), tuple(problems))


def workspace_home(folder: Path) -> Path:
    """The folder that holds ``.glia/`` and ``glia.toml``: ``folder``, or the top of the repository that it is in.

    Looks for ``.git`` as :mod:`sessions.designs.place` lets git do, without starting a process.
    """
    folder = folder.absolute()
    with contextlib.suppress(OSError):
        if folder.is_dir() and any(entry.name not in (".glia", WORKSPACE_FILE) for entry in folder.iterdir()):
            return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), folder)
    return folder


def _named(option: Path | None, environment: Mapping[str, str]) -> tuple[Path, str] | None:
    """The workspace as the command line or the environment names it."""
    if option is not None:
        return option.expanduser(), "--workspace"
    if named := environment.get("GLIA_WORKSPACE", ""):
        return Path(named).expanduser(), "GLIA_WORKSPACE"
    return None


def _fallback(user: Mapping[str, object], environment: Mapping[str, str]) -> tuple[Path, str]:
    if user.get("workspace"):
        return Path(str(user["workspace"])).expanduser(), str(user_file(environment))
    return Path(platformdirs.user_data_dir("glia")) / "workspace", DEFAULT


def _user_values(environment: Mapping[str, str]) -> dict[str, object]:
    path = user_file(environment)
    if environment.get("GLIA_CONFIG") and not path.exists():
        raise SettingsError(f"GLIA_CONFIG names {path}, which doesn't exist: create it or unset GLIA_CONFIG.")
    return _read(path, in_workspace=False, user_file=path)


def _read(path: Path, *, in_workspace: bool, user_file: Path) -> dict[str, object]:
    """The values of one file, checked; an absent file has none."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SettingsError(f"The settings file {path} can't be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} isn't TOML: {str(error).rstrip('.')}.") from error
    for key in USER_ONLY & content.keys() if in_workspace else ():
        raise SettingsError(f"In {path}: {key} can't be set by a workspace; set it in {user_file}.")
    from sessions.settings_file import checked

    return checked(path, content)
