"""The policies of one evaluation, for :mod:`sessions.serving`: shipped ones as they are, designs each in its process.

A job's design is of one slot; the others take the policies that the job names, else the scenario's. Invariant: a source
is sealed before any name is looked at, so an oracle or a predictor is only ever one that ships.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from sessions.errors import SessionError, UnknownName
from sessions.playground import DesignUnderTest, Job

if TYPE_CHECKING:
    from sessions.experiments.sealed import SealedDesign
    from sim.api import Autoscaler, Router
    from sim.engine import Policies
    from sim.hooks import SchedulerFactory
    from sim.oracle import Oracle, Predicted
    from sim.scenario import Scenario

SLOTS = ("router", "scheduler", "autoscaler")


def policies_in(job: Job, scenario: Scenario) -> dict[str, DesignUnderTest]:
    """The design of every slot. Raises :class:`SessionError` for an autoscaler where nothing scales."""
    shipped = {"router": scenario.baseline, "scheduler": scenario.scheduler, "autoscaler": scenario.autoscaler}
    found = {slot: DesignUnderTest(name, None, slot) for slot, name in shipped.items()}
    named = {slot: replace(design, slot=slot) for slot, design in (*job.others, (job.slot, job.design))}
    scaler = named.get("autoscaler")
    if scaler is not None and scenario.autoscaling is None and (scaler.source is not None or scaler.name != "fixed"):
        raise SessionError(
            f"{scenario.name} has no [autoscaler] section, so its fleet is fixed and no autoscaler is asked; take a "
            "scenario that has one (`glia scenarios`), or leave the autoscaler out."
        )
    return found | named


@contextmanager
def opened(job: Job, scenario: Scenario) -> Iterator[Policies]:
    """All policies of the job, sealed ones in processes that live as long as the block."""
    from sim.engine import Policies

    chosen = policies_in(job, scenario)
    with ExitStack() as stack:
        yield Policies(
            router=_router(job, chosen["router"], stack),
            names={slot: chosen[slot].name for slot in SLOTS},
            scheduler=_scheduler(job, chosen["scheduler"], stack),
            autoscaler=None if scenario.autoscaling is None else _autoscaler(job, chosen["autoscaler"], stack),
        )


def _router(job: Job, design: DesignUnderTest, stack: ExitStack) -> Router | Oracle:
    from sim.policies import make_oracle, make_router, oracle_names, policy_names, policy_seed

    if (sealed := _sealed(job, design, stack)) is not None:
        from sessions.experiments.sealed_router import SealedRouter

        return SealedRouter(sealed)
    if design.name in oracle_names("router"):
        return make_oracle(design.name)
    _check_ships("router", design.name, policy_names("router"))
    return make_router(design.name, policy_seed(job.seed))


def _scheduler(job: Job, design: DesignUnderTest, stack: ExitStack) -> SchedulerFactory | Predicted | None:
    from sim.policies import make_scheduler, policy_names, policy_seed

    if (sealed := _sealed(job, design, stack)) is not None:
        from sessions.experiments.sealed_scheduler import SealedScheduler

        return SealedScheduler(sealed, design.name)
    _check_ships("scheduler", design.name, policy_names("scheduler"))
    return make_scheduler(design.name, policy_seed(job.seed))


def _autoscaler(job: Job, design: DesignUnderTest, stack: ExitStack) -> Autoscaler:
    from sim.policies import make_autoscaler, policy_names, policy_seed

    if (sealed := _sealed(job, design, stack)) is not None:
        from sessions.experiments.sealed_autoscaler import SealedAutoscaler

        return SealedAutoscaler(sealed)
    _check_ships("autoscaler", design.name, policy_names("autoscaler"))
    return make_autoscaler(design.name, policy_seed(job.seed))


def _sealed(job: Job, design: DesignUnderTest, stack: ExitStack) -> SealedDesign | None:
    """The process of a design that has a source. It gets the whole run's time."""
    from sessions.experiments.sealed import SealedDesign
    from sim.policies import policy_seed

    if design.source is None:
        return None
    seed = policy_seed(job.seed)
    several = sum(other.source is not None for _, other in job.others) + (job.design.source is not None) > 1
    subject = f"{design.slot} {design.name}: " if several else ""
    sealed = SealedDesign(design.slot, design.source, seed, job.deadline_s, hash_seed=job.hash_seed, subject=subject)
    return stack.enter_context(sealed)


def _check_ships(slot: str, name: str, names: list[str]) -> None:
    if name not in names:
        raise UnknownName(slot, name, names)
