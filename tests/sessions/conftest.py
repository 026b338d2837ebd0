"""A workspace on disk, real evaluations of the `smoke` scenario, and an engineer made of a few lines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sessions import events as ev
from sessions.experiments.pool import Pool
from sessions.models.offline.backend import OfflineBackend
from sessions.session import Session
from sessions.state import StudyState
from sessions.store import StudyOptions, Workspace


class SharedPool(Pool):
    """A pool that outlives the sessions that use it, so that equal runs in one test are simulated once."""

    async def close(self) -> None:
        return

    async def really_close(self) -> None:
        await super().close()


@pytest.fixture
async def pool() -> AsyncIterator[SharedPool]:
    shared = SharedPool()
    yield shared
    await shared.really_close()


@pytest.fixture
def workspace(tmp_path: Path, pool: SharedPool) -> Workspace:
    return Workspace(tmp_path / "workspace", lambda: pool)


class Engineer:
    """Drives an interactive session step by step; ``until`` waits for something to be true of its state."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.task = asyncio.create_task(session.run())

    @property
    def state(self) -> StudyState:
        return self.session.state

    async def until(self, true: Callable[[StudyState], bool]) -> None:
        async with asyncio.timeout(60):
            feed = self.session.subscribe()
            waiting = asyncio.ensure_future(anext(feed))
            try:
                while not true(self.state):
                    if self.task.done():
                        await self.task
                        assert true(self.state), "the session ended before it came to that"
                        return
                    await asyncio.wait({waiting, self.task}, return_when=asyncio.FIRST_COMPLETED)
                    if waiting.done():
                        waiting = asyncio.ensure_future(anext(feed))
            finally:
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                    await waiting
                await feed.aclose()  # type: ignore[attr-defined]

    async def pending(self) -> ev.ApprovalAsked:
        """The next approval that waits."""
        await self.until(lambda state: state.pending is not None)
        pending = self.state.pending
        assert pending is not None
        return ev.ApprovalAsked(approval=pending.id, kind=pending.kind, subject=pending.subject)

    async def answer(self, verb: ev.Verb, words: str = "", source: str | None = None) -> str:
        asked = await self.pending()
        return await self.session.answer(asked.approval, verb, words, source)

    async def leave(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        await self.session.close()


@pytest.fixture
async def engineer(workspace: Workspace) -> AsyncIterator[Engineer]:
    driven = Engineer(workspace.begin(StudyOptions("smoke"), OfflineBackend()))
    yield driven
    await driven.leave()
