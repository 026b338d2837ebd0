"""Crash points: what a study leaves on the disk at an instant, and whether it comes to the same end from there.

A process that is killed leaves what it had handed to the kernel and nothing else: no handler runs, no file is closed.
So a crash is a copy of the workspace at that instant. A :class:`Camera` takes one at every journal line, git command,
recorded file and progress of an experiment of one undisturbed run; a torn line is a copy with a part of that line, a
power cut a copy whose journal ends where it was last synced. Opening a copy and driving it on is the recovery, and a
camera on a recovery gives the second crash.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sessions import events as ev
from sessions.agents import tools
from sessions.designs import objects, own, plumbing
from sessions.experiments.pool import Pool
from sessions.journal import Journal
from sessions.playground import Check, Job, JobResult, OnProgress, ScenarioCard
from sessions.serving import ServingPlayground
from sessions.store import Workspace
from sessions.study import Item, Study

Given = list[tuple[str, str]]
_NEVER_CHANGED = ("objects", "telemetry")
_MAKING = frozenset({"init", "commit-tree", "hash-object", "update-index", "write-tree", "mktag"})


@dataclass(frozen=True, slots=True)
class Photo:
    """A workspace at one instant. ``kind`` is a row of the table, ``place`` what was about to happen or just had.

    ``shown``: hashes of the events that subscribers had been shown. ``given``: the answers that the engineer had given,
    as (approval, verb). ``cut``: the journal was cut to what was synced, so what was shown may be gone.
    """

    kind: str
    place: str
    folder: Path
    shown: tuple[str, ...]
    given: tuple[tuple[str, str], ...]
    cut: bool = False


@dataclass(slots=True)
class Camera:
    """Copies the workspace ``root`` into ``album`` at every instant, or keeps just ``one`` of them, drawn by chance.

    ``seed`` draws that one and the lengths of torn writes."""

    root: Path
    album: Path
    given: Given
    seed: int = 0
    one: bool = False
    photos: list[Photo] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    _synced: int = 0
    _instants: int = 0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def take(self, kind: str, place: str, *, line: bytes = b"", cut: bool = False, half: str = "") -> None:
        """One copy. ``line``: the part of it that reached the journal; ``half``: a file that is written in part."""
        self._instants += 1
        if self.one and self._random.randrange(self._instants):
            return
        if self.one:
            self.photos.clear()
        shown, given = tuple(self.shown), tuple(self.given)
        folder = self.album / f"{self._instants:04d}"
        _copy(self.root, folder)
        for journal in folder.glob(".glia/sessions/*/journal.jsonl"):
            if cut:
                os.truncate(journal, self._synced)
            elif line:
                with journal.open("ab") as file:
                    file.write(line)
        for file_in_part in folder.rglob(half) if half else ():
            os.truncate(file_in_part, self._random.randrange(file_in_part.stat().st_size))
        self.photos.append(Photo(kind, place, folder, shown, given, cut))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """While this lasts, every instant is taken."""
        with contextlib.ExitStack() as stack:
            for change in self._changes():
                stack.enter_context(change)
            yield

    def _changes(self) -> Iterator[contextlib.AbstractContextManager[object]]:
        yield patch.object(Journal, "_write", self._writing(Journal._write))
        yield patch.object(Journal, "sync", self._syncing(Journal.sync))
        yield patch.object(Study, "show", self._showing(Study.show))
        for module in (objects, own):
            yield patch.object(module, "run_git", self._git(module.run_git))
        yield patch.object(os, "replace", self._replacing(os.replace))

    def _writing(self, real: Any) -> Any:
        def write(journal: Journal, line: bytes) -> None:
            place = _type_of(line)
            self.take("before a line of the journal", place)
            self.take("in the middle of a line", place, line=line[: self._random.randrange(1, len(line))])
            real(journal, line)
            self.take("after a line, before it is shown", place)

        return write

    def _syncing(self, real: Any) -> Any:
        async def sync(journal: Journal) -> None:
            size = journal.path.stat().st_size
            await real(journal)
            self._synced = size
            self.take("power cut after a sync", journal.events[-1].data.type, cut=True)

        return sync

    def _showing(self, real: Any) -> Any:
        def show(study: Study, item: Item) -> None:
            real(study, item)
            if isinstance(item, ev.Event):
                self.shown.append(item.hash)
            elif isinstance(item, ev.Progress) and item.done in (1, item.total // 2):
                self.take("while an experiment runs", f"{item.subject} {item.done}/{item.total}")

        return show

    def _git(self, real: Any) -> Any:
        def run_git(arguments: tuple[str, ...], **options: object) -> bytes:
            place = next((part for part in arguments if part in _MAKING), arguments[0])
            began = (self.root / ".git").exists()
            if place == "update-ref" and began:
                self.take("before the refs move", place)
                self.take("power cut before the refs move", place, cut=True)
            elif not began or place in _MAKING or place == "read-tree":
                self.take("before git" if began else "while the workspace is made", place)
            out: bytes = real(arguments, **options)
            if place == "update-ref" and began:
                self.take("after the refs moved, before the working tree", place)
                self.take("power cut after the refs moved", place, cut=True)
            elif place == "read-tree" and options.get("work_tree"):
                self.take("after the working tree, before it is journalled", place)
            return out

        return run_git

    def _replacing(self, real: Any) -> Any:
        def replace(source: str, target: str | Path) -> None:
            if Path(target).parent.name != "telemetry":
                real(source, target)
                return
            self.take("in the middle of a recorded file", "telemetry", half=Path(source).name)
            self.take("before a recorded file is in place", "telemetry")
            real(source, target)
            self.take("after a recorded file is in place", "telemetry")

        return replace


def _type_of(line: bytes) -> str:
    return line.split(b'"type":"')[-1].split(b'"', 1)[0].decode()


def _copy(root: Path, target: Path) -> None:
    """A copy; what is never written again is linked, so that a photo takes milliseconds."""

    def copy(source: str, to: str) -> None:
        fixed = any(part in _NEVER_CHANGED for part in Path(source).parts) and not source.endswith(".tmp")
        (os.link if fixed else shutil.copy2)(source, to)

    shutil.copytree(root, target, copy_function=copy) if root.exists() else target.mkdir(parents=True)


@contextlib.contextmanager
def quickly() -> Iterator[None]:
    """Each source is checked, each run made and each scenario read once instead of hundreds of times, and nothing waits
    for the disk: a copy is of what the kernel has."""
    results: dict[Job | Check, JobResult] = {}
    cards: dict[str, ScenarioCard] = {}
    run, scenario = Pool._run, ServingPlayground.scenario

    async def run_once(pool: Pool, task: Job | Check, on_progress: OnProgress | None = None) -> JobResult:
        if task not in results:
            results[task] = await run(pool, task, on_progress)
        return results[task]

    def card(playground: ServingPlayground, name: str, overrides: dict[str, str] | None = None) -> ScenarioCard:
        if overrides:
            return scenario(playground, name, overrides)
        if name not in cards:
            cards[name] = scenario(playground, name)
        return cards[name]

    with (
        patch.object(Pool, "_run", run_once),
        patch.object(ServingPlayground, "scenario", card),
        patch.object(tools, "specs", functools.cache(tools.specs)),
        patch.object(os, "fsync", lambda _fd: None),
        patch.object(plumbing, "_CONFIG", (*plumbing._CONFIG, ("core.fsync", "none"))),
    ):
        yield


def workspace_at(folder: Path, pool: Pool) -> Workspace:
    return Workspace(folder, lambda: pool)
