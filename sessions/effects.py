"""The two effects of a study: running an experiment and accepting a design.

Each is a chain of stages, and each stage looks first whether the journal says it is done. So the same function
starts an effect, goes on after a crash, and never does anything twice. Nothing here runs without an approval
that stands in the journal.
"""

from __future__ import annotations

import asyncio
import time

from pydantic import JsonValue

from sessions import events as ev
from sessions.acceptance import commit_accepted, passed_held_out
from sessions.agents.tools import BadToolCall, ProposeAcceptance, ProposeExperiment
from sessions.experiments.laboratory import Measured
from sessions.experiments.prediction import compared, judge
from sessions.experiments.statistics import held_out_seeds, seed_plan
from sessions.figures import known_figures, show
from sessions.forking import held_out_root
from sessions.playground import DesignUnderTest
from sessions.state import Acceptance, Experiment
from sessions.study import Interrupted, Study

JsonDict = dict[str, JsonValue]


class Effects:
    """Experiments and acceptances of one study."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self.deadline: float | None = None
        """Monotonic time at which running work is cancelled because the study's minutes are used up."""

    async def experiment(self, call_id: str, wanted: ProposeExperiment) -> JsonDict:
        """Proposes, asks, runs, concludes; returns what the Researcher is told."""
        study = self._study
        experiment = study.state.experiment_of_call(call_id) or self._propose(call_id, wanted)
        answer = await study.gate.pass_through("experiment", experiment.id)
        told: JsonDict = {
            "experiment": experiment.id,
            "decision": answer.verb,
            "design": experiment.design,
        }
        if answer.words:
            told["words"] = answer.words
        if answer.verb not in ("redirect", "reject"):
            if experiment.status != "cancelled" and experiment.result is None and self._within_budget(experiment):
                await study.journal.sync()
                await self._run(experiment)
            told |= self._outcome(experiment)
        return told | {"experiments_left": study.experiments_left}

    def _within_budget(self, experiment: Experiment) -> bool:
        """False, and cancelled, if the budget was lowered while the proposal waited."""
        study = self._study
        if experiment.status == "running" or study.experiments_left != 0:
            return True
        text = f"The budget of {study.state.max_experiments} experiments is used up."
        study.record("system", ev.BudgetReached(budget="experiments", text=text))
        study.record("system", ev.ExperimentCancelled(experiment=experiment.id, reason="experiment budget"))
        return False

    def _propose(self, call_id: str, wanted: ProposeExperiment) -> Experiment:
        study = self._study
        if study.experiments_left == 0:
            text = f"The budget of {study.state.max_experiments} experiments is used up."
            study.record("system", ev.BudgetReached(budget="experiments", text=text))
            raise BadToolCall(text + " Conclude, or wait until the engineer raises it.")
        for name in (wanted.design, wanted.baseline):
            study.design(name)
        if wanted.design == wanted.baseline and wanted.prediction.kind == "relative":
            raise BadToolCall("A design measured alone has nothing to be relative to: predict an absolute value.")
        number = len(study.state.experiments) + 1
        seeds = seed_plan(study.started.seeds_per_experiment)
        arms = 1 if wanted.design == wanted.baseline else 2
        proposal = ev.ExperimentProposed(
            experiment=f"exp-{number}",
            call_id=call_id,
            title=wanted.title,
            hypothesis=wanted.hypothesis,
            mechanism=wanted.mechanism,
            design=wanted.design,
            baseline=wanted.baseline,
            scenario=study.started.scenario,
            prediction=wanted.prediction,
            seeds=seeds,
            estimate_s=study.laboratory.estimate_s(arms * len(seeds)),
        )
        study.record("researcher", proposal)
        return study.state.experiments[proposal.experiment]

    async def _run(self, experiment: Experiment) -> None:
        study, proposal = self._study, experiment.proposal
        if experiment.status != "running":
            study.record("system", ev.ExperimentStarted(experiment=experiment.id))
        candidate, baseline = study.design(experiment.design), study.design(proposal.baseline)
        same = experiment.design == proposal.baseline
        try:
            reference = None if same else baseline
            measured = await self._measure(experiment.id, proposal.scenario, candidate, reference, proposal.seeds)
        except Interrupted:
            study.record("engineer", ev.ExperimentCancelled(experiment=experiment.id, reason="interrupted"))
            return
        except TimeoutError:
            self._out_of_time(experiment.id)
            return
        study.record("system", _finished(experiment, measured))

    def _out_of_time(self, experiment: str) -> None:
        text = f"The budget of {self._study.state.max_minutes:g} minutes is used up."
        self._study.record("system", ev.ExperimentCancelled(experiment=experiment, reason="time budget"))
        self._study.record("system", ev.BudgetReached(budget="minutes", text=text))

    async def _measure(
        self,
        subject: str,
        scenario: str,
        candidate: DesignUnderTest,
        baseline: DesignUnderTest | None,
        seeds: list[int],
        *,
        repeat: bool = False,
    ) -> Measured:
        study = self._study

        def progress(done: int, total: int, remaining_s: float | None) -> None:
            study.show(ev.Progress(subject=subject, done=done, total=total, remaining_s=remaining_s))

        left = None if self.deadline is None else max(self.deadline - time.monotonic(), 0.0)
        measuring = study.laboratory.measure(scenario, candidate, baseline, seeds, progress, repeat=repeat)
        work = asyncio.ensure_future(measuring)
        async with asyncio.timeout(left):
            return await study.interruptible(work)

    def _outcome(self, experiment: Experiment) -> JsonDict:
        """The result as the Researcher sees it: figures of both arms and the paired comparisons."""
        result = experiment.result
        if result is None:
            return {"outcome": "cancelled"}
        told: JsonDict = {"outcome": result.outcome, "message": result.message, "prediction": result.prediction}
        for side, arm in (("candidate", result.candidate), ("baseline", result.baseline)):
            if arm is not None:
                told[side] = dict(known_figures(arm.metrics))
        if result.candidate is not None and result.baseline is not None:
            told["comparisons"] = {
                name: comparison.model_dump(mode="json")
                for name, comparison in compared(result.baseline, result.candidate).items()
            }
            told["others"] = self._against_others(experiment, result.candidate)
        return told

    def _against_others(self, experiment: Experiment, candidate: ev.Arm) -> JsonDict:
        """The paired verdicts against every other design that this study measured on the same seeds."""
        verdicts: JsonDict = {}
        for earlier in self._study.state.experiments.values():
            result = earlier.result
            same = earlier.proposal.seeds == experiment.proposal.seeds
            if result is None or result.candidate is None or earlier is experiment or not same:
                continue
            pairs = compared(result.candidate, candidate)
            verdicts[earlier.design] = {name: c.verdict for name, c in pairs.items()}
        return verdicts

    async def acceptance(self, call_id: str, wanted: ProposeAcceptance) -> Acceptance:
        """Records the proposal, or finds it; the review and the approval come next."""
        study = self._study
        known = study.state.acceptance_of_call(call_id)
        if known is not None:
            return known
        experiment = study.state.experiments.get(wanted.experiment)
        if wanted.design not in study.state.designs:
            raise BadToolCall(f"{wanted.design} isn't a design of this study: only those can be accepted.")
        if experiment is None or experiment.design != wanted.design or experiment.result is None:
            raise BadToolCall(f"{wanted.experiment} didn't measure {wanted.design}: name the experiment that did.")
        if experiment.result.outcome != "ok":
            raise BadToolCall(f"{wanted.experiment} failed: a design that fails can't be accepted.")
        commit = study.state.designs[wanted.design].commit
        if commit:
            raise BadToolCall(f"{wanted.design} is accepted already, as commit {commit[:7]}.")
        self._can_be_held_out()
        proposal = ev.AcceptanceProposed(
            acceptance=f"acc-{len(study.state.acceptances) + 1}",
            call_id=call_id,
            design=wanted.design,
            experiment=wanted.experiment,
            reason=wanted.reason,
        )
        study.record("researcher", proposal)
        return study.state.acceptances[proposal.acceptance]

    def _can_be_held_out(self) -> None:
        """A fixed trace can be known by heart: designs for it are accepted on another scenario, or not at all."""
        study = self._study
        name = study.card.held_out
        if not name or study.playground.scenario(name).held_out != name:
            raise BadToolCall(
                f"{study.card.name} replays a fixed trace and names no scenario with fresh seeds: add "
                'held_out = "paper-routing-family" (or another one that draws its workload) to its [scenario].'
            )

    async def accept(self, acceptance: Acceptance) -> JsonDict:
        """Asks, measures on held-out seeds, commits; returns what the Researcher is told."""
        study = self._study
        answer = await study.gate.pass_through("acceptance", acceptance.id)
        told: JsonDict = {"decision": answer.verb, "words": answer.words}
        if answer.verb in ("redirect", "reject"):
            return told
        if acceptance.held_out is None and not await self._hold_out(acceptance):
            return told | {"message": "the held-out evaluation was interrupted."}
        held_out = acceptance.held_out
        assert held_out is not None
        if not held_out.passed:
            verdict = held_out.comparison.verdict if held_out.comparison else held_out.outcome
            return told | {"message": f"on held-out seeds the verdict is: {verdict}."}
        if acceptance.status != "accepted":
            await commit_accepted(study, acceptance)
        c = held_out.comparison
        assert c is not None
        told["commit"] = study.state.designs[acceptance.proposal.design].commit
        told["held_out"] = {
            "candidate": show(c.metric, c.candidate),
            "baseline": show(c.metric, c.baseline),
            "verdict": c.verdict,
        }
        return told

    async def _hold_out(self, acceptance: Acceptance) -> bool:
        """Measures on fresh seeds, drawn anew for every attempt; False if it was interrupted."""
        study = self._study
        if not acceptance.held_out_seeds:
            attempt = sum(bool(a.held_out_seeds) for a in study.state.acceptances.values()) + 1
            seeds = held_out_seeds(held_out_root(study.started), attempt, study.started.seeds_per_experiment)
            scenario = study.card.held_out
            study.record("system", ev.HeldOutStarted(acceptance=acceptance.id, scenario=scenario, seeds=seeds))
        await study.journal.sync()
        candidate = study.design(acceptance.proposal.design)
        baseline = study.design(study.started.baseline)
        try:
            measured = await self._measure(
                acceptance.id,
                acceptance.held_out_scenario,
                candidate,
                baseline,
                acceptance.held_out_seeds,
                repeat=True,
            )
        except Interrupted:
            study.record("engineer", ev.AcceptanceReturned(acceptance=acceptance.id, reason="interrupted"))
            return False
        except TimeoutError:
            text = f"The budget of {study.state.max_minutes:g} minutes is used up."
            study.record("system", ev.BudgetReached(budget="minutes", text=text))
            return False
        study.record("system", passed_held_out(acceptance, measured, baseline.name))
        return True


def _finished(experiment: Experiment, measured: Measured) -> ev.ExperimentFinished:
    prediction = "undecided"
    if measured.candidate is not None:
        prediction = judge(experiment.proposal.prediction, measured.candidate, measured.baseline)
    return ev.ExperimentFinished(
        experiment=experiment.id,
        outcome=measured.outcome,
        message=measured.message,
        candidate=measured.candidate,
        baseline=measured.baseline,
        comparison=measured.comparison,
        prediction=prediction,  # type: ignore[arg-type]
        telemetry=measured.telemetry,
        telemetry_seed=experiment.proposal.seeds[0] if measured.telemetry else None,
        wall_s=round(measured.wall_s, 3),
    )
