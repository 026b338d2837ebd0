"""Runs git, and nothing but git, for the design repository.

GitPython starts the processes; every command gets a cleaned environment, so that neither a ``GIT_DIR`` of the caller
(a hook, a rebase) nor its hooks, templates or prompts reach it. Only plumbing commands are used: they run no hooks,
take no porcelain configuration and never lock the user's index. They start in a session of their own, so nothing
that they start (a signing program, say) has a terminal to ask on.
Invariant: arguments are literals of this package or values that matched a pattern of :mod:`sessions.designs.model`;
everything that a model or a person wrote goes in over stdin.
"""

from __future__ import annotations

import getpass
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sessions.designs.model import one_line
from sessions.errors import WorkspaceError

_KEPT = ("HOME", "PATH", "XDG_CONFIG_HOME", "TMPDIR", "USER", "LOGNAME")
_CONFIG = (
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.fsync", "committed,reference"),
    ("core.autocrlf", "false"),
    ("core.quotePath", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("i18n.commitEncoding", "UTF-8"),
    ("log.showSignature", "false"),
)
_ENV = "/usr/bin/env"
_NO_GIT = "git was not found; install git and start again."


class GitFailed(Exception):
    """A git command failed; the text is what it said."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def run_git(
    arguments: tuple[str, ...],
    *,
    git_dir: Path | None,
    work_tree: Path | None = None,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    limit_s: float | None = None,
) -> bytes:
    """The stdout of one git command. Raises :class:`GitFailed`, or :class:`WorkspaceError` where there is no git.

    ``git_dir`` is given explicitly, so git searches for no repository and asks no one who owns it. Without it git
    searches from ``folder`` and refuses a repository of somebody whom the user doesn't trust. After ``limit_s``
    seconds of wall time the command and what it started are killed.
    """
    try:
        from git import Git
        from git.exc import GitCommandError
    except ImportError as error:  # GitPython looks for git when it is imported
        raise WorkspaceError(_NO_GIT) from error

    variables = {name: os.environ[name] for name in _KEPT if name in os.environ}
    variables |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_PAGER": "cat"}
    variables |= {"GIT_NO_LAZY_FETCH": "1", "GIT_NO_REPLACE_OBJECTS": "1"}
    if git_dir is not None:
        variables["GIT_DIR"] = str(git_dir)
    if work_tree is not None:
        variables["GIT_WORK_TREE"] = str(work_tree)
    settings = [part for key, value in _CONFIG for part in ("-c", f"{key}={value}")]
    variables |= environment or {}
    clean = [_ENV, "-i", *(f"{name}={value}" for name, value in variables.items())]
    with tempfile.TemporaryFile() as input_file:
        input_file.write(stdin)
        input_file.seek(0)
        try:
            status, out, err = Git(str(folder or work_tree) if folder or work_tree else None).execute(
                [*clean, "git", *settings, *arguments],
                istream=input_file,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                kill_after_timeout=limit_s,
                start_new_session=True,  # Ctrl-C stops the study, not a half-done transaction
            )
        except (GitCommandError, OSError) as error:
            raise WorkspaceError(f"git could not be started: {one_line(str(error))[:200]}.") from error
    if status == 127:
        raise WorkspaceError(_NO_GIT)
    if status != 0:
        raise GitFailed(status, one_line(err if isinstance(err, str) else err.decode("utf-8", "replace")))
    return out if isinstance(out, bytes) else out.encode()


def _operating_system_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "engineer"


def setting(key: str, git_dir: Path | None, kind: str = "") -> str:
    """The value of ``key`` in the configuration that holds in ``git_dir``, or an empty string.

    ``kind``: ``bool`` makes git say ``true`` or ``false``.
    """
    kinds = (f"--type={kind}",) if kind else ()
    try:
        value = run_git(("config", *kinds, "--get", key), git_dir=git_dir)
    except (GitFailed, WorkspaceError):
        return ""
    return one_line(value.decode("utf-8", "replace"))


def user_identity(git_dir: Path | None = None) -> tuple[str, str]:
    """Name and e-mail of the user: from git's configuration, else the user of the operating system at localhost."""
    name = _operating_system_name()
    return setting("user.name", git_dir) or name, setting("user.email", git_dir) or f"{name}@localhost"
