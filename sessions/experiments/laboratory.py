"""Carries out experiments and held-out evaluations: two designs, the same seeds, one result.

Invariant: a failed evaluation makes the whole experiment that failure's outcome, with its message; it never
has a score. Both arms run on the same seeds of the same scenario, so their workloads are equal, and that is
checked. A scenario that was changed since the study began is not measured.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sessions import events as ev
from sessions.errors import EvaluationError
from sessions.experiments.pool import Pool
from sessions.experiments.prediction import compare_arms, finished_fewer
from sessions.experiments.statistics import arm
from sessions.playground import DesignUnderTest, Job, JobResult
from sessions.sidecar import Sidecar

DEADLINE_S = 120.0
"""Wall-clock limit of one evaluation (one design, one seed), in seconds."""
_OTHER_HASH_SEED = 1


@dataclass(frozen=True, slots=True)
class Measured:
    """What an evaluation of two arms gave; ``baseline`` is ``None`` when only one design was measured."""

    outcome: ev.Outcome
    message: str
    candidate: ev.Arm | None
    baseline: ev.Arm | None
    comparison: ev.Comparison | None
    telemetry: dict[str, str]
    wall_s: float


class Laboratory:
    """A slot, a worker pool, and a folder for the recorded telemetry. ``digests``: what scenarios must be, by name."""

    def __init__(
        self, pool: Pool, sidecar: Sidecar, playground: str, slot: str, metric: str, digests: Mapping[str, str]
    ) -> None:
        self._pool, self._sidecar, self._digests = pool, sidecar, digests
        self._playground, self._slot, self._metric = playground, slot, metric
        self._seconds_per_run: float | None = None

    def estimate_s(self, runs: int) -> float | None:
        """Expected wall time of ``runs`` evaluations from those done so far; ``None`` before the first."""
        return None if self._seconds_per_run is None else runs * self._seconds_per_run

    async def measure(
        self,
        scenario: str,
        candidate: DesignUnderTest,
        baseline: DesignUnderTest | None,
        seeds: Sequence[int],
        on_progress: Callable[[int, int, float | None], None],
        *,
        repeat: bool = False,
    ) -> Measured:
        """Runs every (design, seed) pair on ``scenario``; ``on_progress(done, total, remaining_s)`` after each.

        The telemetry of the first seed is recorded for both arms. ``repeat``: the candidate runs that seed once more in
        another process, and other decisions there are the outcome ``nondeterministic``. Cancelling stops the running
        evaluations. Raises :class:`EvaluationError` for a scenario that was changed.
        """
        started = time.monotonic()
        designs = [candidate] if baseline is None else [candidate, baseline]
        jobs = [self._job(scenario, design, seed, seed == seeds[0]) for seed in seeds for design in designs]
        again = [dataclasses.replace(jobs[0], telemetry=False, hash_seed=_OTHER_HASH_SEED)] if repeat else []
        results = await self._run([*jobs, *again], on_progress, started)
        wall_s = time.monotonic() - started
        for job, result in zip([*jobs, *again], results, strict=True):
            if result.outcome != "ok":
                side = "candidate" if job.design is candidate else "baseline"
                words = f"The {side} {job.design.name} failed on seed {job.seed}: {result.message}"
                return Measured(result.outcome, words, None, None, None, {}, wall_s)
        if repeat and (words := _differ(seeds[0], results[0], results[-1])):
            return Measured("nondeterministic", words, None, None, None, {}, wall_s)
        by_design = [
            {job.seed: result for job, result in zip(jobs, results, strict=False) if job.design is design}
            for design in designs
        ]
        return self._conclude(designs, by_design, seeds[0], wall_s)

    def _job(self, scenario: str, design: DesignUnderTest, seed: int, telemetry: bool) -> Job:
        digest = self._digests.get(scenario, "")
        return Job(scenario, self._slot, design, seed, telemetry, DEADLINE_S, (), self._playground, digest)

    async def _run(
        self, jobs: list[Job], on_progress: Callable[[int, int, float | None], None], started: float
    ) -> list[JobResult]:
        done = 0

        def on_result(_index: int, _result: JobResult) -> None:
            nonlocal done
            done += 1
            per_run = (time.monotonic() - started) / done
            on_progress(done, len(jobs), per_run * (len(jobs) - done))

        on_progress(0, len(jobs), self.estimate_s(len(jobs)))
        results = await self._pool.run(jobs, on_result)
        self._seconds_per_run = (time.monotonic() - started) / len(jobs)
        return results

    def _conclude(
        self,
        designs: Sequence[DesignUnderTest],
        by_design: Sequence[Mapping[int, JobResult]],
        telemetry_seed: int,
        wall_s: float,
    ) -> Measured:
        arms = [arm(design, results) for design, results in zip(designs, by_design, strict=True)]
        telemetry: dict[str, str] = {}
        for name, results in zip(("candidate", "baseline"), by_design, strict=False):
            recorded = results[telemetry_seed].telemetry
            if recorded is not None:
                telemetry[name] = self._sidecar.put(recorded)
        if len(arms) == 1:
            return Measured("ok", "", arms[0], None, None, telemetry, wall_s)
        for a, b in zip(arms[0].per_seed, arms[1].per_seed, strict=True):
            if a.get("workload_sha256") != b.get("workload_sha256"):
                raise EvaluationError(
                    f"Seed {a.get('seed')} gave the two designs different workloads; nothing was compared."
                )
        comparison = compare_arms(self._metric, arms[1], arms[0])
        return Measured("ok", finished_fewer(arms[1], arms[0]), arms[0], arms[1], comparison, telemetry, wall_s)


def _differ(seed: int, first: JobResult, second: JobResult) -> str:
    """Whether two runs of the same design on the same seed are two results: a sentence, or nothing."""
    digests = [str((result.metrics or {}).get("decisions_sha256"))[:12] for result in (first, second)]
    if digests[0] == digests[1]:
        return ""
    return (
        f"Seed {seed} came out differently when it was run again (decisions {digests[0]} and {digests[1]}): a design "
        "may depend on what it is shown and on its seed only, so look for random numbers without that seed, the order "
        "of a set, id() and the clock."
    )
