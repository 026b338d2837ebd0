"""Carries out experiments and held-out evaluations: two designs, the same seeds, one result.

Invariant: a failed evaluation makes the whole experiment that failure's outcome, with its message; it never
has a score. Both arms run on the same seeds of the same scenario, so their workloads are equal, and that is
checked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sessions import events as ev
from sessions.errors import EvaluationError
from sessions.experiments.pool import Pool
from sessions.experiments.prediction import compare_arms
from sessions.experiments.statistics import arm
from sessions.playground import DesignUnderTest, Job, JobResult
from sessions.sidecar import Sidecar

DEADLINE_S = 120.0
"""Wall-clock limit of one evaluation (one design, one seed), in seconds."""


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
    """A slot, a worker pool, and a folder for the recorded telemetry."""

    def __init__(self, pool: Pool, sidecar: Sidecar, playground: str, slot: str, metric: str) -> None:
        self._pool, self._sidecar = pool, sidecar
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
    ) -> Measured:
        """Runs every (design, seed) pair on ``scenario``; ``on_progress(done, total, remaining_s)`` after each.

        The telemetry of the first seed is recorded for both arms. Cancelling stops the running evaluations.
        """
        started = time.monotonic()
        designs = [candidate] if baseline is None else [candidate, baseline]
        jobs = [
            Job(scenario, self._slot, design, seed, seed == seeds[0], DEADLINE_S, playground=self._playground)
            for seed in seeds
            for design in designs
        ]
        results = await self._run(jobs, on_progress, started)
        wall_s = time.monotonic() - started
        failed = next((result for result in results if result.outcome != "ok"), None)
        if failed is not None:
            return Measured(failed.outcome, failed.message, None, None, None, {}, wall_s)
        by_design = [
            {job.seed: result for job, result in zip(jobs, results, strict=True) if job.design is design}
            for design in designs
        ]
        return self._conclude(designs, by_design, seeds[0], wall_s)

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
        return Measured("ok", "", arms[0], arms[1], comparison, telemetry, wall_s)
