"""Reads accepted designs back from git. What it finds may have been written by other hands: nothing is assumed of
it but that it is text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from sessions.designs.model import DesignCommit
from sessions.designs.plumbing import GitFailed, run_git
from sessions.errors import UnknownName

_FILES = ("policy.py", "card.md", "evidence.json", "journal.jsonl")
_FIELDS = ("%H", "%P", "%an", "%ae", "%cn", "%ce", "%cI", "%s", "%b", "%(trailers:only,unfold)")
_FIELD, _RECORD = "\x1f", "\x1e"
_POLICY = re.compile(r"designs/([a-z][a-z0-9-]{0,40})/([a-z][a-z0-9-]{0,40})/policy\.py")
_COMMIT = re.compile(r"[0-9a-f]{4,64}")
_MAX_FILE = 64 * 1024 * 1024


def read_log(git_dir: Path, head: str) -> list[DesignCommit]:
    """Commits of the branch ``head`` (a full ref) that put a ``policy.py`` in place, newest first."""
    layout = "%x1e" + "%x1f".join(_FIELDS) + "%x1f"
    arguments = ("log", "--first-parent", "-m", "--name-only", "--diff-filter=AM", f"--format={layout}", head)
    text = run_git((*arguments, "--", "designs"), git_dir=git_dir).decode("utf-8", "replace")
    tags = _tags(git_dir)
    commits = [_parse(record, tags) for record in text.split(_RECORD)[1:]]
    return [commit for commit in commits if commit is not None]


def read_show(git_dir: Path, head: str, rev: str) -> DesignCommit:
    """The design that ``rev`` names, with its files; see :meth:`DesignRepository.show`."""
    log = read_log(git_dir, head)
    for commit in log:
        shortened = _COMMIT.fullmatch(rev) is not None and commit.commit.startswith(rev)
        if shortened or (rev and rev in (commit.tag, commit.design, f"{commit.slot}/{commit.design}")):
            return with_files(git_dir, commit)
    known = {name for commit in log for name in (commit.design, commit.tag, commit.commit[:10]) if name}
    raise UnknownName("accepted design", rev, known)


def _parse(record: str, tags: dict[str, str]) -> DesignCommit | None:
    fields = record.split(_FIELD)
    match = _POLICY.search(fields[-1])
    if len(fields) != len(_FIELDS) + 1 or match is None:
        return None
    commit, parents, author, author_email, approver, approver_email, accepted, subject, body, trailers = fields[:-1]
    pairs = [line.partition(": ")[::2] for line in trailers.splitlines() if ": " in line]
    return DesignCommit(
        commit=commit,
        parent=parents.partition(" ")[0],
        slot=match[1],
        design=match[2],
        tag=tags.get(commit, ""),
        subject=subject,
        body=body.strip().removesuffix(trailers.strip()).strip(),
        author_name=author,
        author_email=author_email,
        approver_name=approver,
        approver_email=approver_email,
        accepted=accepted,
        trailers=pairs,
    )


def _tags(git_dir: Path) -> dict[str, str]:
    """Commit -> the tag of its acceptance."""
    layout = "--format=%(*objectname) %(refname:lstrip=2)"
    text = run_git(("for-each-ref", layout, "refs/tags/accepted/"), git_dir=git_dir).decode("utf-8", "replace")
    return {commit: tag for commit, _, tag in (line.partition(" ") for line in text.splitlines()) if commit}


def with_files(git_dir: Path, commit: DesignCommit) -> DesignCommit:
    """``commit`` with the content of its files, as far as they are there and of a sane size."""
    files: dict[str, str] = {}
    for name in _FILES:
        path = f"{commit.commit}:designs/{commit.slot}/{commit.design}/{name}"
        try:
            size = int(run_git(("cat-file", "-s", path), git_dir=git_dir))
            if size <= _MAX_FILE:
                files[name] = run_git(("cat-file", "blob", path), git_dir=git_dir).decode("utf-8", "replace")
        except GitFailed:
            continue
    return replace(commit, files=files)
