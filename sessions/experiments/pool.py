"""Runs evaluations side by side in worker processes, off the study's event loop.

Own code instead of ``concurrent.futures`` because a pool there is lost as a whole when one worker dies, and a job
that runs can't be cancelled; here a worker is one process behind a pipe, and stopping is killing it.

Invariants: results come back in the order of the jobs whatever finished first; a failed evaluation is a result with
its outcome, never an exception; cancelling ``run`` kills what it had running and leaves the pool usable; the same
content (playground, simulator version, scenario digest, slot, design digest, seed) is never simulated twice, unless
under another hash seed, which asks whether it comes out the same; all jobs of one ``run`` on a scenario measure the
same text of it.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

from sessions.experiments.processes import available_cores
from sessions.experiments.worker_process import WorkerDied, WorkerProcess
from sessions.playground import (
    CHECK_DEADLINE_S,
    Check,
    CheckResult,
    DesignUnderTest,
    Job,
    JobResult,
    OnProgress,
    find_playground,
)

_MAX_DEFAULT_WORKERS = 8
_KEPT_RESULTS = 2048

Key = tuple[str, ...]


class ResultCache:
    """Results by content, the most recently used ones. What was cut short or failed is not kept."""

    def __init__(self, size: int = _KEPT_RESULTS) -> None:
        self._size = size
        self._results: OrderedDict[Key, JobResult] = OrderedDict()
        self._locks: dict[Key, asyncio.Lock] = {}

    def get(self, key: Key, telemetry: bool) -> JobResult | None:
        """A result that has at least what is wanted."""
        result = self._results.get(key)
        if result is None or (telemetry and result.telemetry is None):
            return None
        self._results.move_to_end(key)
        return result

    def put(self, key: Key, result: JobResult) -> None:
        if result.outcome != "ok":
            return
        self._results[key] = result
        self._results.move_to_end(key)
        while len(self._results) > self._size:
            self._locks.pop(self._results.popitem(last=False)[0], None)

    def lock(self, key: Key) -> asyncio.Lock:
        """Held while ``key`` is being computed, so that a second asker waits instead of computing it too."""
        return self._locks.setdefault(key, asyncio.Lock())


class Pool:
    """``workers`` processes at most; by default one per core this process may use, eight at most.

    They start when first needed and stay warm until :meth:`close`.
    """

    def __init__(self, workers: int | None = None) -> None:
        cores = available_cores()[::-1]
        count = min(len(cores), _MAX_DEFAULT_WORKERS) if workers is None else max(1, workers)
        self._workers = [WorkerProcess(cores[i % len(cores)]) for i in range(count)]
        self._idle: asyncio.LifoQueue[WorkerProcess] = asyncio.LifoQueue()
        for worker in self._workers:
            self._idle.put_nowait(worker)
        self._cache = ResultCache()

    @property
    def size(self) -> int:
        """How many evaluations can run at the same time."""
        return len(self._workers)

    async def run(
        self,
        jobs: Sequence[Job],
        on_result: Callable[[int, JobResult], None] | None = None,
        on_progress: Callable[[int, float, float], None] | None = None,
    ) -> list[JobResult]:
        """Runs ``jobs``; ``on_result`` is told index and result as each is done, ``on_progress`` index, simulated time
        reached and that of the last arrival (s) while they run.

        Raises :class:`sessions.errors.SessionError` when an evaluation could not be carried out for a reason that is
        not the design's (unknown scenario, a simulator that fails); the other jobs are then cancelled.
        """
        keys = await asyncio.to_thread(_keys, jobs)
        pinned = [
            job if job.scenario_digest else dataclasses.replace(job, scenario_digest=key[2])
            for job, key in zip(jobs, keys, strict=True)
        ]

        async def one(index: int) -> JobResult:
            told = None if on_progress is None else partial(on_progress, index)
            result = await self._cached(pinned[index], keys[index], told)
            if on_result is not None:
                on_result(index, result)
            return result

        tasks = [asyncio.create_task(one(index)) for index in range(len(jobs))]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                if not task.cancelling():  # a second cancel would cut short the killing of its worker
                    task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def check(self, slot: str, source: str, playground: str, deadline_s: float = CHECK_DEADLINE_S) -> CheckResult:
        """:meth:`Playground.check` in a worker, because a design may stop or end the process it is checked from.

        A check that is not done in time or ends its worker twice is an outcome; cancelling kills the worker.
        """
        result = await self._run(Check(slot, source, playground, deadline_s))
        return CheckResult(result.outcome, result.message)

    async def close(self) -> None:
        """Ends all workers. Safe to call twice."""
        await asyncio.gather(*(worker.kill() for worker in self._workers))

    async def _cached(self, job: Job, key: Key, on_progress: OnProgress | None) -> JobResult:
        if job.hash_seed or job.requests_to:
            return await self._run(job, on_progress)
        async with self._cache.lock(key):
            result = self._cache.get(key, job.telemetry)
            if result is None:
                result = await self._run(job, on_progress)
                self._cache.put(key, result)
        return result

    async def _run(self, task: Job | Check, on_progress: OnProgress | None = None) -> JobResult:
        """On the next idle worker; once more on a fresh process if the worker dies under it."""
        worker = await self._idle.get()
        try:
            try:
                return await worker.call(task, on_progress)
            except WorkerDied:
                return await worker.call(task, on_progress)
        except WorkerDied as death:
            what = f"ran seed {task.seed} of {task.design.name}" if isinstance(task, Job) else "checked the design"
            words = f"The process that {what} ended twice ({death})."
            return JobResult("exception", words, None, None, 0.0, death.last_s)
        finally:
            self._idle.put_nowait(worker)


def _keys(jobs: Sequence[Job]) -> list[Key]:
    """What each job's result depends on, by content."""
    scenarios: dict[tuple[str, str, tuple[tuple[str, str], ...]], tuple[str, str]] = {}
    designs: dict[DesignUnderTest, str] = {}
    keys: list[Key] = []
    for job in jobs:
        scenario = (job.playground, job.scenario, job.overrides)
        if scenario not in scenarios:
            playground = find_playground(job.playground)
            digest = playground.scenario(job.scenario, dict(job.overrides)).digest
            scenarios[scenario] = playground.simulator_version(), digest
        pairs = sorted((*job.others, (job.slot, job.design)), key=lambda pair: pair[0])
        named = [(slot, dataclasses.replace(design, slot=slot)) for slot, design in pairs]
        for _, design in named:
            if design not in designs:
                designs[design] = design.digest
        version, digest = scenarios[scenario]
        digest = job.scenario_digest or digest
        content = [text for slot, design in named for text in (slot, designs[design])]
        keys.append((job.playground, version, digest, *content, *(job.trace or ()), str(job.seed)))
    return keys
