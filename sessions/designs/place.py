"""Where a workspace lies: in a repository of its own, or as a guest in one that an engineer works in.

A folder that is new, empty or the product's own becomes (or is) a repository of its own. Any other folder inside a
git repository makes the product a guest there: it writes objects, one branch and its tags, a line of
``info/exclude`` and the folders ``.glia/`` at the top of the working tree and ``glia/`` in the git folder, and
nothing else. The engineer's branches, index, hooks, configuration and files are never written.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sessions.designs.model import BRANCH, GUEST_BRANCH
from sessions.designs.plumbing import GitFailed, run_git
from sessions.errors import WorkspaceError

PRIVATE = ".glia"
OWN_MARKER = ".glia-workspace"
GUEST_MARKER = ".glia-designs"
"""Another name than a workspace's own, so that an engineer may merge the designs into any branch."""

_OURS = frozenset((PRIVATE, "glia.toml"))


@dataclass(frozen=True, slots=True)
class Place:
    """``root``: the folder that holds ``.glia/``. ``git_dir``: what git works on (of this working tree).
    ``scratch``: the folder of the lock and of temporary indexes, one for all working trees of the repository.
    ``guest``: the repository is an engineer's. ``exclude``: its ``info/exclude``, or ``None`` in one of our own.
    """

    root: Path
    git_dir: Path
    scratch: Path
    branch: str
    marker: str
    guest: bool
    exclude: Path | None = None

    @property
    def head(self) -> str:
        """The full name of the branch."""
        return f"refs/heads/{self.branch}"


def find_place(folder: Path) -> Place:
    """Decides what ``folder`` is; writes nothing.

    Raises :class:`WorkspaceError` for a bare repository, the inside of a git folder, and a repository of somebody
    whom git wasn't told to trust.
    """
    root = folder.expanduser().absolute()
    if _is_free(root) or is_own(root):
        return _own(root)
    try:
        flags = _ask(root, "--is-bare-repository", "--is-inside-git-dir")
        if flags[0] == "true":
            raise WorkspaceError(f"{root} is a bare git repository; choose another folder as the workspace.")
        if flags[1] == "true":
            raise WorkspaceError(f"{root} lies inside a git folder; choose the folder of the working tree instead.")
        top, git_dir, common = (
            Path(line)
            for line in _ask(root, "--path-format=absolute", "--show-toplevel", "--git-dir", "--git-common-dir")
        )
    except GitFailed as error:
        if "dubious ownership" in str(error):
            raise WorkspaceError(
                f"git doesn't trust the repository of {root}, which belongs to another user; tell it to with: "
                "git config --global --add safe.directory FOLDER."
            ) from error
        return _own(root)  # in no repository: creating one there will say what is in the way
    except ValueError as error:
        raise WorkspaceError(f"git gives no clear place for {root}; choose another folder as the workspace.") from error
    if is_own(top):
        return _own(top)
    if _has_marker(git_dir):
        words = f"{top} is another working tree of the workspace {common.parent}; give that folder instead."
        raise WorkspaceError(words)
    exclude = common / "info" / "exclude"
    return Place(top, git_dir, common / "glia", GUEST_BRANCH, GUEST_MARKER, True, exclude)


def is_own(root: Path) -> bool:
    """Is ``root`` the top of a repository that this product made for itself?"""
    git_dir = root / ".git"
    return git_dir.is_dir() and ((root / OWN_MARKER).is_file() or _has_marker(git_dir))


def foreign_files(root: Path) -> list[str]:
    """Names in the folder ``root`` that aren't the product's. Raises :class:`OSError`."""
    return sorted({entry.name for entry in root.iterdir()} - _OURS)


def _own(root: Path) -> Place:
    return Place(root, root / ".git", root / PRIVATE, BRANCH, OWN_MARKER, False)


def _is_free(root: Path) -> bool:
    """Nothing is there, or nothing of anybody else's, or nothing that can be looked at: no guest's place."""
    try:
        return not root.is_dir() or not foreign_files(root)
    except OSError:
        return True


def _has_marker(git_dir: Path) -> bool:
    try:
        run_git(("cat-file", "-e", f"refs/heads/{BRANCH}:{OWN_MARKER}"), git_dir=git_dir)
    except GitFailed:
        return False
    return True


def _ask(root: Path, *questions: str) -> list[str]:
    """One line of ``git rev-parse`` per question that isn't a format."""
    answers = run_git(("rev-parse", *questions), git_dir=None, folder=root).decode("utf-8", "surrogateescape")
    lines = answers.splitlines()
    if len(lines) != len([question for question in questions if "=" not in question]):
        raise ValueError(answers)
    return lines
