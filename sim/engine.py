"""The simulator's entry: one scenario, one router, one seed in; requests, telemetry, summary and digests out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sim.api import Autoscaler, Router
from sim.behaviour import BEHAVIOUR
from sim.collection import paused_collection
from sim.errors import ScenarioError
from sim.hooks import SchedulerFactory
from sim.metrics import summarise
from sim.oracle import Oracle, Predicted
from sim.predictor import predicted_tokens
from sim.result import Result, request_table, this_environment
from sim.run import Run
from sim.scenario import Scenario
from sim.telemetry import Observer, Telemetry
from sim.workload import Workload, build_workload

__all__ = ["Observer", "Policies", "Result", "simulate", "simulate_workload"]


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of one run and what they are called: ``names`` maps a slot to a name, ``{"router": "llq"}``.

    A router keeps state, so every run needs a fresh one. Only an oracle is told the output lengths of the workload.
    ``scheduler``: None for the engine's own rules (``vllm-fcfs``). ``autoscaler``: None for a fixed fleet.
    """

    router: Router | Oracle
    names: Mapping[str, str]
    scheduler: SchedulerFactory | Predicted | None = None
    autoscaler: Autoscaler | None = None


def simulate(
    scenario: Scenario, policies: Policies, seed: int, observer: Observer | None = None, *, telemetry: bool = True
) -> Result:
    """Simulates ``scenario`` under ``seed``: a pure function of its arguments.

    Without ``telemetry`` no sample is taken: the result's telemetry has no rows and an observer is never called.
    Raises IllegalDecision if the router decides what can't be done; what the router itself raises passes through.
    """
    return simulate_workload(scenario, build_workload(scenario, seed), policies, seed, observer, telemetry=telemetry)


def simulate_workload(
    scenario: Scenario,
    workload: Workload,
    policies: Policies,
    seed: int,
    observer: Observer | None = None,
    *,
    telemetry: bool = True,
) -> Result:
    """As :func:`simulate`, with ``workload`` in place of the one that ``scenario`` and ``seed`` would yield."""
    with paused_collection():
        return _simulate(scenario, workload, policies, seed, observer, telemetry)


def _simulate(
    scenario: Scenario,
    workload: Workload,
    policies: Policies,
    seed: int,
    observer: Observer | None,
    telemetry: bool,
) -> Result:
    router = _told(policies.router, workload)
    scheduler = _foretold(policies.scheduler, workload, seed)
    _check_content(scenario, workload)
    run = Run(scenario, workload, router, policies.names, seed, scheduler, policies.autoscaler, observer)
    run.execute(telemetry)
    table = request_table(workload, run.requests, run.crashes, [member.pool_index for member in run.members])
    summary = summarise(scenario, workload, table, run.end_ns, run.use())
    decisions = run.decisions.sha256()
    summary |= {
        "decisions_sha256": decisions,
        "workload_sha256": workload.sha256,
        "scenario": scenario.name,
        "policies": dict(policies.names),
        "seed": seed,
        "simulator": BEHAVIOUR,
    }
    return Result(
        requests=table,
        telemetry=Telemetry(run.sampler.interval_ns, len(run.members), tuple(run.sampler.rows)),
        summary=summary,
        decisions_sha256=decisions,
        workload_sha256=workload.sha256,
        environment=this_environment(),
    )


def _told(router: Router | Oracle, workload: Workload) -> Router:
    """The router itself, or an oracle made with the output tokens by request id."""
    return router.make(workload.output_tokens.tolist().__getitem__) if isinstance(router, Oracle) else router


def _foretold(scheduler: SchedulerFactory | Predicted | None, workload: Workload, seed: int) -> SchedulerFactory | None:
    """The scheduler itself, or one made with predictions of the output tokens by request id."""
    if not isinstance(scheduler, Predicted):
        return scheduler
    predictions = predicted_tokens(workload.output_tokens.tolist(), scheduler.sigma, seed)
    return scheduler.make(predictions.__getitem__)


def _check_content(scenario: Scenario, workload: Workload) -> None:
    content, block = workload.content_block_tokens, scenario.cluster.block_tokens
    if content % block:
        raise ScenarioError(
            f"{scenario.name}: the workload names its content in blocks of {content} tokens, which is no multiple of "
            f"cluster.block_tokens ({block}); change the latter."
        )
