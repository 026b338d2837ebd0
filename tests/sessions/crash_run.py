"""Crashes the two studies at seeded points and recovers each: 200 crashes, a part of them during a recovery."""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sessions import events as ev
from sessions.errors import SessionError
from sessions.experiments.pool import Pool
from sessions.store import Workspace
from tests.sessions.crash_points import Camera, Given, Photo, workspace_at
from tests.sessions.crash_stories import STORIES, Story, go_on, tell
from tests.sessions.crash_verdicts import Verdict, judge

POINTS = 200
AGAIN = 40
"""How many of the points are a second crash, during the recovery from a first one."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """One crash point and what became of it."""

    story: Story
    kind: str
    place: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class _Told:
    story: Story
    events: list[ev.Event]
    photos: list[Photo]


async def crash_everywhere(folder: Path, pool: Pool, seed: int, points: int = POINTS) -> AsyncIterator[Recovered]:
    """Crashes at ``points`` points drawn with ``seed``, at least one of every kind; yields what came of each."""
    chance = random.Random(seed)
    told = [await _photographed(story, folder / story, pool, seed) for story in STORIES]
    again = points * AGAIN // POINTS
    for number, (tale, photo) in enumerate(_drawn(told, points - again, chance)):
        yield await _recovered(tale, photo, pool)
        if number < again:
            yield await _crashed_again(tale, folder / f"again-{number}", pool, chance)


async def _photographed(story: Story, folder: Path, pool: Pool, seed: int) -> _Told:
    given: Given = []
    camera = Camera(folder / "workspace", folder / "album", given, seed)
    with camera.running():
        events = await tell(story, workspace_at(camera.root, pool), given)
    return _Told(story, events, camera.photos)


def _drawn(told: Sequence[_Told], count: int, chance: random.Random) -> list[tuple[_Told, Photo]]:
    """Round after round one photo of every kind, so that rare kinds are taken whole; in an order drawn by chance."""
    by_kind: defaultdict[tuple[str, str], list[tuple[_Told, Photo]]] = defaultdict(list)
    for tale in told:
        for photo in tale.photos:
            by_kind[tale.story, photo.kind].append((tale, photo))
    for of_a_kind in by_kind.values():
        chance.shuffle(of_a_kind)
    drawn: list[tuple[_Told, Photo]] = []
    while len(drawn) < count:
        drawn += [of_a_kind.pop() for of_a_kind in by_kind.values() if of_a_kind]
    drawn = drawn[:count]
    chance.shuffle(drawn)
    return drawn


async def _recovered(tale: _Told, photo: Photo, pool: Pool) -> Recovered:
    workspace, given = workspace_at(photo.folder, pool), list(photo.given)
    await _bring_to_the_end(tale.story, workspace, given)
    verdict = judge(tale.events, photo, workspace, given)
    shutil.rmtree(photo.folder)
    return Recovered(tale.story, photo.kind, photo.place, verdict)


async def _crashed_again(tale: _Told, folder: Path, pool: Pool, chance: random.Random) -> Recovered:
    """The recovery from a point drawn by chance is crashed as well, and that crash recovered from."""
    left = [photo for photo in tale.photos if photo.folder.exists()]
    chance.shuffle(left)
    first = next(photo for photo in left if _has_begun(photo, pool))
    given = list(first.given)
    shown = [] if first.cut else list(first.shown)
    camera = Camera(folder / "workspace", folder / "album", given, chance.randrange(10**6), one=True, shown=shown)
    shutil.copytree(first.folder, camera.root)
    with camera.running():
        await go_on(tale.story, workspace_at(camera.root, pool), given)
    [second] = camera.photos
    outcome = await _recovered(tale, second, pool)
    shutil.rmtree(folder)
    where = f"{first.kind} {first.place}, then {second.kind} {second.place}"
    return Recovered(tale.story, "a second crash, during the recovery", where, outcome.verdict)


def _has_begun(photo: Photo, pool: Pool) -> bool:
    try:
        return workspace_at(photo.folder, pool).state("last").started is not None
    except SessionError:
        return False


async def _bring_to_the_end(story: Story, workspace: Workspace, given: Given) -> None:
    """Goes on with the study; where not even its beginning was written, that is said, and it begins anew."""
    try:
        await go_on(story, workspace, given)
    except SessionError as refusal:
        assert "has no beginning" in str(refusal) or "There is no session" in str(refusal), refusal
        for name in workspace.names():
            workspace.delete(name)
        await tell(story, workspace, given)
