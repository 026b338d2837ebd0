"""``glia designs log|show``: accepted designs, read from the workspace's git history."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from glia_tui.commands.output import narrate, print_json, print_table, terminal_safe
from sessions.designs import DesignCommit, DesignRepository


def log(workspace: Path, *, as_json: bool) -> None:
    """Newest first."""
    commits = DesignRepository(workspace).log()
    if as_json:
        print_json([_document(commit) for commit in commits])
        return
    if not commits:
        narrate(f"No design has been accepted in {workspace} yet.")
        return
    rows = [
        (c.commit[:7], c.accepted[:10], c.slot, c.design, terminal_safe(c.trailer("Held-out")), c.tag) for c in commits
    ]
    print_table(("commit", "accepted", "slot", "design", "held-out", "tag"), rows)


def show(workspace: Path, rev: str, *, as_json: bool) -> None:
    """One accepted design: its message, its card and its source."""
    commit = DesignRepository(workspace).show(rev)
    if as_json:
        evidence = json.loads(commit.files.get("evidence.json", "null"))
        print_json(
            _document(commit)
            | {"policy": commit.files.get("policy.py"), "card": commit.files.get("card.md"), "evidence": evidence}
        )
        return
    lines = [
        f"commit   {commit.commit}",
        f"tag      {commit.tag}",
        f"author   {commit.author_name} <{commit.author_email}>",
        f"accepted {commit.accepted} by {commit.approver_name} <{commit.approver_email}>",
        "",
        commit.subject,
        "",
        commit.body,
        "",
        *[f"{key}: {value}" for key, value in commit.trailers],
        "",
        f"designs/{commit.slot}/{commit.design}/policy.py",
        "",
        commit.files.get("policy.py", ""),
    ]
    sys.stdout.write(terminal_safe("\n".join(lines)).rstrip() + "\n")


def _document(commit: DesignCommit) -> dict[str, object]:
    return {
        "commit": commit.commit,
        "parent": commit.parent,
        "slot": commit.slot,
        "design": commit.design,
        "tag": commit.tag,
        "subject": commit.subject,
        "author": f"{commit.author_name} <{commit.author_email}>",
        "accepted_by": f"{commit.approver_name} <{commit.approver_email}>",
        "accepted": commit.accepted,
        "trailers": dict(commit.trailers),
    }
