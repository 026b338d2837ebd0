"""Runs evaluations side by side in worker processes, off the study's event loop.

Own code instead of ``concurrent.futures`` because a pool there is lost as a whole when one worker dies, and a job
that runs can't be cancelled; here a worker is one process behind a pipe, and stopping is killing it.

Invariants: results come back in the order of the jobs whatever finished first; a failed evaluation is a result with
its outcome, never an exception; cancelling ``run`` kills what it had running and leaves the pool usable; the same
content (playground, simulator version, scenario digest, slot, design digest, seed) is never simulated twice.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

from sessions.experiments.processes import available_cores
from sessions.experiments.worker_process import WorkerDied, WorkerProcess
from sessions.playground import Job, JobResult, find_playground

_MAX_DEFAULT_WORKERS = 8
_KEPT_RESULTS = 2048

Key = tuple[str, str, str, str, str, int]


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
        self, jobs: Sequence[Job], on_result: Callable[[int, JobResult], None] | None = None
    ) -> list[JobResult]:
        """Runs ``jobs``; ``on_result`` is told index and result as each is done.

        Raises :class:`sessions.errors.SessionError` when an evaluation could not be carried out for a reason that is
        not the design's (unknown scenario, a simulator that fails); the other jobs are then cancelled.
        """
        keys = await asyncio.to_thread(_keys, jobs)

        async def one(index: int) -> JobResult:
            result = await self._cached(jobs[index], keys[index])
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

    async def close(self) -> None:
        """Ends all workers. Safe to call twice."""
        await asyncio.gather(*(worker.kill() for worker in self._workers))

    async def _cached(self, job: Job, key: Key) -> JobResult:
        async with self._cache.lock(key):
            result = self._cache.get(key, job.telemetry)
            if result is None:
                result = await self._run(job)
                self._cache.put(key, result)
        return result

    async def _run(self, job: Job) -> JobResult:
        """On the next idle worker; once more on a fresh process if the worker dies under it."""
        worker = await self._idle.get()
        try:
            try:
                return await worker.call(job)
            except WorkerDied:
                return await worker.call(job)
        except WorkerDied as death:
            words = f"The process that ran seed {job.seed} of {job.design.name} ended twice ({death})."
            return JobResult("exception", words, None, None, 0.0, death.last_s)
        finally:
            self._idle.put_nowait(worker)


def _keys(jobs: Sequence[Job]) -> list[Key]:
    """What each job's result depends on, by content."""
    scenarios: dict[tuple[str, str, tuple[tuple[str, str], ...]], tuple[str, str]] = {}
    designs: dict[tuple[str, str, str, str | None], str] = {}
    keys: list[Key] = []
    for job in jobs:
        scenario = (job.playground, job.scenario, job.overrides)
        if scenario not in scenarios:
            playground = find_playground(job.playground)
            digest = playground.scenario(job.scenario, dict(job.overrides)).digest
            scenarios[scenario] = playground.simulator_version(), digest
        d = job.design
        design = (d.playground, d.slot, d.name, d.source)
        if design not in designs:
            designs[design] = d.digest
        version, digest = scenarios[scenario]
        keys.append((job.playground, version, digest, job.slot, designs[design], job.seed))
    return keys
