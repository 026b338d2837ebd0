"""A workspace that is a repository of its own: how it is made, and how its working tree follows its branch."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from sessions.designs.model import BRANCH
from sessions.designs.objects import ObjectStore, identities
from sessions.designs.place import OWN_MARKER, PRIVATE, Place, foreign_files
from sessions.designs.plumbing import GitFailed, run_git, user_identity
from sessions.errors import WorkspaceError

_FIRST_FILES = {
    OWN_MARKER: "# This repository is written by Glia: one commit per accepted design.\nformat = 1\n",
    ".gitignore": f"/{PRIVATE}/\n__pycache__/\n",
    "README.md": (
        "# Accepted designs\n\n"
        "Each commit on `main` is one design that an engineer accepted. It lies in `designs/<slot>/<name>/`:\n"
        "`policy.py` is the design, `card.md` says what it does, `evidence.json` holds the measurements, and\n"
        "`journal.jsonl` the part of the study that led to it. `glia designs log` lists them.\n"
    ),
}


def check_folder(root: Path) -> None:
    """A workspace of its own is a folder of its own: new, empty, or made by this product."""
    if not root.exists():
        return
    if not root.is_dir():
        raise WorkspaceError(f"{root} is not a folder; choose another workspace.")
    foreign = foreign_files(root)
    if foreign and not (root / ".git").exists():
        raise WorkspaceError(
            f"{root} holds other files ({foreign[0]}); choose a new or an empty folder, or one in a git repository, "
            "as the workspace."
        )


def make(place: Place) -> None:
    """Makes the repository aside and moves it into place, so that it is there completely or not at all.

    Its first commit holds nothing that anyone vouches for and is never signed.
    """
    aside = Path(tempfile.mkdtemp(prefix="new-", dir=place.scratch))
    objects = ObjectStore(replace(place, git_dir=aside / ".git"))
    try:
        run_git(("init", "-q", "-b", BRANCH, "--template=", str(aside)), git_dir=None)
        tree = objects.tree(None, {path: text.encode() for path, text in _FIRST_FILES.items()})
        people = identities(*user_identity(), *user_identity())
        commit = objects.text("commit-tree", tree, stdin=b"Start the workspace\n", environment=people)
        objects.git("update-ref", place.head, commit)
        os.rename(aside / ".git", place.git_dir)
    except GitFailed as error:
        raise WorkspaceError(f"The workspace {place.root} could not be made: {error}.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def check(place: Place, objects: ObjectStore) -> None:
    if not objects.has_file(place.head, place.marker):
        raise WorkspaceError(
            f"{place.root} is a git repository without the designs on {BRANCH} that Glia keeps there; restore that "
            "branch or choose another workspace."
        )


def synchronise(place: Place, objects: ObjectStore) -> None:
    """Brings index and working tree to the head, from the commit they are at.

    Files that a person changed are kept as they are, and so is everything when another git holds the index or
    another branch is checked out: the commits are what counts, and the next call tries again.
    """
    root = place.root
    with contextlib.suppress(GitFailed):
        if objects.text("symbolic-ref", "-q", "HEAD") != place.head:
            return
        head = objects.text("rev-parse", f"{place.head}^{{tree}}")
        if not (place.git_dir / "index").exists():
            objects.git("read-tree", "-m", "-u", head, work_tree=root)
            return
        index = objects.text("write-tree")
        trees = objects.text("log", "--first-parent", "--format=%T", "-n", "64", place.head).split()
        if index == head or index not in trees:
            return
        try:
            objects.git("read-tree", "-m", "-u", index, head, work_tree=root)
        except GitFailed:
            objects.git("read-tree", head)
            objects.git("checkout-index", "-a", "-q", work_tree=root)  # what is missing, nothing else
