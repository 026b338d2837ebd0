"""Makes docs/screenshot.svg: the real app on a real study, at the moment its fifth experiment is proposed.

Run from the repository: ``python docs/make_screenshot.py``; takes about a minute. Every figure in it was computed
while it ran. The study's folder is a temporary one and isn't in the picture.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from textual.pilot import Pilot

from glia_tui.app import GliaApp
from glia_tui.commands.run import make_backend
from glia_tui.screens.study import StudyScreen
from glia_tui.widgets.cluster import ClusterPanel
from sessions.session import Session
from sessions.store import StudyOptions, Workspace

SIZE = (120, 40)
SCENARIO = "paper-routing-family"
EXPERIMENTS = 4
MOMENT = 0.6
"""Where in its run the cluster is shown."""
PATIENCE_S = 600
MOST_BYTES = 300_000


async def _waits(pilot: Pilot[None], session: Session) -> None:
    """Returns when something waits for an answer, at most :data:`PATIENCE_S` later."""
    async with asyncio.timeout(PATIENCE_S):
        while session.state.pending is None:
            await pilot.pause(0.2)


async def _study(pilot: Pilot[None], session: Session) -> None:
    """Approves some experiments, as an engineer would, and leaves the next proposal open."""
    for _ in range(EXPERIMENTS):
        await _waits(pilot, session)
        assert session.state.pending is not None
        if refused := await session.answer(session.state.pending.id, "approve"):
            raise SystemExit(refused)
        await pilot.pause(0.2)
    await _waits(pilot, session)


async def _picture(workspace: Path) -> str:
    options = StudyOptions(SCENARIO, seed=0, max_experiments=12)
    session = Workspace(workspace).begin(options, make_backend("offline", pace_s=0.0))
    app = GliaApp(session)
    async with app.run_test(size=SIZE) as pilot:
        await _study(pilot, session)
        if films := [worker for worker in app.workers if worker.group == "film"]:
            await app.workers.wait_for_complete(films)
        screen = app.screen_stack[1]
        assert isinstance(screen, StudyScreen)
        for action in ("skip", f"seek({MOMENT - 1})"):
            await screen.query_one(ClusterPanel).run_action(action)
        await pilot.pause(0.5)
        await pilot.press("tab")
        await pilot.pause(0.5)
        return app.export_screenshot(title="Glia")


def main() -> None:
    """Writes the picture beside this file, or ends with what is wrong with it."""
    target = Path(__file__).with_name("screenshot.svg")
    os.environ.pop("NO_COLOR", None)
    with tempfile.TemporaryDirectory(prefix="glia-") as folder:
        svg = asyncio.run(_picture(Path(folder) / "designs"))
    svg = "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"
    named = [path for path in (folder, str(Path.home()), str(target.parent.parent)) if path in svg]
    if named or len(svg.encode()) > MOST_BYTES:
        raise SystemExit(f"The picture names {named} or is larger than {MOST_BYTES:,} bytes; nothing was written.")
    target.write_text(svg, encoding="utf-8")
    sys.stdout.write(f"{target.name}: {len(svg.encode()):,} bytes\n")


if __name__ == "__main__":
    main()
