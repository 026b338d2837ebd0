"""A finished study of the `smoke` scenario on disk, run once and copied for every test that changes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sessions.models.offline.backend import OfflineBackend
from sessions.store import StudyOptions, Workspace


def record_study(root: Path) -> str:
    """Runs a whole study in a new workspace at ``root``; its id."""

    async def run() -> str:
        options = StudyOptions("smoke", gate="autonomous", seed=3, max_experiments=3, interactive=False)
        session = Workspace(root).begin(options, OfflineBackend())
        try:
            await session.run()
        finally:
            await session.close()
        return session.title.session

    return asyncio.run(run())
