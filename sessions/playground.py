"""The only door from a study to the system that is being designed for.

A playground names its design slots and scenarios, says how a design's source is checked, runs one evaluation
and yields its telemetry. The serving cluster (:mod:`sessions.serving`) is built in; others are found by the
entry-point group ``glia.playgrounds``, whose entry is a class or function without arguments that makes one.

Invariant: nothing else in ``sessions`` or ``glia_tui`` imports the simulator's engine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from pydantic import JsonValue

from sessions import events as ev
from sessions.errors import UnknownName

DEFAULT_PLAYGROUND = "serving"
CHECK_DEADLINE_S = 10.0
"""Twice what a check takes at most by itself: a worker that is not done by then is stuck."""
_ENTRY_POINTS = "glia.playgrounds"


@dataclass(frozen=True, slots=True)
class ScenarioCard:
    """What a scenario is, for people and agents.

    ``digest``: hex SHA-256 of its content. ``baseline``: a shipped policy. ``metric``: the objective as a dotted
    key of the figures, in ``unit``; lower is better. ``held_out``: the scenario on whose fresh seeds designs are
    accepted, empty if there is none. ``source``: the TOML text. ``policies``: what each slot takes by default.
    """

    name: str
    title: str
    why: str
    digest: str
    slots: tuple[str, ...]
    baseline: str
    metric: str
    held_out: str
    unit: str
    hardware: str
    source: str
    policies: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DesignUnderTest:
    """A design as an evaluation gets it.

    ``source``: the policy file's text, which runs sealed in a process of its own; ``None`` for the shipped policy
    of that name, which is trusted and runs in the simulator's process.
    """

    name: str
    source: str | None = None
    slot: str = "router"
    playground: str = DEFAULT_PLAYGROUND

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the source's bytes, or of the shipped file's text."""
        text = self.source
        if text is None:
            text = find_playground(self.playground).shipped_source(self.slot, self.name)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluation: one design on one seed of one scenario.

    ``scenario``: a shipped name or a file. ``deadline_s``: wall-clock limit, in seconds. ``overrides``: dotted
    scenario keys and their values, both as text. ``scenario_digest``: what the scenario must be, overrides included;
    empty for whatever it is when the run begins. ``hash_seed``: of the design's process; two runs that differ in
    nothing else show whether a design depends on more than it is told. ``others``: slots and the designs that they take
    instead of the scenario's policies. ``trace``: a file and its format, whose requests replace the scenario's
    workload. ``requests_to``: a file that the per-request table is written to (``.npz``). ``sampled``: without it
    nothing is sampled, and no progress told.
    """

    scenario: str
    slot: str
    design: DesignUnderTest
    seed: int
    telemetry: bool
    deadline_s: float
    overrides: tuple[tuple[str, str], ...] = ()
    playground: str = DEFAULT_PLAYGROUND
    scenario_digest: str = ""
    hash_seed: int = 0
    others: tuple[tuple[str, DesignUnderTest], ...] = ()
    trace: tuple[str, str] | None = None
    requests_to: str = ""
    sampled: bool = True


OnProgress = Callable[[float, float], None]
"""Told how far an evaluation is: simulated seconds, and those of its last arrival."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """What became of a job. A failure has its own outcome and never figures; of ``ok``, ``message`` is a remark.

    ``metrics``: one seed's figures with the keys of ``glia simulate --json``, plus ``workload_sha256``; ``None``
    unless ``ok``. ``telemetry``: recorded series when the job asked for them. ``wall_s``: seconds it took.
    ``last_s``: simulated time reached when it failed, where known.
    """

    outcome: ev.Outcome
    message: str
    metrics: dict[str, JsonValue] | None
    telemetry: dict[str, JsonValue] | None
    wall_s: float
    last_s: float | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A design's source to be checked (:meth:`Playground.check`) in a worker. ``deadline_s``: wall-clock limit."""

    slot: str
    source: str
    playground: str
    deadline_s: float


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Whether a design can be proposed at all; ``message`` says what to change when it can't."""

    outcome: ev.Outcome
    message: str


class Playground(Protocol):
    """A system with design slots. Methods block: a surface calls the slow ones off its event loop."""

    @property
    def name(self) -> str: ...

    def scenario_names(self) -> list[str]: ...

    def scenario(self, name: str, overrides: Mapping[str, str] | None = None) -> ScenarioCard:
        """The card of a shipped scenario or scenario file. Raises :class:`SessionError` when there is none."""
        ...

    def shipped(self, slot: str) -> list[str]:
        """Names of the policies that ship for ``slot``."""
        ...

    def oracles(self, slot: str) -> list[str]:
        """Names of the bounds that ship for ``slot``: they know the future, so they are measured and never designs."""
        ...

    def shipped_source(self, slot: str, name: str) -> str:
        """The file of a shipped policy or an oracle. Raises :class:`SessionError` when there is none."""
        ...

    def warm_up(self) -> None:
        """Loads what :meth:`run` needs, in a worker and before any run's time begins to count."""
        ...

    def check(self, slot: str, source: str) -> CheckResult:
        """Parses, lints, loads and smoke-runs a design in a sealed process; takes a second at most.
        Called inside a worker process: a design may stop or end whatever process it is checked from."""
        ...

    def run(self, job: Job, on_progress: OnProgress | None = None) -> JobResult:
        """Runs one evaluation to its end. Called inside a worker process. Raises :class:`SessionError` for what is not
        the design's doing."""
        ...

    def pool_metrics(self, per_seed: Sequence[Mapping[str, JsonValue]]) -> dict[str, JsonValue]:
        """The figures of several seeds as one, with the keys of ``glia simulate --json``."""
        ...

    def simulator_version(self) -> str:
        """Behaviour version: it changes when, and only when, results change."""
        ...


def find_playground(name: str = DEFAULT_PLAYGROUND) -> Playground:
    """The playground called ``name``; raises :class:`UnknownName` with the nearest one."""
    if name == DEFAULT_PLAYGROUND:
        from sessions.serving import ServingPlayground

        return ServingPlayground()
    from importlib.metadata import entry_points

    found = entry_points(group=_ENTRY_POINTS)
    for entry in found.select(name=name):
        return cast(Playground, entry.load()())
    raise UnknownName("playground", name, [DEFAULT_PLAYGROUND, *found.names])
