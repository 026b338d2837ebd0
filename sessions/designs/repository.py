"""The workspace: a git repository of the product's own, with one commit and one tag per accepted design.

Writing is in two steps so that a crash never commits twice: ``prepare`` makes objects that nothing points at, the
caller journals their ids, and ``publish`` moves branch and tag in one compare-and-swap transaction that may be
repeated. Invariants: one writer at a time (a lock file); no ref moves but forward from the head that was prepared
on; nothing that a person changed in the working tree is overwritten; no hook, prompt or signature is involved.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sessions.designs.lock import writer_lock
from sessions.designs.model import BRANCH, OBJECT_ID, AcceptedDesign, DesignCommit, Prepared, one_line
from sessions.designs.plumbing import GitFailed, run_git, user_identity
from sessions.designs.reading import read_log, read_show
from sessions.errors import WorkspaceConflict, WorkspaceError

_HEAD = f"refs/heads/{BRANCH}"
_MARKER = ".glia-workspace"
_PRIVATE = ".glia"
_OURS = frozenset((_PRIVATE, "glia.toml"))
_FIRST_FILES = {
    _MARKER: "# This repository is written by Glia: one commit per accepted design.\nformat = 1\n",
    ".gitignore": f"/{_PRIVATE}/\n__pycache__/\n",
    "README.md": (
        "# Accepted designs\n\n"
        "Each commit on `main` is one design that an engineer accepted. It lies in `designs/<slot>/<name>/`:\n"
        "`policy.py` is the design, `card.md` says what it does, `evidence.json` holds the measurements, and\n"
        "`journal.jsonl` the part of the study that led to it. `glia designs log` lists them.\n"
    ),
}


class DesignRepository:
    """The workspace at ``root``. Nothing is touched before :meth:`ensure`."""

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser().absolute()
        self._git_dir = self._root / ".git"

    @property
    def root(self) -> Path:
        return self._root

    def ensure(self) -> None:
        """Creates the repository on first use; on later ones checks that it is the product's own.

        Raises :class:`WorkspaceError` for a folder that can't be written, is in other use, or is another repository.
        """
        root = self._root
        try:
            self._check_place()
            (root / _PRIVATE).mkdir(parents=True, exist_ok=True)
            with writer_lock(root / _PRIVATE):
                if not self._git_dir.exists():
                    self._create()
                self._check_ours()
                self._synchronise()
        except OSError as error:
            raise WorkspaceError(
                f"The workspace {root} can't be written ({error.strerror}); choose another one with --workspace."
            ) from error

    def prepare(self, accepted: AcceptedDesign) -> Prepared:
        """Writes blobs, tree, commit and tag as objects on top of the present head; no ref moves."""
        parent = self._head()
        blobs = {path: self._blob(content) for path, content in accepted.files().items()}
        commit = self._commit(self._tree(parent, blobs), parent, accepted)
        tag = f"accepted/{accepted.slot}/{self._next_number(accepted.slot):04d}"
        return Prepared(commit, parent, BRANCH, tag, self._tag(tag, commit, accepted))

    def publish(self, prepared: Prepared) -> None:
        """Moves branch and tag to what was prepared, both or neither; done already is fine.

        Raises :class:`WorkspaceConflict` when the head has moved since: prepare again.
        """
        with writer_lock(self._root / _PRIVATE):
            if self._ref(f"refs/tags/{prepared.tag}") != prepared.tag_object or not self._contains(prepared.commit):
                self._move_refs(prepared)
            self._synchronise()

    def log(self) -> list[DesignCommit]:
        """The accepted designs, newest first, without their files."""
        self._require()
        return read_log(self._git_dir)

    def show(self, rev: str) -> DesignCommit:
        """One accepted design with its files; ``rev`` is a commit (also shortened), a tag or a design's name.

        Raises :class:`sessions.errors.UnknownName` with the nearest one.
        """
        self._require()
        return read_show(self._git_dir, rev)

    def _require(self) -> None:
        if not self._git_dir.is_dir():
            raise WorkspaceError(f"There is no workspace at {self._root}; `glia` or `glia run` makes one.")
        self._check_ours()

    def _check_place(self) -> None:
        """A workspace is a folder of its own: new, empty, or made by this product."""
        root = self._root
        if not root.exists():
            return
        if not root.is_dir():
            raise WorkspaceError(f"{root} is not a folder; choose another workspace.")
        if (root / "HEAD").is_file() and (root / "objects").is_dir():
            raise WorkspaceError(f"{root} is a bare git repository; choose another folder as the workspace.")
        foreign = sorted({entry.name for entry in root.iterdir()} - _OURS)
        if foreign and not self._git_dir.exists():
            raise WorkspaceError(
                f"{root} holds other files ({foreign[0]}); choose a new or an empty folder as the workspace."
            )

    def _check_ours(self) -> None:
        try:
            self._git("cat-file", "-e", f"{_HEAD}:{_MARKER}")
        except GitFailed as error:
            raise WorkspaceError(
                f"{self._root} is a git repository that Glia did not make; choose a folder of its own as the workspace."
            ) from error

    def _create(self) -> None:
        """Makes the repository aside and moves it into place, so that it is there completely or not at all."""
        aside = Path(tempfile.mkdtemp(prefix="new-", dir=self._root / _PRIVATE))
        real, self._git_dir = self._git_dir, aside / ".git"
        try:
            run_git(("init", "-q", "-b", BRANCH, "--template=", str(aside)), git_dir=None)
            blobs = {path: self._blob(text.encode()) for path, text in _FIRST_FILES.items()}
            name, email = user_identity()
            commit = self._text(
                *("commit-tree", self._tree(None, blobs)),
                stdin=b"Start the workspace\n",
                environment=_identities(name, email, name, email),
            )
            self._git("update-ref", _HEAD, commit)
            os.rename(self._git_dir, real)
        except GitFailed as error:
            raise WorkspaceError(f"The workspace {self._root} could not be made: {error}.") from error
        finally:
            self._git_dir = real
            shutil.rmtree(aside, ignore_errors=True)

    def _synchronise(self) -> None:
        """Brings index and working tree to the head, from the commit they are at.

        Files that a person changed are kept as they are, and so is everything when another git holds the index or
        another branch is checked out: the commits are what counts, and the next call tries again.
        """
        with contextlib.suppress(GitFailed):
            if self._text("symbolic-ref", "-q", "HEAD") != _HEAD:
                return
            head = self._text("rev-parse", f"{_HEAD}^{{tree}}")
            if not (self._git_dir / "index").exists():
                self._git("read-tree", "-m", "-u", head, work_tree=self._root)
                return
            index = self._text("write-tree")
            trees = self._text("log", "--first-parent", "--format=%T", "-n", "64", _HEAD).split()
            if index == head or index not in trees:
                return
            try:
                self._git("read-tree", "-m", "-u", index, head, work_tree=self._root)
            except GitFailed:
                self._git("read-tree", head)
                self._git("checkout-index", "-a", "-q", work_tree=self._root)  # what is missing, nothing else

    def _move_refs(self, prepared: Prepared) -> None:
        commands = (
            "start",
            f"update {_HEAD} {prepared.commit} {prepared.parent}",
            f"create refs/tags/{prepared.tag} {prepared.tag_object}",
            "prepare",
            "commit",
        )
        try:
            self._git("update-ref", "--stdin", stdin="".join(f"{line}\n" for line in commands).encode())
        except GitFailed as error:
            taken = self._ref(f"refs/tags/{prepared.tag}")
            if self._head() != prepared.parent or taken not in ("", prepared.tag_object):
                words = "Another design was accepted in the meantime; the commit has to be made again on top of it."
                raise WorkspaceConflict(words) from error
            raise WorkspaceError(f"The design could not be committed: {error}.") from error

    def _contains(self, commit: str) -> bool:
        try:
            self._git("merge-base", "--is-ancestor", commit, _HEAD)
        except GitFailed:
            return False
        return True

    def _blob(self, content: bytes) -> str:
        return self._text("hash-object", "-w", "--stdin", stdin=content)

    def _tree(self, parent: str | None, blobs: Mapping[str, str]) -> str:
        """The tree of ``parent`` with ``blobs`` (path -> object id) put in, by way of an index of its own."""
        with tempfile.TemporaryDirectory(prefix="index-", dir=self._root / _PRIVATE) as folder:
            environment = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            if parent is not None:
                self._git("read-tree", parent, environment=environment)
            entries = "".join(f"100644 {blob}\t{path}\0" for path, blob in blobs.items()).encode()
            self._git("update-index", "-z", "--index-info", stdin=entries, environment=environment)
            return self._text("write-tree", environment=environment)

    def _commit(self, tree: str, parent: str, accepted: AcceptedDesign) -> str:
        people = _identities(
            accepted.author_name, accepted.author_email, accepted.approver_name, accepted.approver_email
        )
        return self._text(*("commit-tree", tree, "-p", parent), stdin=accepted.message(), environment=people)

    def _tag(self, tag: str, commit: str, accepted: AcceptedDesign) -> str:
        tagger = self._text("show", "-s", "--format=%cn <%ce> %cd", "--date=raw", commit)
        head = f"object {commit}\ntype commit\ntag {tag}\ntagger {tagger}\n\n"
        words = f"{accepted.name}: {one_line(accepted.subject)}\n"
        return self._text("mktag", stdin=(head + words).encode("utf-8", "replace"))

    def _next_number(self, slot: str) -> int:
        names = self._text("for-each-ref", "--format=%(refname:lstrip=4)", f"refs/tags/accepted/{slot}/").split()
        return max((int(name) for name in names if name.isdecimal()), default=0) + 1

    def _head(self) -> str:
        head = self._ref(_HEAD)
        if not OBJECT_ID.fullmatch(head):
            raise WorkspaceError(f"The workspace {self._root} has no branch {BRANCH}; restore it or choose another.")
        return head

    def _ref(self, name: str) -> str:
        try:
            return self._text("rev-parse", "--verify", "--quiet", name)
        except GitFailed:
            return ""

    def _text(self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> str:
        return self._git(*arguments, stdin=stdin, environment=environment).decode("utf-8", "replace").strip()

    def _git(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        work_tree: Path | None = None,
    ) -> bytes:
        return run_git(arguments, git_dir=self._git_dir, work_tree=work_tree, stdin=stdin, environment=environment)


def _identities(author: str, author_email: str, committer: str, committer_email: str) -> dict[str, str]:
    """Who git writes into a commit. Angle brackets would end a name early and are left out."""

    def clean(text: str, otherwise: str) -> str:
        return one_line(text).replace("<", "").replace(">", "").strip(" .,:;\"'") or otherwise

    return {
        "GIT_AUTHOR_NAME": clean(author, "unknown"),
        "GIT_AUTHOR_EMAIL": clean(author_email, "unknown@localhost"),
        "GIT_COMMITTER_NAME": clean(committer, "unknown"),
        "GIT_COMMITTER_EMAIL": clean(committer_email, "unknown@localhost"),
    }
