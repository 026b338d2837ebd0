"""``glia designs log|show|diff|checkout|export``: accepted designs, read from the workspace's git history."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from glia_tui.commands.output import CommandError, narrate, print_json, print_table, terminal_safe
from sessions.designs import CheckedOut, DesignCommit, DesignRepository, check_out, standalone, write_whole
from sessions.designs.story import unified


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
        try:
            evidence = json.loads(commit.files.get("evidence.json", "null"))
        except ValueError as error:
            raise CommandError(f"The evidence of {commit.commit[:10]} isn't JSON; the commit is damaged.") from error
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


def diff(workspace: Path, old: str, new: str, *, as_json: bool) -> None:
    """How the policy and the card of ``new`` differ from those of ``old``."""
    repository = DesignRepository(workspace)
    before, after = repository.show(old), repository.show(new)
    diffs = {name: _difference(before, after, name) for name in ("policy.py", "card.md")}
    if as_json:
        sides = {side: _document(commit) for side, commit in (("a", before), ("b", after))}
        print_json(sides | {"policy_diff": diffs["policy.py"], "card_diff": diffs["card.md"]})
        return
    for mark, commit in (("a", before), ("b", after)):
        narrate(terminal_safe(f"{mark}: {commit.commit[:7]} {commit.design}: {commit.trailer('Held-out')}"))
    if not any(diffs.values()):
        narrate("Policy and card are the same.")
    sys.stdout.write(terminal_safe("".join(diffs.values())))


def checkout(workspace: Path, rev: str, folder: Path | None, *, force: bool, as_json: bool) -> None:
    """Writes the design's files into ``folder``, or where they lie in the workspace's tree."""
    repository = DesignRepository(workspace)
    design = repository.show(rev)
    target = repository.root / "designs" / design.slot / design.design if folder is None else folder.absolute()
    done = check_out(design, repository.versions(design), target, force=force)
    if as_json:
        files = {key: list(getattr(done, key)) for key in ("written", "replaced", "overwritten", "unchanged")}
        print_json(
            {"commit": design.commit, "slot": design.slot, "design": design.design, "folder": str(target)} | files
        )
        return
    sys.stdout.write(f"{target}\n")
    narrate(_told(design, done))


def export(workspace: Path, rev: str, file: Path, *, force: bool, as_json: bool) -> None:
    """Writes the policy with its provenance into one Python file; ``-`` is stdout."""
    design = DesignRepository(workspace).show(rev)
    text = standalone(design)
    if str(file) == "-":
        if as_json:
            raise CommandError("--json needs a file: name one with -o FILE.")
        sys.stdout.write(text)
        return
    try:
        if file.is_file() and not force and file.read_bytes() != text.encode():
            raise CommandError(f"{file} exists and is different; choose another file, or overwrite it with --force.")
        write_whole(file, text)
    except OSError as error:
        raise CommandError(f"{file} can't be written ({error.strerror}); choose another file.") from error
    if as_json:
        print_json(_document(design) | {"file": str(file.absolute())})
        return
    narrate(f"{design.design} is in {file}; try it with: glia simulate SCENARIO --{design.slot} {file}")


def _difference(before: DesignCommit, after: DesignCommit, name: str) -> str:
    paths = [f"{side}/designs/{c.slot}/{c.design}/{name}" for side, c in (("a", before), ("b", after))]
    return unified(before.files.get(name, ""), after.files.get(name, ""), *paths)


def _told(design: DesignCommit, done: CheckedOut) -> str:
    changes = [
        f"{', '.join(names)} {what}"
        for names, what in (
            (done.written, "written"),
            (done.replaced, "replaced (it held another accepted version)"),
            (done.overwritten, "overwritten (it was changed by hand)"),
        )
        if names
    ]
    return f"{design.design} at {design.commit[:7]}: {'; '.join(changes) or 'everything was there already'}."


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
