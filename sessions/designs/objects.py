"""Blobs, trees, commits, tags and refs of one repository, written and read by git's plumbing alone.

Nothing here touches an index or a working tree of anybody's: trees are built in an index of their own in the
scratch folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from sessions.designs import signing
from sessions.designs.model import AcceptedDesign, one_line
from sessions.designs.place import Place
from sessions.designs.plumbing import GitFailed, run_git


class ObjectStore:
    """The objects and refs at ``place``. Methods raise :class:`GitFailed` with what git said."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def blob(self, content: bytes) -> str:
        """Writes ``content``; returns its object id."""
        return self.text("hash-object", "-w", "--stdin", stdin=content)

    def tree(self, parent: str | None, files: Mapping[str, bytes]) -> str:
        """The tree of ``parent`` (a commit, or ``None`` for an empty one) with ``files`` (path -> content) put in."""
        blobs = {path: self.blob(content) for path, content in files.items()}
        with tempfile.TemporaryDirectory(prefix="index-", dir=self._place.scratch) as folder:
            environment = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            if parent is not None:
                self.git("read-tree", parent, environment=environment)
            entries = "".join(f"100644 {blob}\t{path}\0" for path, blob in blobs.items()).encode()
            self.git("update-index", "-z", "--index-info", stdin=entries, environment=environment)
            return self.text("write-tree", environment=environment)

    def commit(self, tree: str, parents: tuple[str, ...], message: bytes, people: Mapping[str, str]) -> str:
        """Writes a commit, signed where the user signs commits. ``people``: see :func:`identities`.

        Raises :class:`sessions.errors.WorkspaceError` when it can't be signed.
        """
        place = self._place
        with signing.signing(place.git_dir, place.root, place.scratch) as how:
            arguments = (*how.settings, "commit-tree", *how.options, tree)
            arguments += tuple(part for parent in parents for part in ("-p", parent))
            environment = {**people, **how.environment}
            try:
                out = run_git(
                    arguments, git_dir=place.git_dir, stdin=message, environment=environment, limit_s=how.limit_s
                )
            except GitFailed as error:
                if how.options:
                    raise signing.refusal(error, place.root) from error
                raise
        return out.decode("ascii").strip()

    def annotated_tag(self, tag: str, commit: str, accepted: AcceptedDesign) -> str:
        """Writes a tag object for ``commit``; no ref points at it yet."""
        tagger = self.text("show", "-s", "--format=%cn <%ce> %cd", "--date=raw", commit)
        head = f"object {commit}\ntype commit\ntag {tag}\ntagger {tagger}\n\n"
        words = f"{accepted.name}: {one_line(accepted.subject)}\n"
        return self.text("mktag", stdin=(head + words).encode("utf-8", "replace"))

    def next_number(self, slot: str) -> int:
        """The number of the next acceptance for ``slot``."""
        names = self.text("for-each-ref", "--format=%(refname:lstrip=4)", f"refs/tags/accepted/{slot}/").split()
        return max((int(name) for name in names if name.isdecimal()), default=0) + 1

    def ref(self, name: str) -> str:
        """The object id that ``name`` stands for, or an empty string."""
        try:
            return self.text("rev-parse", "--verify", "--quiet", name)
        except GitFailed:
            return ""

    def has_file(self, ref: str, path: str) -> bool:
        try:
            self.git("cat-file", "-e", f"{ref}:{path}")
        except GitFailed:
            return False
        return True

    def contains(self, head: str, commit: str) -> bool:
        """Is ``commit`` in the history of ``head``?"""
        try:
            self.git("merge-base", "--is-ancestor", commit, head)
        except GitFailed:
            return False
        return True

    def text(self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> str:
        return self.git(*arguments, stdin=stdin, environment=environment).decode("utf-8", "replace").strip()

    def git(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        work_tree: Path | None = None,
    ) -> bytes:
        return run_git(
            arguments, git_dir=self._place.git_dir, work_tree=work_tree, stdin=stdin, environment=environment
        )


def identities(author: str, author_email: str, committer: str, committer_email: str) -> dict[str, str]:
    """Who git writes into a commit. Angle brackets would end a name early and are left out."""

    def clean(text: str, otherwise: str) -> str:
        return one_line(text).replace("<", "").replace(">", "").strip(" .,:;\"'") or otherwise

    return {
        "GIT_AUTHOR_NAME": clean(author, "unknown"),
        "GIT_AUTHOR_EMAIL": clean(author_email, "unknown@localhost"),
        "GIT_COMMITTER_NAME": clean(committer, "unknown"),
        "GIT_COMMITTER_EMAIL": clean(committer_email, "unknown@localhost"),
    }
