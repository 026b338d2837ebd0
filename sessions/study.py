"""What the parts of a running study share: its record, its state, its subscribers and its instruments.

``record`` is the only way anything happens: the journal is written first, then the state moves, then subscribers
are shown the event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sessions import events as ev
from sessions.designs import DesignRepository
from sessions.draft import Draft
from sessions.errors import SessionError, UnknownName
from sessions.experiments.laboratory import Laboratory
from sessions.experiments.pool import Pool
from sessions.gate import Gate
from sessions.journal import Journal
from sessions.playground import DesignUnderTest, Playground, ScenarioCard
from sessions.sidecar import Sidecar
from sessions.state import StudyState, fold
from sessions.state import apply as apply_event

Item = ev.Event | ev.Live
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StudyTitle:
    """What a surface shows of a study before anything has happened."""

    session: str
    scenario: str
    hardware: str
    backend_label: str
    workspace: str
    isolation: str


class Interrupted(Exception):
    """The engineer stopped what was running."""


class Study:
    """One study's shared instruments; see the module's docstring."""

    def __init__(
        self,
        journal: Journal,
        playground: Playground,
        repository: DesignRepository,
        pool: Pool,
        folder: Path,
        *,
        interactive: bool,
    ) -> None:
        self.journal = journal
        self.state: StudyState = fold(journal.events)
        if self.state.started is None:
            raise SessionError(f"The session {folder.name} has no beginning; delete {folder} and start a new one.")
        self.started: ev.SessionStarted = self.state.started
        self.playground = playground
        self.card: ScenarioCard = playground.scenario(self.started.scenario)
        self.repository = repository
        self.sidecar = Sidecar(folder / "telemetry")
        self.draft = Draft(folder / "draft.txt")
        self.pool = pool
        self.interactive = interactive
        digests = {self.started.scenario: self.started.scenario_digest}
        slot, metric = self.started.slot, self.started.metric
        self.laboratory = Laboratory(pool, self.sidecar, playground.name, slot, metric, digests)
        self.gate = Gate(self.state, self.record, attended=interactive)
        self._subscribers: list[asyncio.Queue[Item]] = []
        self._task: asyncio.Future[Any] | None = None
        self._interrupted = False

    def record(self, actor: ev.Actor, payload: ev.Payload) -> ev.Event:
        """Journals an event, moves the state, shows it. Raises :class:`SessionError` if it can't be written."""
        event = self.journal.append(actor, payload)
        apply_event(self.state, event)
        self.show(event)
        return event

    def show(self, item: Item) -> None:
        """Passes an event, or a live notification that isn't journalled, to every subscriber."""
        for queue in self._subscribers:
            queue.put_nowait(item)

    def subscribe(self) -> AsyncIterator[Item]:
        """Everything from now on, in order: also what happens before the first item is asked for."""
        queue: asyncio.Queue[Item] = asyncio.Queue()
        self._subscribers.append(queue)
        return self._feed(queue)

    async def _feed(self, queue: asyncio.Queue[Item]) -> AsyncIterator[Item]:
        try:
            while True:
                yield await queue.get()
        finally:
            self._subscribers.remove(queue)

    def design(self, name: str) -> DesignUnderTest:
        """A design of this study or a shipped policy. Raises :class:`UnknownName` with the nearest, and
        :class:`SessionError` for an oracle: every arm of every experiment and acceptance comes through here."""
        slot = self.started.slot
        if name in self.state.designs:
            return DesignUnderTest(name, self.state.designs[name].source, slot, self.playground.name)
        shipped = self.playground.shipped(slot)
        if name in shipped:
            return DesignUnderTest(name, None, slot, self.playground.name)
        if name in self.playground.oracles(slot):
            raise SessionError(
                f"{name} is an oracle: it knows output lengths, so it can be neither tried nor accepted as a design; "
                f"see how far it gets with: glia simulate {self.card.name} --router {name}"
            )
        raise UnknownName(slot, name, [*self.state.designs, *shipped])

    def source_of(self, name: str) -> str:
        design = self.design(name)
        if design.source is not None:
            return design.source
        return self.playground.shipped_source(self.started.slot, name)

    @property
    def experiments_left(self) -> int | None:
        limit = self.state.max_experiments
        return None if limit is None else max(limit - self.state.experiments_run, 0)

    async def interruptible(self, work: asyncio.Future[T]) -> T:
        """Awaits ``work``; :meth:`interrupt` cancels it and raises :class:`Interrupted` here."""
        self._task, self._interrupted = work, False
        try:
            return await work
        except asyncio.CancelledError:
            if self._interrupted:
                raise Interrupted from None
            work.cancel()
            raise
        finally:
            self._task = None

    def interrupt(self) -> bool:
        """Cancels the reply or experiment that runs now; False if nothing does."""
        if self._task is None or self._task.done():
            return False
        self._interrupted = True
        return self._task.cancel()
