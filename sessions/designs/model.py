"""The values that go into and come out of the design repository, checked before git sees any of them.

Invariant: nothing here that a model or a person wrote ever becomes a ref, an option, a path or a URL unless it
matched one of the patterns below; everything else travels as the content of a blob or a message, over stdin.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from sessions.errors import WorkspaceError

NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
TAG = re.compile(r"accepted/[a-z][a-z0-9-]{0,40}/[0-9]{4,9}")
TRAILER_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,40}")
BRANCH = "main"
"""The branch of a workspace that is a repository of its own."""
GUEST_BRANCH = "glia/designs"
"""The product's branch inside an engineer's repository; it shares no history with theirs."""

_LINE_BREAKS = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    """``text`` on one line, without control characters (also those that turn the writing direction)."""
    return _CONTROL.sub("", _LINE_BREAKS.sub(" ", text).replace("\t", " ")).strip()


def plain(text: str) -> str:
    """``text`` with its lines, without other control characters."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


@dataclass(frozen=True, slots=True)
class AcceptedDesign:
    """A design that the engineer accepted, with all that its commit holds.

    Author: who wrote the design; approver: who accepted it. ``trailers``: pairs in order; a value is put on one
    line. ``journal_segment``: the journal's lines that led to it.
    """

    slot: str
    name: str
    source: str
    card: str
    evidence: dict[str, JsonValue]
    journal_segment: str
    author_name: str
    author_email: str
    approver_name: str
    approver_email: str
    subject: str
    body: str = ""
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for what, value in (("slot", self.slot), ("design name", self.name)):
            if not NAME.fullmatch(value):
                raise WorkspaceError(
                    f"{value!r} can't be a {what}: use a lower-case letter, then letters, digits and hyphens, "
                    "41 characters at most."
                )
        for key, _ in self.trailers:
            if not TRAILER_KEY.fullmatch(key):
                raise WorkspaceError(f"{key!r} can't be a trailer: use letters, digits and hyphens.")

    @property
    def folder(self) -> str:
        return f"designs/{self.slot}/{self.name}"

    def files(self) -> dict[str, bytes]:
        """Path in the repository -> content."""
        evidence = json.dumps(self.evidence, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        texts = {
            "policy.py": self.source,
            "card.md": self.card,
            "evidence.json": evidence + "\n",
            "journal.jsonl": self.journal_segment,
        }
        return {f"{self.folder}/{name}": text.encode("utf-8", "replace") for name, text in texts.items()}

    def message(self) -> bytes:
        """Subject, body and trailers; the body can't pose as trailers, for they are always the last paragraph."""
        parts = [one_line(self.subject) or f"Accept {self.name}"]
        if body := plain(self.body):
            parts.append(body)
        if self.trailers:
            parts.append("\n".join(f"{key}: {one_line(value)}" for key, value in self.trailers))
        return ("\n\n".join(parts) + "\n").encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A commit and a tag that exist as objects while no ref points at them yet.

    Hex object ids; ``branch`` and ``tag`` are short names. It can be made again from a journalled intent.
    """

    commit: str
    parent: str
    branch: str
    tag: str
    tag_object: str

    def __post_init__(self) -> None:
        ids = (self.commit, self.parent, self.tag_object)
        if (
            self.branch not in (BRANCH, GUEST_BRANCH)
            or not TAG.fullmatch(self.tag)
            or not all(map(OBJECT_ID.fullmatch, ids))
        ):
            raise WorkspaceError("The intended commit is not one this product makes; accept the design again.")


@dataclass(frozen=True, slots=True)
class DesignCommit:
    """An accepted design as its commit tells it. Times are ISO 8601. ``files`` is filled by ``show`` alone:
    ``policy.py``, ``card.md``, ``evidence.json`` and ``journal.jsonl`` by name."""

    commit: str
    parent: str
    slot: str
    design: str
    tag: str
    subject: str
    body: str
    author_name: str
    author_email: str
    approver_name: str
    approver_email: str
    accepted: str
    trailers: Sequence[tuple[str, str]]
    files: dict[str, str] = field(default_factory=dict)

    def trailer(self, key: str) -> str:
        """The first trailer called ``key``, or an empty string."""
        return next((value for name, value in self.trailers if name == key), "")
