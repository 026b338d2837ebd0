"""Measurements that may not be believed: of a changed scenario, of a design that differs from run to run."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sessions.errors import EvaluationError
from sessions.experiments import laboratory as module
from sessions.experiments.laboratory import Laboratory
from sessions.experiments.pool import Pool
from sessions.experiments.worker_process import WorkerProcess
from sessions.playground import Check, DesignUnderTest, Job, JobResult, OnProgress, find_playground
from sessions.sidecar import Sidecar

LLQ = DesignUnderTest("llq")
PLAYGROUND = find_playground()


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool(1)
    yield pool
    await pool.close()


def laboratory(pool: Pool, folder: Path, **digests: str) -> Laboratory:
    return Laboratory(pool, Sidecar(folder / "telemetry"), "serving", "router", "e2e_s.mean", digests)


def ignore(_done: int, _total: int, _remaining_s: float | None) -> None:
    return


def scenario_file(folder: Path) -> Path:
    file = folder / "mine.toml"
    file.write_text(PLAYGROUND.scenario("smoke").source)
    return file


def change(file: Path) -> None:
    text = file.read_text()
    assert "replicas = 2" in text
    file.write_text(text.replace("replicas = 2", "replicas = 3"))


async def test_a_scenario_that_was_changed_since_the_study_began_is_not_measured(pool: Pool, tmp_path: Path) -> None:
    file = scenario_file(tmp_path)
    digests = {str(file): PLAYGROUND.scenario(str(file)).digest}
    study = laboratory(pool, tmp_path, **digests)
    measured = await study.measure(str(file), LLQ, None, [1, 2], ignore)
    assert measured.outcome == "ok"
    change(file)
    with pytest.raises(EvaluationError, match=r"mine\.toml was changed"):
        await study.measure(str(file), LLQ, None, [3, 4], ignore)


async def test_a_scenario_that_changes_between_two_runs_is_not_measured_either(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = scenario_file(tmp_path)
    original = WorkerProcess.call

    async def change_after(self: WorkerProcess, task: Job | Check, told: OnProgress | None) -> JobResult:
        result = await original(self, task, told)
        monkeypatch.setattr(WorkerProcess, "call", original)
        change(file)
        return result

    monkeypatch.setattr(WorkerProcess, "call", change_after)
    jobs = [Job(str(file), "router", LLQ, seed, False, 30.0) for seed in (1, 2)]
    with pytest.raises(EvaluationError, match=r"mine\.toml was changed"):
        await pool.run(jobs)


UNSEEDED = """
import random

def pick(request, cluster):
    return cluster.replicas[int(2 * random.random())]
"""
ORDER_OF_A_SET = """
def pick(request, cluster):
    return cluster.replicas[sorted({"a", "b", str(request.id)}, key=hash)[0] == "a"]
"""
SEEDED = """
import random

class Seeded:
    def __init__(self, seed):
        self._random = random.Random(seed)

    def pick(self, request, cluster):
        return self._random.choice(cluster.replicas)
"""


@pytest.mark.parametrize(
    ("source", "outcome"), [(UNSEEDED, "nondeterministic"), (ORDER_OF_A_SET, "nondeterministic"), (SEEDED, "ok")]
)
async def test_a_repeated_measurement_tells_whether_decisions_depend_on_more_than_the_seed(
    pool: Pool, tmp_path: Path, source: str, outcome: str
) -> None:
    study, design = laboratory(pool, tmp_path), DesignUnderTest("design", source)
    known = await study.measure("smoke", design, LLQ, [5, 6], ignore)
    assert known.outcome == "ok"  # and what is remembered of it doesn't answer the question below
    measured = await study.measure("smoke", design, LLQ, [5, 6], ignore, repeat=True)
    assert measured.outcome == outcome, measured.message
    assert (measured.comparison is None) == (outcome != "ok")
    if outcome == "ok":
        assert measured.candidate is not None
        assert [row["seed"] for row in measured.candidate.per_seed] == [5, 6]
    else:
        assert "Seed 5 came out differently" in measured.message


def test_a_design_meets_the_same_hash_seed_in_every_run() -> None:
    job = Job("smoke", "router", DesignUnderTest("design", ORDER_OF_A_SET), 1, False, 20.0)
    first, second = (PLAYGROUND.run(job).metrics for _ in range(2))
    other = PLAYGROUND.run(dataclasses.replace(job, hash_seed=module._OTHER_HASH_SEED)).metrics
    assert first is not None
    assert other is not None
    assert first == second
    assert first["decisions_sha256"] != other["decisions_sha256"]


GOOD = DesignUnderTest("good", "def pick(request, cluster):\n    return cluster.replicas[0]\n")
BROKEN = DesignUnderTest("broken", "def pick(request, cluster):\n    return 1 // 0\n")


@pytest.mark.parametrize(("candidate", "baseline", "side"), [(GOOD, BROKEN, "baseline"), (BROKEN, GOOD, "candidate")])
async def test_a_failure_names_the_arm_the_design_and_the_seed(
    pool: Pool, tmp_path: Path, candidate: DesignUnderTest, baseline: DesignUnderTest, side: str
) -> None:
    measured = await laboratory(pool, tmp_path).measure("smoke", candidate, baseline, [1, 2], ignore)
    assert measured.outcome == "exception"
    assert measured.message.startswith(f"The {side} broken failed on seed 1: ")
    assert measured.candidate is None
