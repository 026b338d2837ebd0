"""The simulated LLM-serving cluster as a playground: the only module of the study that runs the simulator.

The simulator is imported when it is first needed, so that listing sessions or showing help stays quick. Shipped
policies are trusted and run in this process; a design with a source runs sealed (:mod:`sessions.experiments.sealed`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from pydantic import JsonValue

from sessions import events as ev
from sessions.errors import SessionError, UnknownName
from sessions.playground import CheckResult, DesignUnderTest, Job, JobResult, ScenarioCard

if TYPE_CHECKING:
    from sim.api import Router
    from sim.engine import Result
    from sim.oracle import Oracle
    from sim.scenario import Scenario
    from sim.telemetry import Json, TelemetryRow

SLOT = "router"
_SMOKE = "smoke"
_SMOKE_SEED = 1
_SMOKE_DEADLINE_S = 5.0
_UNITS = {"_s": "s", "_rps": "req/s", "_usd": "USD", "_per_s": "1/s", "_hours": "h"}


class ServingPlayground:
    """Routers of a cluster of replicas with continuous batching."""

    name = "serving"

    def scenario_names(self) -> list[str]:
        from sim.scenario import scenario_names

        return scenario_names()

    def scenario(self, name: str, overrides: Mapping[str, str] | None = None) -> ScenarioCard:
        scenario = _load(name, overrides)
        return ScenarioCard(
            name=scenario.name,
            title=scenario.title,
            why=scenario.why,
            digest=scenario.digest,
            slots=scenario.slots,
            baseline=scenario.baseline,
            metric=scenario.metric,
            held_out=scenario.held_out or name,
            unit=_unit(scenario.metric),
            hardware=scenario.cluster.label,
            source=scenario.source,
        )

    def shipped(self, slot: str) -> list[str]:
        from sim.policies import router_names

        _check_slot(slot)
        return router_names()

    def oracles(self, slot: str) -> list[str]:
        from sim.policies import oracle_names

        _check_slot(slot)
        return oracle_names()

    def shipped_source(self, slot: str, name: str) -> str:
        from sim.errors import SimError
        from sim.policies import router_source

        _check_slot(slot)
        try:
            return router_source(name)
        except SimError as error:
            raise SessionError(str(error)) from error

    def check(self, slot: str, source: str) -> CheckResult:
        design = DesignUnderTest("design", source, slot)
        job = Job(_SMOKE, slot, design, _SMOKE_SEED, telemetry=False, deadline_s=_SMOKE_DEADLINE_S)
        result = self.run(job)
        return CheckResult(result.outcome, result.message)

    def run(self, job: Job, on_progress: Callable[[float], None] | None = None) -> JobResult:
        """Runs one evaluation; ``on_progress`` is told the simulated time (s) at each telemetry sample.

        Raises :class:`SessionError` for what is not the design's doing (unknown scenario, slot or policy).
        """
        from sessions.experiments.sealed import DesignFailed
        from sim.engine import Policies, simulate
        from sim.errors import IllegalDecision

        _check_slot(job.slot)
        scenario = _load(job.scenario, dict(job.overrides))
        clock = _Clock(on_progress)
        started = time.monotonic()
        try:
            with _router(job) as router:
                policies = Policies(router, {SLOT: job.design.name})
                result = simulate(scenario, policies, job.seed, clock)
        except DesignFailed as failure:
            last_s = clock.last_s if failure.last_s is None else failure.last_s
            return _failed(failure.outcome, str(failure), started, last_s)
        except IllegalDecision as failure:
            return _failed("illegal", str(failure), started, failure.time_ns / 1e9)
        if held := _never_served(result):
            return _failed("illegal", held, started, clock.last_s)
        metrics = cast("dict[str, JsonValue]", dict(result.summary))
        metrics["workload_sha256"] = result.workload_sha256
        telemetry = cast("dict[str, JsonValue]", result.telemetry.to_json()) if job.telemetry else None
        return JobResult("ok", "", metrics, telemetry, time.monotonic() - started)

    def pool_metrics(self, per_seed: Sequence[Mapping[str, JsonValue]]) -> dict[str, JsonValue]:
        from sim.metrics import pool

        return cast("dict[str, JsonValue]", pool(cast("Sequence[Mapping[str, Json]]", per_seed)))

    def simulator_version(self) -> str:
        from sim.behaviour import BEHAVIOUR

        return BEHAVIOUR


class _Clock:
    """Remembers how far a simulation has come."""

    def __init__(self, on_progress: Callable[[float], None] | None) -> None:
        self.last_s: float | None = None
        self._on_progress = on_progress

    def on_sample(self, row: TelemetryRow) -> None:
        self.last_s = row.t_ns / 1e9
        if self._on_progress is not None:
            self._on_progress(self.last_s)


@contextmanager
def _router(job: Job) -> Iterator[Router | Oracle]:
    """The job's router: shipped in this process, or sealed in one of its own for as long as the block lasts.

    An oracle is only ever one that ships; a source is sealed before any name is looked at.
    """
    if job.design.source is not None:
        from sessions.experiments.sealed import SealedRouter

        with SealedRouter(job.design.source, job.seed, job.deadline_s) as sealed:
            yield sealed
        return
    from sim.policies import make_oracle, make_router, oracle_names, router_names

    if job.design.name in oracle_names():
        yield make_oracle(job.design.name)
    elif job.design.name in router_names():
        yield make_router(job.design.name, job.seed)
    else:
        raise UnknownName(SLOT, job.design.name, router_names())


def _load(name: str, overrides: Mapping[str, str] | None) -> Scenario:
    from sim.errors import SimError
    from sim.scenario import load_scenario

    try:
        return load_scenario(name, overrides)
    except SimError as error:
        raise SessionError(str(error)) from error


def _never_served(result: Result) -> str:
    """A design that holds requests for ever has no completion time for them: it must not be given a mean."""
    requests = result.summary["requests"]
    unfinished = requests["unfinished"] if isinstance(requests, dict) else 0
    if not unfinished:
        return ""
    return (
        f"The design left {unfinished} requests unserved when nothing else was left to happen: "
        "what is held must be assigned at the latest when a request completes."
    )


def _failed(outcome: ev.Outcome, message: str, started: float, last_s: float | None) -> JobResult:
    return JobResult(outcome, message, None, None, time.monotonic() - started, last_s)


def _check_slot(slot: str) -> None:
    if slot != SLOT:
        raise UnknownName("slot", slot, [SLOT])


def _unit(metric: str) -> str:
    """The unit that a dotted metric key ends its first part with (``e2e_s.mean`` -> ``s``)."""
    head = metric.partition(".")[0]
    suffix = max((s for s in _UNITS if head.endswith(s)), key=len, default="")
    return _UNITS.get(suffix, "")
