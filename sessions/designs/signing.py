"""Signs a design's commit where the user signs commits, and never asks anybody anything.

``commit.gpgSign`` says whether, ``glia.gpgSign`` says it for designs alone. git and the user's own program sign
(OpenPGP, X.509 or SSH); they have no terminal, no display and no askpass program, GnuPG is told to fail where it
would ask, and all of it is ended after :data:`LIMIT_S`. The tag stays unsigned: it names the signed commit by its
id, and git has no plumbing that signs a tag without moving a ref.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sessions.designs.plumbing import GitFailed, run_git, setting
from sessions.errors import WorkspaceError

LIMIT_S = 30.0
"""Seconds of wall time a signature may take, for example until a key is touched."""

SWITCH = "glia.gpgSign"

_KEPT = ("SSH_AUTH_SOCK", "GNUPGHOME")
_GNUPG = {"openpgp": ("gpg.openpgp.program", "gpg.program", "gpg"), "x509": ("gpg.x509.program", "", "gpgsm")}
_QUIET = "--batch --no-tty --pinentry-mode error"


@dataclass(frozen=True, slots=True)
class Signing:
    """How ``git commit-tree`` is run so that it signs: settings in front, options, and the environment."""

    settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    limit_s: float | None = None


def is_wanted(git_dir: Path) -> bool:
    """Does the user sign commits here?"""
    return (setting(SWITCH, git_dir, "bool") or setting("commit.gpgSign", git_dir, "bool")) == "true"


@contextmanager
def signing(git_dir: Path, root: Path, scratch: Path) -> Iterator[Signing]:
    """What to sign with, or an empty :class:`Signing` where the user doesn't sign. ``root``: the working tree.

    Raises :class:`WorkspaceError` where the signing program would come from the configuration of a repository
    that git doesn't trust.
    """
    if not is_wanted(git_dir):
        yield Signing()
        return
    try:
        run_git(("rev-parse", "--git-dir"), git_dir=None, folder=root)
    except GitFailed as error:
        words = f"git doesn't trust {root} ({error}), so nothing is signed or committed there; settle that first."
        raise WorkspaceError(words) from error
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment["SSH_ASKPASS_REQUIRE"] = "never"
    with tempfile.TemporaryDirectory(prefix="signing-", dir=scratch) as folder:
        yield Signing(_quiet_program(git_dir, Path(folder)), ("-S",), environment, LIMIT_S)


def refusal(error: GitFailed, root: Path) -> WorkspaceError:
    """The sentence for a commit that could not be signed."""
    reason = "it took too long" if "Timeout" in str(error) else str(error).removeprefix("error: ").rstrip(".")
    return WorkspaceError(
        f"The design's commit could not be signed without asking ({reason or 'no reason given'}); nothing was "
        f"committed. Unlock the key, or leave designs unsigned with: git -C {shlex.quote(str(root))} config "
        f"{SWITCH} false. Then resume the session."
    )


def _quiet_program(git_dir: Path, folder: Path) -> tuple[str, ...]:
    """Settings that put a program before GnuPG's own which makes it fail instead of asking for a passphrase."""
    known = _GNUPG.get(setting("gpg.format", git_dir) or "openpgp")
    if known is None:
        return ()
    key, older, otherwise = known
    program = setting(key, git_dir) or (setting(older, git_dir) if older else "") or otherwise
    if not Path(program).name.startswith("gpg"):
        return ()
    script = folder / "sign"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(os.path.expanduser(program))} {_QUIET} "$@"\n', encoding="utf-8")
    script.chmod(0o700)
    return ("-c", f"{key}={script}")
