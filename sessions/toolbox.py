"""Carries out the Researcher's tool calls: validates, acts, records the result.

Errors a model can mend (bad arguments, an unknown name, a design that fails its check) go back to it as the
result of the call; they never end a session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pydantic import JsonValue

from sessions import events as ev
from sessions.agents import tools as t
from sessions.effects import Effects
from sessions.errors import SessionError
from sessions.figures import FIGURES, diagnose, figure
from sessions.playground import DesignUnderTest
from sessions.state import Acceptance
from sessions.study import Study

JsonDict = dict[str, JsonValue]


class Toolbox:
    """The handlers of all tools; ``effects`` holds the two that pass the gate. ``review`` has the Supervisor look
    at an acceptance before anyone is asked; it may return it."""

    def __init__(self, study: Study, effects: Effects, review: Callable[[Acceptance], Awaitable[None]]) -> None:
        self._study = study
        self._effects = effects
        self._review = review

    async def carry_out(self, call: ev.ToolCall) -> ev.ToolReturned:
        """The result of one call. Session-ending errors (a journal that can't be written) pass through."""
        try:
            return ev.ToolReturned(call_id=call.id, content=await self._dispatch(call))
        except t.BadToolCall as error:
            return self._refused(call, str(error))
        except SessionError as error:
            if call.name in ("propose_experiment", "propose_acceptance"):
                raise
            return self._refused(call, str(error))

    def _refused(self, call: ev.ToolCall, sentence: str) -> ev.ToolReturned:
        content: JsonDict = {"error": sentence, "experiments_left": self._study.experiments_left}
        return ev.ToolReturned(call_id=call.id, content=content, is_error=True)

    async def _dispatch(self, call: ev.ToolCall) -> JsonDict:
        match t.parse(call):
            case t.DescribeScenario():
                return self._describe()
            case t.ReadSource(name=name):
                return {"name": name, "source": self._study.source_of(name)}
            case t.QueryTelemetry(experiment=name):
                return await asyncio.to_thread(self._telemetry, name)
            case t.WriteDesign() as wanted:
                return await self._write(wanted)
            case t.RecordInsight(text=text, experiments=experiments):
                return self._insight(text, experiments)
            case t.ProposeExperiment() as experiment:
                self._names_are_known(experiment)
                return await self._effects.experiment(call.id, experiment)
            case t.ProposeAcceptance() as acceptance:
                return await self._accept(call.id, acceptance)
            case other:
                raise t.BadToolCall(f"The tool {call.name!r} has no handler for {type(other).__name__}.")

    def _describe(self) -> JsonDict:
        card, started = self._study.card, self._study.started
        return {
            "scenario": card.name,
            "title": card.title,
            "why": card.why,
            "hardware": card.hardware,
            "slot": started.slot,
            "baseline": started.baseline,
            "metric": started.metric,
            "unit": card.unit,
            "shipped": list(self._study.playground.shipped(started.slot)),
            "seeds_per_experiment": started.seeds_per_experiment,
            "experiments_left": self._study.experiments_left,
            "definition": card.source,
        }

    def _telemetry(self, name: str) -> JsonDict:
        experiment = self._study.state.experiments.get(name)
        if experiment is None or experiment.result is None or experiment.result.candidate is None:
            raise t.BadToolCall(f"{name} has no recorded run. Finished experiments have one.")
        result, candidate = experiment.result, experiment.result.candidate
        assert candidate is not None
        telemetry = self._study.sidecar.get(result.telemetry["candidate"])
        assert isinstance(telemetry, dict)
        seen = diagnose(candidate.metrics, telemetry).to_json()
        output = figure(candidate.metrics, "output_tokens_per_s") / figure(candidate.metrics, "throughput_rps")
        figures: JsonDict = {key: figure(candidate.metrics, key) for key in FIGURES}
        return seen | {"mean_output_tokens": round(output, 1), "seed": result.telemetry_seed, "figures": figures}

    async def _write(self, wanted: t.WriteDesign) -> JsonDict:
        study = self._study
        if wanted.name in study.state.designs:
            if study.state.designs[wanted.name].source == wanted.source:
                return {"design": wanted.name, "outcome": "ok"}
            raise t.BadToolCall(f"A design {wanted.name} exists already and is another one: choose a new name.")
        slot = study.started.slot
        if wanted.name in (*study.playground.shipped(slot), *study.playground.oracles(slot)):
            raise t.BadToolCall(f"{wanted.name} is a shipped policy: choose another name.")
        checked = await asyncio.to_thread(study.playground.check, slot, wanted.source)
        if checked.outcome != "ok":
            raise t.BadToolCall(f"{checked.outcome}: {checked.message}")
        record_design(study, "researcher", wanted.name, wanted.source, wanted.card, wanted.parent, wanted.settings)
        return {"design": wanted.name, "outcome": "ok"}

    def _insight(self, text: str, experiments: list[str]) -> JsonDict:
        unknown = [name for name in experiments if name not in self._study.state.experiments]
        if unknown:
            raise t.BadToolCall(f"There is no experiment {unknown[0]}.")
        insight = ev.InsightRecorded(text=text, experiments=experiments)
        if insight not in self._study.state.insights:
            self._study.record("researcher", insight)
        return {"recorded": True}

    def _names_are_known(self, wanted: t.ProposeExperiment) -> None:
        try:
            self._study.design(wanted.design)
            self._study.design(wanted.baseline)
        except SessionError as error:
            raise t.BadToolCall(str(error)) from error

    async def _accept(self, call_id: str, wanted: t.ProposeAcceptance) -> JsonDict:
        acceptance = await self._effects.acceptance(call_id, wanted)
        if acceptance.status == "proposed" and not acceptance.approval:
            await self._review(acceptance)
        if acceptance.status == "returned":
            return {"decision": "revise", "message": "The Supervisor has a question first."}
        return await self._effects.accept(acceptance)


def record_design(
    study: Study,
    author: ev.Actor,
    name: str,
    source: str,
    card: str,
    parent: str,
    settings: JsonDict | None = None,
) -> None:
    """Puts a checked design on the record."""
    digest = DesignUnderTest(name, source).digest
    study.record(
        author,
        ev.DesignWritten(
            design=name,
            slot=study.started.slot,
            source=source,
            card=card,
            parent=parent,
            digest=digest,
            settings=settings or {},
        ),
    )
