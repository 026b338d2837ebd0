"""One worker process as the study sees it: started when first needed, kept warm, killed rather than asked to stop.

Invariants: it is given none of the study's environment (no key can be found in it); when ``kill`` returns, the
process is gone; a worker never has more than one job.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import site
import sys
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from sessions import events as ev
from sessions.errors import EvaluationError
from sessions.experiments import processes
from sessions.experiments.worker import encode_task
from sessions.playground import Check, Job, JobResult, OnProgress

GRACE_S = 0.5  # past the deadline, for a sealed design's own, more telling time-out to arrive
_START_LIMIT_S = 60.0
_LINE_LIMIT = 256 * 1024 * 1024
_KEPT_ERRORS = 4096
_PASSED_ON = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR")


class WorkerDied(Exception):
    """The worker ended while it had a job; ``last_s``: simulated time it had reached."""

    def __init__(self, how: str, last_s: float | None) -> None:
        super().__init__(how)
        self.last_s = last_s


class WorkerProcess:
    """A place for one worker, pinned to ``core``."""

    def __init__(self, core: int) -> None:
        self._core = core
        self._process: asyncio.subprocess.Process | None = None
        self._errors: asyncio.Task[None] | None = None
        self._last_words = b""

    async def call(self, task: Job | Check, on_progress: OnProgress | None = None) -> JobResult:
        """Carries out one job or check. Past the deadline the worker is killed and the outcome is ``timeout``.

        Raises :class:`WorkerDied`, and :class:`EvaluationError` when the job itself can't be carried out. A cancelled
        call kills the worker.
        """
        process = await self._ready()
        last_s: list[float | None] = [None]
        try:
            async with asyncio.timeout(task.deadline_s + GRACE_S):
                return await self._exchange(process, task, last_s, on_progress)
        except TimeoutError:
            await self.kill()
            what = "run" if isinstance(task, Job) else "check"
            words = f"The {what} was not done after its {task.deadline_s:g} s of wall-clock time."
            return JobResult("timeout", words, None, None, task.deadline_s + GRACE_S, last_s[0])
        except (EOFError, ConnectionError, asyncio.IncompleteReadError) as error:
            await self.kill()
            raise WorkerDied(self._how(process), last_s[0]) from error
        except EvaluationError:
            raise
        except BaseException:
            await self.kill()
            raise

    async def kill(self) -> None:
        """Ends the worker, whatever it is doing, and with it the design it runs and what that has started."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            below = processes.descendants(process.pid)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            processes.kill_all(below)
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
        if self._errors is not None:
            await self._errors
            self._errors = None

    async def _exchange(
        self,
        process: asyncio.subprocess.Process,
        task: Job | Check,
        last_s: list[float | None],
        on_progress: OnProgress | None,
    ) -> JobResult:
        assert process.stdin is not None
        process.stdin.write(encode_task(task))
        await process.stdin.drain()
        while True:
            message = await _receive(process)
            if "progress" in message:
                reached_s = last_s[0] = cast(float, message["progress"])
                if on_progress is not None:
                    on_progress(reached_s, cast(float, message["of"]))
            elif "error" in message:
                raise EvaluationError(str(message["error"]))
            else:
                return _decode_result(cast("dict[str, JsonValue]", message["result"]))

    async def _ready(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self.kill()
        self._last_words = b""
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "sessions.experiments.worker", str(self._core)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
            limit=_LINE_LIMIT,
        )
        self._errors = asyncio.create_task(self._keep_errors(process))
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                await _receive(process)
        except (EOFError, ConnectionError, TimeoutError) as error:
            await self.kill()
            words = self._last_words.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise EvaluationError(f"The worker process could not start: {words or self._how(process)}.") from error
        except BaseException:
            await self.kill()
            raise
        return process

    async def _keep_errors(self, process: asyncio.subprocess.Process) -> None:
        """Reads the worker's stderr so that it never blocks; only the last words are kept."""
        assert process.stderr is not None
        while data := await process.stderr.read(_KEPT_ERRORS):
            self._last_words = (self._last_words + data)[-_KEPT_ERRORS:]

    @staticmethod
    def _how(process: asyncio.subprocess.Process) -> str:
        code = process.returncode
        if code is None or code >= 0:
            return f"exit code {code}"
        return signal.Signals(-code).name


async def _receive(process: asyncio.subprocess.Process) -> dict[str, JsonValue]:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return cast("dict[str, JsonValue]", json.loads(line))


def _decode_result(fields: dict[str, JsonValue]) -> JobResult:
    return JobResult(
        outcome=cast(ev.Outcome, fields["outcome"]),
        message=str(fields["message"]),
        metrics=cast("dict[str, JsonValue] | None", fields["metrics"]),
        telemetry=cast("dict[str, JsonValue] | None", fields["telemetry"]),
        wall_s=cast(float, fields["wall_s"]),
        last_s=cast("float | None", fields["last_s"]),
    )


def _environment() -> dict[str, str]:
    """Next to nothing: in particular no key, no proxy, no home."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"}
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    root = str(Path(__file__).resolve().parents[2])
    if root not in (*site.getsitepackages(), site.getusersitepackages()):
        environment["PYTHONPATH"] = root  # a source tree, found also where it is not installed
    return environment
