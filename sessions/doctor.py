"""What is in force here, found out by trying it: nothing is reported that wasn't looked at just now.

Findings are plain data. A *problem* is something that a study needs and doesn't have; a *note* is worth knowing and
stops nothing. No finding holds a secret: of a key, only whether it is set.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import JsonValue

from sessions.errors import SessionError
from sessions.settings import KEYS, InForce, user_file

if TYPE_CHECKING:
    from sessions.designs.place import Place

Status = Literal["ok", "note", "problem"]
MIN_PYTHON = (3, 11)

NOT_STOPPED = {
    "process": (
        "A design runs in a process of its own with limits on memory and time, is told neither output lengths nor the "
        "workload's seed, and can open no file, socket or pipe. There is no filter of system calls yet: it isn't "
        "stopped from looking up names, sizes and modes of your files, changing modes, changing limits and priorities "
        "of your other processes and, run as root, starting processes (they are ended with the run). "
        "Approve only designs that you have read."
    ),
}
"""What each isolation level means, and what it does not stop, in words."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One topic. ``text``: what was found; ``todo``: what to do about it, for a problem or a note."""

    topic: str
    status: Status
    text: str
    todo: str = ""
    facts: Mapping[str, JsonValue] = field(default_factory=dict)


def examine(found: InForce, environment: Mapping[str, str], make_backend: Callable[[str], object]) -> list[Finding]:
    """Every topic of the study; a check that fails in an unforeseen way is a problem of its topic, not of the rest.

    ``make_backend`` raises :class:`SessionError` for a back end that can't be used here.
    """
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("settings", lambda: settings(found, environment)),
        ("workspace", lambda: workspace(found)),
        ("git", lambda: git(found)),
        ("isolation", isolation),
        ("back end", lambda: backend(found, environment, make_backend)),
        ("engine", engine),
        ("simulator", lambda: simulator(found)),
        ("python", python),
    ]
    return [_guarded(topic, check) for topic, check in checks]


def _guarded(topic: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except SessionError as error:
        return Finding(topic, "problem", str(error), "Put that right, then run glia doctor again.")
    except Exception as error:
        kind = type(error).__name__
        return Finding(topic, "problem", f"The check failed ({kind}: {error}).", "Install Glia again, or report this.")


def settings(found: InForce, environment: Mapping[str, str]) -> Finding:
    """Every value with the file it came from."""
    facts: dict[str, JsonValue] = {
        "user_file": str(user_file(environment)),
        "files": [str(path) for path in found.files],
        "values": {key: {"value": getattr(found.values, key) or None, "from": found.sources[key]} for key in KEYS},
    }
    if found.problems:
        text = " ".join(str(problem) for problem in found.problems)
        return Finding("settings", "problem", text, "Correct the file; until then it isn't used.", facts)
    read = ", ".join(str(path) for path in found.files)
    return Finding(
        "settings", "ok", f"Read from {read}." if read else "No settings file; defaults are used.", "", facts
    )


def workspace(found: InForce) -> Finding:
    """Where designs and sessions go, and whether they can. Nothing is made."""
    from sessions.designs.place import find_place
    from sessions.store import Workspace

    todo = "Choose another with --workspace or GLIA_WORKSPACE."
    facts: dict[str, JsonValue] = {"path": str(found.workspace), "from": found.workspace_source}
    try:
        place = find_place(found.workspace)
        kind, is_made = _kind(place)
        facts |= {"path": str(place.root), "kind": kind, "writable": _is_writable(place.root), "branch": place.branch}
        if not facts["writable"]:
            return Finding("workspace", "problem", f"{place.root} can't be written.", todo, facts)
        opened = Workspace(found.workspace)
        facts |= {"sessions": len(opened.names()), "accepted_designs": len(opened.repository.log()) if is_made else 0}
    except SessionError as error:
        return Finding("workspace", "problem", str(error), todo, facts)
    text = f"{place.root}: {kind}; sessions: {facts['sessions']}, accepted designs: {facts['accepted_designs']}."
    return Finding("workspace", "ok", text, "", facts)


def _kind(place: Place) -> tuple[str, bool]:
    """What the workspace is, in words, and whether it has been made. Raises :class:`SessionError` if it can't be."""
    from sessions.designs.own import check_folder
    from sessions.designs.plumbing import GitFailed, run_git

    if not place.guest:
        check_folder(place.root)
        is_made = place.git_dir.is_dir()
        return ("a repository of its own" if is_made else "made on first use"), is_made
    try:
        run_git(("rev-parse", "--verify", "--quiet", place.head), git_dir=place.git_dir)
    except GitFailed:
        return f"a guest in your repository; the branch {place.branch} is made on first use", False
    return f"a guest in your repository, on the branch {place.branch}", True


def _is_writable(path: Path) -> bool:
    """Could ``path`` be written, or made?"""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def git(found: InForce) -> Finding:
    """The git that is used, and who stands for accepted designs."""
    from sessions.designs import user_identity
    from sessions.designs.plumbing import GitFailed, run_git
    from sessions.designs.signing import is_wanted

    try:
        said = run_git(("--version",), git_dir=None).decode("utf-8", "replace").strip()
    except GitFailed as error:
        return Finding("git", "problem", f"git can't be run: {error}.", "Install git 2.31 or newer.")
    place = _place(found)
    git_dir = place.git_dir if place is not None and place.guest else None
    name, email = user_identity(git_dir)
    origins = {key: _origin(key, git_dir) for key in ("user.name", "user.email")}
    missing = [key for key, origin in origins.items() if not origin]
    facts: dict[str, JsonValue] = {
        "version": said.removeprefix("git version "),
        "name": name,
        "email": email,
        "name_from": origins["user.name"] or "the operating system's user",
        "email_from": origins["user.email"] or "the operating system's user",
        "signs_commits": place is not None and is_wanted(place.git_dir),
    }
    signed = " and signed" if facts["signs_commits"] else ""
    text = f"{said}; designs that you accept are committed{signed} as {name} <{email}>"
    if missing:
        todo = f'Set yours: git config --global {missing[0]} "…"'
        return Finding("git", "note", f"{text}, since git has no {' and no '.join(missing)}.", todo, facts)
    return Finding("git", "ok", f"{text} (from {origins['user.email']}).", "", facts)


def _place(found: InForce) -> Place | None:
    """Where the workspace lies; ``None`` where it can't be one."""
    from sessions.designs.place import find_place

    try:
        return find_place(found.workspace)
    except SessionError:
        return None


def _origin(key: str, git_dir: Path | None) -> str:
    """The file that git takes ``key`` from, or empty."""
    from sessions.designs.plumbing import GitFailed, run_git

    try:
        line = run_git(("config", "--show-origin", "--get", key), git_dir=git_dir).decode("utf-8", "replace")
    except GitFailed:
        return ""
    return line.partition("\t")[0].removeprefix("file:")


def isolation() -> Finding:
    """The level in force, tried with a shipped router as if an agent had written it."""
    from sessions.experiments.lockdown import landlock_version
    from sessions.playground import find_playground
    from sessions.store import ISOLATION

    playground = find_playground()
    slot = "router"
    source = playground.shipped_source(slot, playground.shipped(slot)[0])
    tried = playground.check(slot, source)
    meaning = NOT_STOPPED.get(ISOLATION, "")
    version = landlock_version()
    facts: dict[str, JsonValue] = {
        "level": ISOLATION,
        "not_stopped": meaning,
        "tried": tried.outcome,
        "landlock": version,
    }
    if tried.outcome != "ok":
        text = f"A sealed design can't be run here ({tried.outcome}): {tried.message}"
        return Finding("isolation", "problem", text, "Allow this user to start processes and to use 1 GiB each.", facts)
    return Finding("isolation", "ok", f"Level {ISOLATION}. {meaning} {_landlock(version)}", "", facts)


def _landlock(version: int) -> str:
    """What the kernel's Landlock adds; ``version`` of its interface, 0 without one."""
    if not version:
        return (
            "This system has no Landlock (Linux 5.13 or later): a design isn't stopped from deleting or renaming your "
            "files, running programs or signalling your processes."
        )
    signals = " and signals to" if version >= 6 else "; it isn't stopped from signalling"
    return f"Landlock (version {version}) denies it all files, programs, the memory of{signals} your other processes."


def backend(found: InForce, environment: Mapping[str, str], make_backend: Callable[[str], object]) -> Finding:
    """Who researches. Of a key, only whether it is set."""
    name = found.values.backend
    has_key = bool(environment.get("ANTHROPIC_API_KEY"))
    facts: dict[str, JsonValue] = {"name": name, "anthropic_api_key_set": has_key}
    key = f"ANTHROPIC_API_KEY is {'set' if has_key else 'not set'}."
    try:
        make_backend(name)
    except SessionError as error:
        todo = f"Correct `backend` in {found.sources['backend']}."
        return Finding("back end", "problem", f"{error} {key}", todo, facts)
    about = " (rule-based, needs no key and no network)" if name == "offline" else ""
    return Finding("back end", "ok", f"{name}{about}. {key}", "", facts)


def engine() -> Finding:
    """Where evaluations run."""
    from sessions.experiments.pool import Pool
    from sessions.experiments.processes import available_cores

    workers, cores = Pool().size, len(available_cores())
    facts: dict[str, JsonValue] = {"name": "local", "workers": workers, "cores": cores}
    plural = "es" if workers != 1 else ""
    return Finding("engine", "ok", f"local: {workers} worker process{plural}, {cores} usable cores.", "", facts)


def simulator(found: InForce) -> Finding:
    """The behaviour version, and whether the scenario that the settings name can be loaded."""
    from sessions.playground import find_playground

    playground = find_playground()
    behaviour = playground.simulator_version()
    facts: dict[str, JsonValue] = {"behaviour": behaviour, "scenario": found.values.scenario}
    try:
        playground.scenario(found.values.scenario)
    except SessionError as error:
        todo = f"Correct `scenario` in {found.sources['scenario']}."
        return Finding("simulator", "problem", f"{behaviour}. {error}", todo, facts)
    return Finding("simulator", "ok", f"{behaviour}; a study starts with {found.values.scenario}.", "", facts)


def python() -> Finding:
    """Python and the packages that the product is made of."""
    packages: dict[str, JsonValue] = {}
    for name in _required():
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    from sessions.store import product_version

    running = platform.python_version()
    facts: dict[str, JsonValue] = {"python": running, "glia": product_version(), "packages": packages}
    facts["platform"] = platform.platform()
    missing = [name for name, found in packages.items() if found is None]
    if missing:
        text = f"Python {running}; {', '.join(missing)} isn't installed."
        return Finding("python", "problem", text, "Install Glia again, as its README says.", facts)
    return Finding("python", "ok", f"Python {running}, Glia {product_version()} on {platform.platform()}.", "", facts)


def _required() -> list[str]:
    """Names of the packages that the product's metadata asks for, without the extras'."""
    try:
        wanted = requires("glia") or []
    except PackageNotFoundError:
        return []
    plain = [line for line in wanted if "extra ==" not in line]
    return sorted(match.group().lower() for line in plain if (match := re.match(r"[A-Za-z0-9._-]+", line)))
