"""Studies on disk: where a workspace keeps them, how one is begun, found, listed and opened again.

A workspace is the design repository plus ``.glia/sessions/<id>/`` with ``journal.jsonl`` and ``telemetry/``. The
sessions' folder is outside git's view.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sessions import events as ev
from sessions.designs import DesignRepository
from sessions.errors import SessionError, UnknownName, WorkspaceError
from sessions.experiments.pool import Pool
from sessions.forking import copy_events, cut
from sessions.journal import Journal, read, unopened
from sessions.models.base import ModelBackend
from sessions.playground import Playground, find_playground
from sessions.session import Session
from sessions.sidecar import share
from sessions.state import StudyState, fold, fold_of
from sessions.study import Study

ISOLATION = "process"
"""The isolation level that is in force: a design runs in a process of its own, behind a pipe, without environment."""

SEEDS_PER_EXPERIMENT = 10


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """How a new study is set up. ``interactive``: there is an engineer to wait for."""

    scenario: str
    slot: str = "router"
    gate: ev.GateMode = "supervised"
    seed: int | None = None
    max_experiments: int | None = None
    max_minutes: float | None = None
    interactive: bool = True
    seeds_per_experiment: int = SEEDS_PER_EXPERIMENT


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One line of ``glia sessions list``. ``problem``: why the journal can't be read, or empty. ``forked_from``: the
    session it was copied from, or empty."""

    session: str
    started: str
    scenario: str
    experiments: int
    accepted: list[str]
    status: str
    problem: str = ""
    forked_from: str = ""


@dataclass(frozen=True, slots=True)
class Forked:
    """A new session; ``told`` says in words up to where it was copied."""

    session: str
    origin: str
    told: str


def product_version() -> str:
    try:
        return version("glia")
    except PackageNotFoundError:
        return "source"


class Workspace:
    """A workspace folder; it is created on first use. ``make_pool``: who runs the evaluations of a session."""

    def __init__(self, root: Path, make_pool: Callable[[], Pool] = Pool) -> None:
        self._make_pool = make_pool
        self.repository = DesignRepository(root)
        self.root = self.repository.root
        self._sessions = self.root / ".glia" / "sessions"

    def begin(self, options: StudyOptions, backend: ModelBackend, playground: Playground | None = None) -> Session:
        """Creates a study and journals its start. Raises :class:`SessionError` for anything unusable."""
        playground = playground or find_playground()
        card = playground.scenario(options.scenario)
        if options.slot not in card.slots:
            raise UnknownName(f"slot under design in {card.name}", options.slot, card.slots)
        self.repository.ensure()
        session = _new_id()
        folder = self._sessions / session
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise WorkspaceError(
                f"The workspace {self.root} can't be written ({error.strerror}); choose another with --workspace."
            ) from error
        journal = Journal(folder / "journal.jsonl")
        journal.append(
            "system",
            ev.SessionStarted(
                session=session,
                product=product_version(),
                simulator=playground.simulator_version(),
                playground=playground.name,
                scenario=_reference(options.scenario, playground),
                scenario_digest=card.digest,
                slot=options.slot,
                baseline=card.baseline,
                metric=card.metric,
                backend=backend.name,
                gate=options.gate,
                seed=secrets.randbelow(2**31) if options.seed is None else options.seed,
                seeds_per_experiment=options.seeds_per_experiment,
                max_experiments=options.max_experiments,
                max_minutes=options.max_minutes,
                isolation=ISOLATION,
                seeded=options.seed is not None,
            ),
        )
        return self._session(journal, backend, playground, options.interactive)

    def resume(
        self,
        name: str,
        backend: ModelBackend,
        *,
        interactive: bool = True,
        max_experiments: int | None = None,
        max_minutes: float | None = None,
    ) -> Session:
        """Opens a study again: it goes on from where its journal ends. A budget that is given replaces the old one."""
        folder = self._sessions / self.find(name)
        journal = Journal(folder / "journal.jsonl")
        try:
            started = fold_of(journal.events, folder.name).started
            if started is None:
                raise SessionError(f"The session {folder.name} has no beginning; delete {folder} and start anew.")
            playground = find_playground(started.playground)
            self._same_world(started, playground)
            self.repository.ensure()
            journal.append("system", ev.SessionResumed(torn_bytes=journal.torn_bytes))
            if max_experiments is not None or max_minutes is not None:
                before = fold(journal.events)
                changed = ev.BudgetChanged(
                    max_experiments=before.max_experiments if max_experiments is None else max_experiments,
                    max_minutes=before.max_minutes if max_minutes is None else max_minutes,
                )
                journal.append("engineer", changed)
            if journal.torn_bytes:
                text = f"An unfinished last line of {journal.torn_bytes} bytes was cut off the journal."
                journal.append("system", ev.Notice(level="warning", text=text))
            return self._session(journal, backend, playground, interactive)
        except BaseException:
            journal.close()
            raise

    def _same_world(self, started: ev.SessionStarted, playground: Playground) -> None:
        """A study can't go on in another simulator or scenario: its figures wouldn't be comparable."""
        card = playground.scenario(started.scenario)
        if card.digest != started.scenario_digest:
            raise SessionError(
                f"The scenario {started.scenario} has changed since this session began; start a new session."
            )
        if playground.simulator_version() != started.simulator:
            raise SessionError(
                f"This session was begun with simulator {started.simulator}, here is "
                f"{playground.simulator_version()}: its figures wouldn't be comparable. Start a new session."
            )

    def _session(self, journal: Journal, backend: ModelBackend, playground: Playground, interactive: bool) -> Session:
        folder = journal.path.parent
        study = Study(journal, playground, self.repository, self._make_pool(), folder, interactive=interactive)
        return Session(study, backend)

    def names(self) -> list[str]:
        """Ids of the sessions in this workspace, newest last."""
        if not self._sessions.is_dir():
            return []
        return sorted(path.name for path in self._sessions.iterdir() if (path / "journal.jsonl").is_file())

    def find(self, name: str) -> str:
        """The id that ``name`` means: an id, the beginning of one that is unique, or ``last``."""
        names = self.names()
        if name == "last" and names:
            return names[-1]
        if name in names:
            return name
        matching = [known for known in names if known.startswith(name)]
        if name and len(matching) == 1:
            return matching[0]
        if len(matching) > 1:
            raise SessionError(f"{name!r} could be any of {', '.join(matching)}: give more of the id.")
        raise UnknownName("session", name, names)

    def summaries(self) -> list[SessionSummary]:
        return [self._summary(name) for name in self.names()]

    def state(self, name: str) -> StudyState:
        """The state of a session, read without opening it for writing."""
        session = self.find(name)
        return fold_of(read(self._sessions / session / "journal.jsonl").events, session)

    def folder(self, name: str) -> Path:
        """Where a session lies: ``journal.jsonl`` and ``telemetry/``."""
        return self._sessions / self.find(name)

    def fork(self, name: str, at: str = "") -> Forked:
        """Begins another session with the record of this one up to ``at`` (see :func:`sessions.forking.cut`).

        It appears completely or not at all; recorded files are shared, since they never change. The original is
        only read, and may be open.
        """
        origin = self.folder(name)
        events = read(origin / "journal.jsonl").events
        fold_of(events, origin.name)
        place = cut(events, at)
        session = _new_id()
        with _explained(self.root), tempfile.TemporaryDirectory(prefix="fork-", dir=self.root / ".glia") as aside:
            new = Path(aside) / session
            (new / "telemetry").mkdir(parents=True)
            for digest in copy_events(events, place, session, new / "journal.jsonl"):
                share(origin / "telemetry", new / "telemetry", digest)
            new.rename(self._sessions / session)
        return Forked(session, origin.name, place.told)

    def delete(self, name: str) -> str:
        """Deletes a session with everything recorded beside it, also an unreadable one; returns its id.

        Raises :class:`SessionError` while it is open. What was accepted stays in git.
        """
        folder = self.folder(name)
        with (
            _explained(self.root),
            unopened(folder / "journal.jsonl"),
            tempfile.TemporaryDirectory(prefix="deleted-", dir=self.root / ".glia") as aside,
        ):
            folder.rename(Path(aside) / folder.name)
        return folder.name

    def _summary(self, name: str) -> SessionSummary:
        try:
            state = self.state(name)
        except SessionError as error:
            return SessionSummary(name, "", "", 0, [], "unreadable", str(error))
        if state.started is None:
            return SessionSummary(name, "", "", 0, [], "empty")
        accepted = [d.name for d in state.designs.values() if d.commit]
        return SessionSummary(
            name,
            state.events[0].time,
            state.started.scenario,
            state.experiments_run,
            accepted,
            status_of(state),
            forked_from=state.started.forked_from.session if state.started.forked_from else "",
        )


def _reference(scenario: str, playground: Playground) -> str:
    """How the journal names a scenario: a shipped one by name, a file by its absolute path."""
    return scenario if scenario in playground.scenario_names() else str(Path(scenario).absolute())


def _new_id() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@contextlib.contextmanager
def _explained(root: Path) -> Iterator[None]:
    """Errors of the file system, in words."""
    try:
        yield
    except OSError as error:
        raise WorkspaceError(
            f"The workspace {root} can't be written ({error.strerror}); nothing was changed. Make it writable first."
        ) from error


def status_of(state: StudyState) -> str:
    """How a study stands, in words: why it stopped, or what it waits for."""
    if state.stopped is not None:
        return state.stopped.reason
    return "waits for an answer" if state.pending else "open"
