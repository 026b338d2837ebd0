"""``glia sessions list``: the studies in a workspace. (``resume`` opens the app or a headless run.)"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from glia_tui.commands.output import narrate, print_json, print_table
from sessions.store import Workspace


def list_sessions(workspace: Path, *, as_json: bool) -> None:
    """Oldest first; a session whose journal can't be read is listed with the reason."""
    summaries = Workspace(workspace).summaries()
    if as_json:
        print_json([asdict(summary) for summary in summaries])
        return
    if not summaries:
        narrate(f"There is no session in {workspace} yet; `glia` starts one.")
        return
    rows = [
        (s.session, s.started[:16].replace("T", " "), s.scenario, str(s.experiments), ", ".join(s.accepted), s.status)
        for s in summaries
    ]
    print_table(("session", "started (UTC)", "scenario", "experiments", "accepted", "status"), rows, (3,))
    for s in summaries:
        if s.problem:
            narrate(s.problem)
