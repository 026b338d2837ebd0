"""The design repository: one commit and one tag per accepted design, in a workspace of its own or as a guest.

Writing is in two steps so that a crash never commits twice: ``prepare`` makes objects that nothing points at, the
caller journals their ids, and ``publish`` moves branch and tag in one compare-and-swap transaction that may be
repeated. Invariants: one writer at a time (a lock file); no ref moves but forward from the head that was prepared
on; nothing that a person changed in a working tree is overwritten; no hook and no prompt is involved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sessions.designs import guest, own
from sessions.designs.lock import writer_lock
from sessions.designs.model import OBJECT_ID, AcceptedDesign, DesignCommit, Prepared
from sessions.designs.objects import ObjectStore, identities
from sessions.designs.place import PRIVATE, find_place
from sessions.designs.plumbing import GitFailed, user_identity
from sessions.designs.reading import read_log, read_show, with_files
from sessions.errors import WorkspaceConflict, WorkspaceError


class DesignRepository:
    """The workspace at or around ``folder``. Nothing is written before :meth:`ensure`.

    Raises :class:`WorkspaceError` for a folder that can never be one (see :func:`sessions.designs.place.find_place`).
    """

    def __init__(self, folder: Path) -> None:
        self._place = find_place(folder)
        self._objects = ObjectStore(self._place)

    @property
    def root(self) -> Path:
        """The folder that holds ``.glia/``: the workspace, or the top of the engineer's working tree."""
        return self._place.root

    @property
    def is_guest(self) -> bool:
        """Is the workspace in a repository that is an engineer's?"""
        return self._place.guest

    @property
    def branch(self) -> str:
        """The short name of the branch that holds the designs."""
        return self._place.branch

    def identity(self) -> tuple[str, str]:
        """Name and e-mail of the engineer, as the repository they work in has them."""
        return user_identity(self._place.git_dir if self._place.guest else None)

    def ensure(self) -> None:
        """Creates the repository or the branch on first use; on later ones checks that it is the product's own.

        Raises :class:`WorkspaceError` for a folder that can't be written or is in other use, and for a branch that
        is someone else's or checked out.
        """
        place, objects = self._place, self._objects
        with self._sentences():
            if not place.guest:
                own.check_folder(place.root)
            (place.root / PRIVATE).mkdir(parents=True, exist_ok=True)
            place.scratch.mkdir(exist_ok=True)
            with self._lock():
                if place.guest:
                    guest.hide_private_folder(place)
                    guest.check_branch(place, objects)
                    guest.make(place, objects)
                    return
                if not place.git_dir.exists():
                    own.make(place)
                own.check(place, objects)
                own.synchronise(place, objects)

    def prepare(self, accepted: AcceptedDesign) -> Prepared:
        """Writes blobs, tree, commit and tag as objects on top of the present head; no ref moves.

        Raises :class:`WorkspaceError` when they can't be written, or not signed where the user signs commits.
        """
        objects = self._objects
        with self._sentences():
            parent = self._head()
            people = identities(
                accepted.author_name, accepted.author_email, accepted.approver_name, accepted.approver_email
            )
            commit = objects.commit(objects.tree(parent, accepted.files()), (parent,), accepted.message(), people)
            tag = f"accepted/{accepted.slot}/{objects.next_number(accepted.slot):04d}"
            return Prepared(commit, parent, self.branch, tag, objects.annotated_tag(tag, commit, accepted))

    def publish(self, prepared: Prepared) -> None:
        """Moves branch and tag to what was prepared, both or neither; done already is fine.

        Raises :class:`WorkspaceConflict` when the head has moved since (prepare again), and
        :class:`WorkspaceError` when the branch is checked out somewhere: nothing has moved then.
        """
        place, objects = self._place, self._objects
        if prepared.branch != place.branch:
            words = f"The design was prepared for {prepared.branch}, and {place.root} keeps its designs on "
            raise WorkspaceError(words + f"{place.branch}; resume the session in its own workspace.")
        with self._sentences(), self._lock():
            if not self._is_published(prepared):
                if place.guest:
                    guest.check_not_checked_out(place, objects)
                self._move_refs(prepared)
            if not place.guest:
                own.synchronise(place, objects)

    def log(self) -> list[DesignCommit]:
        """The accepted designs, newest first, without their files."""
        with self._sentences():
            self._require()
            return read_log(self._place.git_dir, self._place.head)

    def show(self, rev: str) -> DesignCommit:
        """One accepted design with its files; ``rev`` is a commit (also shortened), a tag or a design's name.

        Raises :class:`sessions.errors.UnknownName` with the nearest one.
        """
        with self._sentences():
            self._require()
            return read_show(self._place.git_dir, self._place.head, rev)

    def versions(self, design: DesignCommit) -> list[DesignCommit]:
        """Every accepted version of the design of that slot and name, newest first, with files."""
        same = [c for c in self.log() if (c.slot, c.design) == (design.slot, design.design)]
        with self._sentences():
            return [with_files(self._place.git_dir, commit) for commit in same]

    def _require(self) -> None:
        place = self._place
        there = self._objects.ref(place.head) if place.guest else place.git_dir.is_dir()
        if not there:
            what = f"no branch {place.branch} in the repository" if place.guest else "no workspace at"
            raise WorkspaceError(f"There is {what} {place.root}; `glia` or `glia run` makes one.")
        if not place.guest:
            own.check(place, self._objects)
        elif not self._objects.has_file(place.head, place.marker):
            guest.check_branch(place, self._objects)

    def _is_published(self, prepared: Prepared) -> bool:
        tagged = self._objects.ref(f"refs/tags/{prepared.tag}") == prepared.tag_object
        return tagged and self._objects.contains(self._place.head, prepared.commit)

    def _move_refs(self, prepared: Prepared) -> None:
        commands = (
            "start",
            f"update {self._place.head} {prepared.commit} {prepared.parent}",
            f"create refs/tags/{prepared.tag} {prepared.tag_object}",
            "prepare",
            "commit",
        )
        try:
            self._objects.git("update-ref", "--stdin", stdin="".join(f"{line}\n" for line in commands).encode())
        except GitFailed as error:
            taken = self._objects.ref(f"refs/tags/{prepared.tag}")
            if self._head() != prepared.parent or taken not in ("", prepared.tag_object):
                words = "Another design was accepted in the meantime; the commit has to be made again on top of it."
                raise WorkspaceConflict(words) from error
            raise WorkspaceError(f"The design could not be committed: {error}.") from error

    def _head(self) -> str:
        head = self._objects.ref(self._place.head)
        if not OBJECT_ID.fullmatch(head):
            words = f"The workspace {self.root} has no branch {self.branch}; restore it or choose another."
            raise WorkspaceError(words)
        return head

    def _lock(self) -> AbstractContextManager[None]:
        return writer_lock(self._place.scratch, self._place.root)

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Turns what the disk or git says into the one sentence of a :class:`WorkspaceError`."""
        try:
            yield
        except OSError as error:
            where = f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror}"
            raise WorkspaceError(
                f"The workspace {self.root} can't be written ({where}); make it writable or choose another one with "
                "--workspace."
            ) from error
        except GitFailed as error:
            raise WorkspaceError(f"git refuses to work on the workspace {self.root}: {error}.") from error
