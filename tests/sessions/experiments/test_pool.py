"""Workers: in order, cached, killed when they must be, and never outliving the study."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import JsonValue

from sessions.errors import EvaluationError, SessionError
from sessions.experiments import worker_process
from sessions.experiments.pool import Pool
from sessions.experiments.statistics import arm, compare
from sessions.experiments.worker_process import WorkerProcess
from sessions.figures import figure
from sessions.playground import DesignUnderTest, Job, JobResult, OnProgress, find_playground

LLQ = DesignUnderTest("llq")
STUCK = DesignUnderTest("stuck", "def route(queue, cluster):\n    while True: pass\n")


def smoke(seed: int, design: DesignUnderTest = LLQ, telemetry: bool = False) -> Job:
    return Job("smoke", "router", design, seed, telemetry, deadline_s=30.0)


def long(seed: int = 1, deadline_s: float = 60.0) -> Job:
    """Some computing, so that something can happen to it."""
    return Job("paper-routing", "router", LLQ, seed, telemetry=False, deadline_s=deadline_s)


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool(1)
    yield pool
    await pool.close()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that reached a worker."""
    seen: list[Job] = []
    original = WorkerProcess.call

    async def call(self: WorkerProcess, job: Job, told: OnProgress | None) -> JobResult:
        seen.append(job)
        return await original(self, job, told)

    monkeypatch.setattr(WorkerProcess, "call", call)
    return seen


BACK_DOOR = """
import random
os = random._os

class Design:
    pid = 0

    def route(self, queue, cluster):
        {line}
        return [(r, cluster.replicas[r.id % 2]) for r in queue]
"""


def on_progress(monkeypatch: pytest.MonkeyPatch, times: int, act: ProcessAction) -> None:
    """Has ``act`` done to the worker at each of the first ``times`` signs of life of its job."""
    original = worker_process._receive
    left = [times]

    async def receive(process: asyncio.subprocess.Process) -> dict[str, JsonValue]:
        message = await original(process)
        if "progress" in message and left[0] > 0:
            left[0] -= 1
            act(process)
        return message

    monkeypatch.setattr(worker_process, "_receive", receive)


class ProcessAction:
    """Remembers the workers it was called with."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    def __call__(self, process: asyncio.subprocess.Process) -> None:
        self.pids.append(process.pid)


class Kill(ProcessAction):
    def __call__(self, process: asyncio.subprocess.Process) -> None:
        super().__call__(process)
        os.kill(process.pid, signal.SIGKILL)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_results_come_in_the_order_of_the_jobs_and_equal_those_of_this_process() -> None:
    pool = Pool(2)
    jobs = [smoke(seed, telemetry=seed == 1) for seed in (4, 1, 3, 2)]
    told: list[int] = []
    try:
        results = await pool.run(jobs, lambda index, result: told.append(index))
    finally:
        await pool.close()
    assert sorted(told) == [0, 1, 2, 3]
    for job, result in zip(jobs, results, strict=True):
        here = find_playground().run(job)
        assert (result.outcome, result.metrics, result.telemetry) == ("ok", here.metrics, here.telemetry)


async def test_the_same_content_is_never_run_twice(pool: Pool, calls: list[Job]) -> None:
    copy = DesignUnderTest("another name", find_playground().shipped_source("router", "llq"))
    first = await pool.run([smoke(1), smoke(1), smoke(2)])
    again = await pool.run([smoke(1), smoke(2), smoke(1, copy)])
    assert len(calls) == 2
    assert first[0] is first[1] is again[0] is again[2]
    changed = Job("smoke", "router", LLQ, 1, False, 30.0, (("cluster.kv_blocks", "100"),))
    await pool.run([changed, smoke(1, telemetry=True)])
    assert len(calls) == 4


async def test_a_failed_design_is_a_result_and_the_worker_goes_on(pool: Pool) -> None:
    broken = DesignUnderTest("broken", "def pick(request, cluster):\n    return cluster.gone\n")
    failed, fine = await pool.run([smoke(1, broken), smoke(1)])
    assert (failed.outcome, fine.outcome) == ("exception", "ok")
    assert "at line 2: return cluster.gone" in failed.message


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, the sealed design's own time-out arrives before the pool's."""
    monkeypatch.setattr(worker_process, "GRACE_S", 60.0)


@pytest.mark.usefixtures("patient")
async def test_a_design_that_hangs_is_timed_out_with_the_time_it_reached(pool: Pool) -> None:
    (result,) = await pool.run([Job("smoke", "router", STUCK, 1, False, deadline_s=0.5)])
    assert result.outcome == "timeout"
    assert "look for a loop" in result.message
    assert result.last_s is not None


async def test_the_deadline_is_held_from_outside_too(pool: Pool) -> None:
    hours = replace(long(deadline_s=0.1), scenario="paper-routing-family", overrides=(("workload.duration_s", "1e5"),))
    (result,) = await pool.run([hours])
    assert (result.outcome, result.metrics) == ("timeout", None)
    assert (await pool.run([smoke(1)]))[0].outcome == "ok"


async def test_a_worker_that_is_killed_has_its_job_run_again(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, calls: list[Job]
) -> None:
    on_progress(monkeypatch, 1, Kill())
    (result,) = await pool.run([long()])
    assert (result.outcome, len(calls)) == ("ok", 2)


async def test_a_job_whose_worker_dies_twice_is_given_up(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, calls: list[Job]
) -> None:
    on_progress(monkeypatch, 2, Kill())
    (result,) = await pool.run([long()])
    assert (result.outcome, len(calls)) == ("exception", 2)
    assert "ended twice (SIGKILL)" in result.message
    assert (await pool.run([smoke(1)]))[0].outcome == "ok"


async def test_a_process_that_left_its_design_is_ended_with_the_evaluation(pool: Pool) -> None:
    leave = """
        if self.pid:
            raise ValueError(self.pid)
        self.pid = os.fork()
        if not self.pid:
            os.setsid()
            os.sys.modules['signal'].pause()
    """
    (result,) = await pool.run([smoke(1, DesignUnderTest("leaves", BACK_DOOR.format(line=leave.strip())))])
    assert result.outcome == "exception"
    left = re.search(r"ValueError \((\d+)\)", result.message)
    assert is_gone(int(left[1])) if left else "BlockingIOError" in result.message


@pytest.mark.usefixtures("patient")
async def test_a_process_that_keeps_the_wire_open_keeps_nobody_waiting(pool: Pool) -> None:
    keep = "os.fork() and os._exit(0); os.setsid(); os.sys.modules['signal'].pause()"
    job = Job("smoke", "router", DesignUnderTest("keeps", BACK_DOOR.format(line=keep)), 1, False, deadline_s=1.0)
    (result,) = await pool.run([job])
    assert result.outcome in ("timeout", "exception")
    assert "The run was not done" not in result.message  # told by the worker, which goes on
    assert result.wall_s < job.deadline_s + worker_process.GRACE_S


async def test_cancelling_kills_what_runs_and_the_pool_stays_usable(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cancel(ProcessAction):
        def __call__(self, process: asyncio.subprocess.Process) -> None:
            super().__call__(process)
            running.cancel()

    cancel = Cancel()
    on_progress(monkeypatch, 1, cancel)
    running = asyncio.create_task(pool.run([long(1), long(2), long(3)]))
    with pytest.raises(asyncio.CancelledError):
        await running
    assert all(is_gone(pid) for pid in cancel.pids)
    assert (await pool.run([smoke(1)]))[0].outcome == "ok"


async def test_what_is_not_the_designs_doing_is_an_error(pool: Pool) -> None:
    with pytest.raises(SessionError, match="'smoke'"):
        await pool.run([Job("smoek", "router", LLQ, 1, False, 5.0)])
    monkey = DesignUnderTest("llq", slot="router")
    with pytest.raises(SessionError, match="'router'"):
        await pool.run([smoke(1), Job("smoke", "routre", monkey, 1, False, 5.0)])
    assert (await pool.run([smoke(1)]))[0].outcome == "ok"


async def test_a_worker_that_can_not_start_says_why(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EvaluationError, match="could not start"):
        await pool.run([smoke(1)])


def test_a_worker_is_given_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "HOME"):
        monkeypatch.setenv(name, "secret")
    assert "secret" not in worker_process._environment().values()


async def test_arms_pool_their_seeds_in_order(pool: Pool) -> None:
    hra = DesignUnderTest("hra")
    seeds = [3, 1, 2]
    jobs = [smoke(seed, design) for design in (LLQ, hra) for seed in seeds]
    results = await pool.run(jobs)
    arms = [
        arm(design, dict(zip(seeds, part, strict=True))) for design, part in ((LLQ, results[:3]), (hra, results[3:]))
    ]
    assert [row["seed"] for row in arms[0].per_seed] == [1, 2, 3]
    means = [{int(str(row["seed"])): figure(row, "e2e_s.mean") for row in one.per_seed} for one in arms]
    comparison = compare("e2e_s.mean", "s", *means)
    assert comparison.baseline == pytest.approx(figure(arms[0].metrics, "e2e_s.mean"))
    assert comparison.candidate == pytest.approx(figure(arms[1].metrics, "e2e_s.mean"))
    with pytest.raises(SessionError, match=r"did you mean 'e2e_s\.mean'"):
        figure(arms[0].metrics, "e2e_s.maen")


STUDY = """
import asyncio, sys
from pathlib import Path
from sessions.experiments import worker_process
from sessions.experiments.pool import Pool
from sessions.playground import DesignUnderTest, Job, find_playground

original = worker_process._receive

async def receive(process):
    message = await original(process)
    if "progress" in message:
        print(process.pid, *Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split(), flush=True)
        await asyncio.Event().wait()
    return message

worker_process._receive = receive
design = DesignUnderTest("copy", find_playground().shipped_source("router", "llq"))
asyncio.run(Pool(1).run([Job("paper-routing", "router", design, 1, False, 60.0)]))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks processes up in /proc")
def test_no_worker_and_no_design_outlives_a_study_that_was_killed() -> None:
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen([sys.executable, "-c", STUDY], cwd=root, stdout=subprocess.PIPE) as study:
        assert study.stdout is not None
        pids = [int(pid) for pid in study.stdout.readline().split()]
        handles = [os.pidfd_open(pid) for pid in pids]
        study.kill()
    assert len(pids) == 2
    for handle in handles:
        assert select.select([handle], [], [], 20.0)[0] == [handle]
        os.close(handle)
