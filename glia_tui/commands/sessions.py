"""``glia sessions list|show|fork|export|delete``: the studies in a workspace. (``resume`` opens the app or a run.)"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer
from pydantic import JsonValue

from glia_tui.commands.output import CommandError, Exit, narrate, print_json, print_table, terminal_safe
from glia_tui.commands.run import result
from sessions.errors import UnknownName
from sessions.export import experiment_row, markdown
from sessions.figures import FIGURES, show
from sessions.journal import read
from sessions.state import StudyState
from sessions.store import Workspace, status_of

FORMATS = (".md", ".json", ".jsonl")


def list_sessions(workspace: Workspace, *, as_json: bool) -> None:
    """Oldest first; a session whose journal can't be read is listed with the reason."""
    summaries = workspace.summaries()
    if as_json:
        print_json([asdict(summary) for summary in summaries])
        return
    if not summaries:
        narrate(f"There is no session in {workspace.root} yet; `glia` starts one.")
        return
    rows = [
        (s.session, s.started[:16].replace("T", " "), s.scenario, str(s.experiments), ", ".join(s.accepted), s.status)
        for s in summaries
    ]
    _print_safe(("session", "started (UTC)", "scenario", "experiments", "accepted", "status"), rows, (3,))
    for s in summaries:
        if s.problem:
            narrate(f"{s.problem} To remove it: glia sessions delete {s.session}")


def show_session(workspace: Workspace, name: str, *, as_json: bool) -> None:
    """One study in words, or as ``glia run --json`` prints it and more."""
    state = _readable(workspace, name)
    if as_json:
        print_json(document(state))
        return
    started = state.started
    assert started is not None
    sys.stdout.write(terminal_safe("\n".join(_heading(state))) + "\n\n")
    title = FIGURES[started.metric].title if started.metric in FIGURES else started.metric
    header = ("experiment", "design", "baseline", "predicted", title, "difference, 95%", "verdict", "prediction")
    rows = [experiment_row(e, started.metric) for e in state.experiments.values()]
    if rows:
        _print_safe(header, rows)
    else:
        sys.stdout.write("No experiment was proposed yet.\n")
    lines = ["", "insights:", *[f"- {i.text} ({', '.join(i.experiments)})" for i in state.insights]]
    lines = lines if state.insights else []
    for a in state.acceptances.values():
        c = a.held_out.comparison if a.held_out else None
        on = f": {show(c.metric, c.candidate)} against {show(c.metric, c.baseline)}, {c.verdict}" if c else ""
        commit = state.designs[a.proposal.design].commit[:7] if a.status == "accepted" else ""
        lines += ["", f"{a.id} {a.proposal.design}: {a.status} {commit}".rstrip() + (f" (held-out{on})" if c else "")]
    sys.stdout.write(terminal_safe("\n".join(lines)) + "\n" if lines else "")


def document(state: StudyState) -> dict[str, JsonValue]:
    """What ``glia sessions show --json`` prints: the keys of ``glia run --json``, and how the study stands."""
    started = state.started
    assert started is not None
    stopped = state.stopped.reason if state.stopped else ""
    return {
        **result(state, stopped),
        "stopped_because": stopped or None,
        "status": status_of(state),
        "started": state.events[0].time,
        "forked_from": started.forked_from.model_dump(mode="json") if started.forked_from else None,
        "gate": state.gate,
        "events": len(state.events),
        "waits_for": {"kind": state.pending.kind, "subject": state.pending.subject} if state.pending else None,
        "insights": [i.model_dump(mode="json", exclude={"type"}) for i in state.insights],
        "designs": [
            {"design": d.name, "slot": d.slot, "parent": d.parent, "author": d.author, "commit": d.commit or None}
            for d in state.designs.values()
        ],
    }


def _heading(state: StudyState) -> list[str]:
    started = state.started
    assert started is not None
    origin = started.forked_from
    waits = f": {state.pending.subject}" if state.pending else ""
    facts = (
        ("session", started.session),
        ("study", f"{started.slot} for {started.scenario}, against {started.baseline}"),
        ("began", state.events[0].time[:16].replace("T", " ") + " UTC"),
        ("status", f"{status_of(state)}{waits}"),
        ("forked", f"from {origin.session} after event {origin.seq}" if origin else ""),
        ("gate", state.gate),
        ("back end", started.backend),
        ("events", str(len(state.events))),
    )
    return [f"{name:9} {value}" for name, value in facts if value]


def fork_session(workspace: Workspace, name: str, at: str, *, as_json: bool) -> None:
    """Says the new session's id, on stdout, and up to where it was copied."""
    forked = workspace.fork(name, at)
    narrate(f"Forked {forked.origin} {forked.told}; it stays as it is.")
    if as_json:
        print_json(asdict(forked))
    else:
        sys.stdout.write(forked.session + "\n")
    narrate(f"Go on with: glia sessions resume {forked.session}")


def export_session(workspace: Workspace, name: str, output: Path, *, replace: bool) -> None:
    """Writes the study in the format that the file's name asks for; completely or not at all."""
    if output.suffix not in FORMATS:
        raise UnknownName("format", output.suffix or output.name, FORMATS)
    if output.exists() and not replace:
        raise CommandError(f"{output} exists already: choose another name, or replace it with --replace.")
    folder = workspace.folder(name)
    if output.suffix == ".jsonl":
        sound = read(folder / "journal.jsonl").sound_bytes
        content = (folder / "journal.jsonl").read_bytes()[:sound]
    else:
        state = _readable(workspace, name)
        content = _text(state, output.suffix).encode("utf-8", "replace")
    _write(output, content)
    narrate(f"Exported {folder.name} to {output}.")


def _text(state: StudyState, suffix: str) -> str:
    if suffix == ".md":
        return markdown(state, status_of(state))
    events = [event.model_dump(mode="json") for event in state.events]
    return json.dumps({**document(state), "events": events}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _write(output: Path, content: bytes) -> None:
    try:
        handle, aside = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(aside, 0o666 & ~umask)
            os.replace(aside, output)
        except BaseException:
            os.unlink(aside)
            raise
    except OSError as error:
        raise CommandError(f"{output} can't be written ({error.strerror}); choose another place.") from error


def delete_session(workspace: Workspace, name: str, *, yes: bool) -> None:
    """Asks on a terminal; without one it needs ``--yes``."""
    session = workspace.find(name)
    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError(f"Deleting can't be undone; without a terminal use: glia sessions delete {session} --yes")
    if not yes and not typer.confirm(f"Delete {session} with everything recorded in it?", err=True):
        raise CommandError("Nothing was deleted.", Exit.ANSWER_IS_NO)
    workspace.delete(session)
    narrate(f"Deleted {session}. Designs that were accepted in it stay in git: glia designs log")


def _readable(workspace: Workspace, name: str) -> StudyState:
    """The state of a session that has a beginning."""
    state = workspace.state(name)
    if state.started is None:
        session = workspace.find(name)
        raise CommandError(f"The session {session} is empty; delete it with: glia sessions delete {session}")
    return state


def _print_safe(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    print_table(header, [[terminal_safe(cell).replace("\n", " ") for cell in row] for row in rows], right)
