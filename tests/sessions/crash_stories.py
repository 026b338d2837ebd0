"""The two studies that are crashed: one that runs by itself, and one with an engineer who uses every verb.

The engineer decides from the state alone, so they act the same before a crash and after it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

from sessions import events as ev
from sessions.conversation import unanswered_words
from sessions.models.offline.backend import OfflineBackend
from sessions.session import Session
from sessions.state import StudyState
from sessions.store import StudyOptions, Workspace
from tests.sessions.crash_points import Given

Story = Literal["headless", "attended"]
STORIES: tuple[Story, ...] = ("headless", "attended")

_OPTIONS: dict[Story, StudyOptions] = {
    "headless": StudyOptions("smoke", gate="autonomous", seed=3, max_experiments=3, interactive=False),
    "attended": StudyOptions("smoke", gate="supervised", seed=5, max_experiments=4),
}
_PATIENCE_S = 20.0
_WHILE_IT_RUNS = "explain the tail"
_WHILE_IT_WAITS = "why is P99 so bad?"


async def tell(story: Story, workspace: Workspace, given: Given) -> list[ev.Event]:
    """The study from its beginning to its end; returns its events."""
    return await _drive(story, workspace.begin(_OPTIONS[story], OfflineBackend()), given)


async def go_on(story: Story, workspace: Workspace, given: Given) -> list[ev.Event]:
    """The study from where its journal ends."""
    interactive = _OPTIONS[story].interactive
    return await _drive(story, workspace.resume("last", OfflineBackend(), interactive=interactive), given)


async def _drive(story: Story, session: Session, given: Given) -> list[ev.Event]:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await (session.run() if story == "headless" else _attend(session, given))
    finally:
        await session.close()
    return session.state.events


async def _attend(session: Session, given: Given) -> None:
    """Drives the study until a design is accepted and the Researcher has nothing more to say."""

    async def watch() -> None:
        async for _ in session.subscribe():
            await _react(session, given)
            if _told_to_the_end(session.state):
                return

    if _told_to_the_end(session.state):
        return
    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)  # it listens before anything happens
    running = asyncio.create_task(session.run())
    await _react(session, given)
    try:
        done, _ = await asyncio.wait({watching, running}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (watching, running):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _told_to_the_end(state: StudyState) -> bool:
    last = state.events[-1].data
    if isinstance(last, ev.SessionResumed | ev.Notice):
        last = next(e.data for e in reversed(state.events) if not isinstance(e.data, ev.SessionResumed | ev.Notice))
    accepted = any(a.status == "accepted" for a in state.acceptances.values())
    return accepted and isinstance(last, ev.AgentReplied) and last.stop_reason == "end_turn"


async def _react(session: Session, given: Given) -> None:
    """What the engineer does about what they see now."""
    state = session.state
    said = {e.data.text for e in state.events if isinstance(e.data, ev.EngineerSaid)}
    if state.running is not None and state.running.id == "exp-1" and _WHILE_IT_RUNS not in said:
        session.say(_WHILE_IT_RUNS)
    pending = state.pending
    if pending is None:
        return
    if pending.subject == "exp-2" and _WHILE_IT_WAITS not in said:
        session.say(_WHILE_IT_WAITS)
    if unanswered_words(state.events):
        return
    verb, words = _answer_to(pending.subject)
    given.append((pending.id, verb))
    source = None
    if verb == "edit":
        proposed = session.source_of(state.experiments[pending.subject].design)
        source = proposed.replace("MARGIN = 0.05", "MARGIN = 0.2")
    assert await session.answer(pending.id, verb, words, source) == ""


def _answer_to(subject: str) -> tuple[ev.Verb, str]:
    answers: dict[str, tuple[ev.Verb, str]] = {
        "exp-2": ("edit", ""),
        "exp-3": ("redirect", "try least-kv"),
        "exp-4": ("reject", ""),
        "exp-5": ("approve_kind", ""),
    }
    return answers.get(subject, ("approve", ""))
