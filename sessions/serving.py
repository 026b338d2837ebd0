"""The simulated LLM-serving cluster as a playground: the only module of the study that runs the simulator.

The simulator is imported when it is first needed, so that listing sessions or showing help stays quick. Shipped
policies are trusted and run in this process; a design with a source runs sealed (:mod:`sessions.experiments.sealed`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from pydantic import JsonValue

from sessions import events as ev
from sessions.errors import EvaluationError, SessionError, UnknownName
from sessions.playground import CheckResult, DesignUnderTest, Job, JobResult, OnProgress, ScenarioCard
from sessions.request_table import write_requests
from sessions.serving_policies import SLOTS
from sessions.serving_workload import workload_of

if TYPE_CHECKING:
    from sim.engine import Result
    from sim.scenario import Scenario
    from sim.telemetry import Json, TelemetryRow
    from sim.workload import Workload

_SMOKE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "router": {},
        "scheduler": {},
        "autoscaler": {
            "autoscaler.interval_s": "2.0",
            "autoscaler.cold_start_s": "3.0",
            "autoscaler.min_replicas": "1",
            "autoscaler.max_replicas": "4",
        },
    }
)
"""What a design of each slot is checked on: the smallest scenario, with what its slot needs."""
_SMOKE_SCENARIO = "smoke"
_SMOKE_SEED = 1
_SMOKE_DEADLINE_S = 5.0
_UNITS = {"_s": "s", "_rps": "req/s", "_usd": "USD", "_per_s": "1/s", "_hours": "h"}
_HOLDING = MappingProxyType(
    {
        "router": "what is held must be assigned at the latest when a request completes.",
        "scheduler": "what is held back must be admitted at the latest when nothing runs on the replica.",
        "autoscaler": "as long as requests are held, a replica must be ready or on its way.",
    }
)


class ServingPlayground:
    """Routers, batch schedulers and autoscalers of a cluster of replicas with continuous batching."""

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
            held_out=scenario.held_out or ("" if scenario.is_trace else name),
            unit=_unit(scenario.metric),
            hardware=scenario.label,
            source=scenario.source,
            policies=(
                ("router", scenario.baseline),
                ("scheduler", scenario.scheduler),
                ("autoscaler", scenario.autoscaler),
            ),
        )

    def shipped(self, slot: str) -> list[str]:
        from sim.policies import policy_names

        _check_slot(slot)
        return policy_names(slot)

    def oracles(self, slot: str) -> list[str]:
        from sim.policies import oracle_names

        _check_slot(slot)
        return oracle_names(slot)

    def shipped_source(self, slot: str, name: str) -> str:
        from sim.errors import SimError
        from sim.policies import policy_source

        _check_slot(slot)
        try:
            return policy_source(slot, name)
        except SimError as error:
            raise SessionError(str(error)) from error

    def warm_up(self) -> None:
        import sim.engine
        import sim.policies
        import sim.scenario_file  # noqa: F401

    def check(self, slot: str, source: str) -> CheckResult:
        _check_slot(slot)
        design = DesignUnderTest("design", source, slot)
        overrides = tuple(_SMOKE[slot].items())
        job = Job(_SMOKE_SCENARIO, slot, design, _SMOKE_SEED, False, _SMOKE_DEADLINE_S, overrides)
        result = self.run(job)
        return CheckResult(result.outcome, "" if result.outcome == "ok" else result.message)

    def run(self, job: Job, on_progress: OnProgress | None = None) -> JobResult:
        """Runs one evaluation; ``on_progress`` is told at each telemetry sample.

        Raises :class:`SessionError` for what is not the design's doing (unknown scenario, slot or policy).
        """
        from sessions.experiments.sealed import DesignFailed
        from sessions.serving_policies import opened
        from sim.engine import simulate_workload
        from sim.errors import IllegalDecision

        _check_slot(job.slot)
        scenario = _load(job.scenario, dict(job.overrides))
        if job.scenario_digest not in ("", scenario.digest):
            raise EvaluationError(
                f"The scenario {job.scenario} was changed after its measurement began, so nothing was measured: "
                "restore it, or start again with the changed one."
            )
        started = time.monotonic()
        workload, remark = workload_of(job, scenario)
        clock = _Clock(on_progress, workload)
        try:
            with opened(job, scenario) as policies:
                result = simulate_workload(scenario, workload, policies, job.seed, clock, telemetry=job.sampled)
        except DesignFailed as failure:
            last_s = clock.last_s if failure.last_s is None else failure.last_s
            return _failed(failure.outcome, str(failure), started, last_s)
        except IllegalDecision as failure:
            return _failed("illegal", str(failure), started, failure.time_ns / 1e9)
        if left := _never_served(result):
            if job.design.source is None or _no_replica_is_ready(result):
                raise SessionError(f"{scenario.name} was left with {left}; change its fleet, faults or policies.")
            held = f"The design left {left}: {_HOLDING[job.slot]}"
            return _failed("illegal", held, started, clock.last_s)
        _some_were_served(result, scenario)
        metrics = cast("dict[str, JsonValue]", dict(result.summary))
        metrics["workload_sha256"] = result.workload_sha256
        telemetry = cast("dict[str, JsonValue]", result.telemetry.to_json()) if job.telemetry else None
        wall_s = time.monotonic() - started
        if job.requests_to:
            write_requests(result.requests, [pool.name for pool in scenario.pools], job.requests_to)
        return JobResult("ok", remark, metrics, telemetry, wall_s)

    def pool_metrics(self, per_seed: Sequence[Mapping[str, JsonValue]]) -> dict[str, JsonValue]:
        from sim.metrics import pool

        return cast("dict[str, JsonValue]", pool(cast("Sequence[Mapping[str, Json]]", per_seed)))

    def simulator_version(self) -> str:
        from sim.behaviour import BEHAVIOUR

        return BEHAVIOUR


class _Clock:
    """Remembers how far a simulation has come."""

    def __init__(self, on_progress: OnProgress | None, workload: Workload) -> None:
        self.last_s: float | None = None
        self._on_progress = on_progress
        self._of_s = float(workload.arrival_ns[-1]) / 1e9 if len(workload) else 0.0

    def on_sample(self, row: TelemetryRow) -> None:
        self.last_s = row.t_ns / 1e9
        if self._on_progress is not None:
            self._on_progress(self.last_s, self._of_s)


def _load(name: str, overrides: Mapping[str, str] | None) -> Scenario:
    from sim.errors import SimError
    from sim.scenario import load_scenario

    try:
        return load_scenario(name, overrides)
    except SimError as error:
        raise SessionError(str(error)) from error


def _never_served(result: Result) -> str:
    """The requests that nobody served, in words, empty if there are none: such a run must not be given a mean."""
    from sim.result import OUTCOMES

    unfinished = result.requests.outcome == OUTCOMES.index("unfinished")
    total = int(unfinished.sum())
    if not total:
        return ""
    never_routed = int((unfinished & (result.requests.routed_ns < 0)).sum())
    return (
        f"{total} requests unserved when nothing else was left to happen "
        f"({never_routed} never routed, {total - never_routed} routed)"
    )


def _no_replica_is_ready(result: Result) -> bool:
    """At the last sample: then nobody could have served them."""
    rows = result.telemetry.rows
    return bool(rows) and "ready" not in rows[-1].states


def _some_were_served(result: Result, scenario: Scenario) -> None:
    """A workload of which nothing fits a replica is a fault of the scenario: no design has a figure there."""
    requests = result.summary["requests"]
    if isinstance(requests, dict) and not requests["finished"]:
        raise SessionError(
            f"{scenario.name} served no request: all {requests['rejected']} are too long for the "
            f"{scenario.cluster.kv_blocks} KV blocks of a replica; raise cluster.kv_blocks or shorten the requests."
        )


def _failed(outcome: ev.Outcome, message: str, started: float, last_s: float | None) -> JobResult:
    return JobResult(outcome, message, None, None, time.monotonic() - started, last_s)


def _check_slot(slot: str) -> None:
    if slot not in SLOTS:
        raise UnknownName("slot", slot, SLOTS)


def _unit(metric: str) -> str:
    """The unit that a dotted metric key ends its first part with (``e2e_s.mean`` -> ``s``)."""
    head = metric.partition(".")[0]
    suffix = max((s for s in _UNITS if head.endswith(s)), key=len, default="")
    return _UNITS.get(suffix, "")
