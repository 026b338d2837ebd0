"""A workspace inside an engineer's repository: a branch without their history, which no working tree shows.

Invariant: besides that branch, the tags of its designs and one line of ``info/exclude``, nothing is written that git
or the engineer looks at; a branch of theirs that happens to have our name is refused, not taken over.
"""

from __future__ import annotations

from sessions.designs.model import GUEST_BRANCH
from sessions.designs.objects import ObjectStore, identities
from sessions.designs.place import GUEST_MARKER, PRIVATE, Place
from sessions.designs.plumbing import GitFailed, user_identity
from sessions.errors import WorkspaceError

_EXCLUDED = f"/{PRIVATE}/"
_FIRST_FILES = {
    GUEST_MARKER: "# This branch is written by Glia: one commit per accepted design.\nformat = 1\n",
    "README.md": (
        "# Accepted designs\n\n"
        f"Each commit on `{GUEST_BRANCH}` is one design that an engineer accepted. It lies in\n"
        "`designs/<slot>/<name>/`: `policy.py` is the design, `card.md` says what it does, `evidence.json` holds the\n"
        "measurements, and `journal.jsonl` the part of the study that led to it. The branch shares no history with\n"
        "the rest of the repository. `glia designs log` lists the designs, `glia designs checkout` writes one out.\n"
    ),
}


def hide_private_folder(place: Place) -> None:
    """Puts ``.glia/`` into ``info/exclude``, once. Raises :class:`OSError`."""
    assert place.exclude is not None
    place.exclude.parent.mkdir(exist_ok=True)
    present = place.exclude.read_bytes() if place.exclude.exists() else b""
    if _EXCLUDED.encode() in present.splitlines():
        return
    with place.exclude.open("ab") as file:
        file.write((b"" if present.endswith(b"\n") or not present else b"\n") + f"{_EXCLUDED}\n".encode())


def check_branch(place: Place, objects: ObjectStore) -> None:
    """Raises :class:`WorkspaceError` if our branch is someone else's, or is checked out anywhere."""
    if objects.ref(place.head) and not objects.has_file(place.head, place.marker):
        raise WorkspaceError(
            f"The repository {place.root} has a branch {place.branch} that Glia did not make; give it another name "
            f"with `git branch -m {place.branch} NAME`, or choose another workspace."
        )
    check_not_checked_out(place, objects)


def check_not_checked_out(place: Place, objects: ObjectStore) -> None:
    """Moving a branch under a checked-out working tree would make it look as if its user had undone the designs."""
    for record in objects.text("worktree", "list", "--porcelain").split("\n\n"):
        lines = record.splitlines()
        gone = any(line.startswith("prunable") for line in lines)
        if not gone and f"branch {place.head}" in lines:
            raise WorkspaceError(
                f"{place.branch} is checked out in {lines[0].removeprefix('worktree ')}, and Glia doesn't move a "
                "branch under a working tree; check out another branch there (git switch -) and try again."
            )


def make(place: Place, objects: ObjectStore) -> None:
    """Starts the branch, unless it is there. Its first commit is signed as designs will be, so that a key which
    can't be used shows before a study is paid for."""
    if objects.ref(place.head):
        return
    try:
        tree = objects.tree(None, {path: text.encode() for path, text in _FIRST_FILES.items()})
        people = identities(*user_identity(place.git_dir), *user_identity(place.git_dir))
        commit = objects.commit(tree, (), b"Start the designs\n", people)
        objects.git("update-ref", place.head, commit, "")
    except GitFailed as error:
        if objects.has_file(place.head, place.marker):
            return  # another process was faster
        raise WorkspaceError(
            f"The branch {place.branch} can't be made in {place.root} ({error}); settle that, or "
            "choose another workspace."
        ) from error
