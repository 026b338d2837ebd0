"""A worker: one long-lived process that runs evaluations and checks, one at a time, apart from study and screen.

``python -m sessions.experiments.worker [CORE]``: one JSON object a line. In: a job or a check. Out: ``{"ready": PID}``
once, then per task any number of ``{"progress": simulated seconds, "of": last arrival}`` and one ``{"result": ...}`` or
``{"error": sentence}`` (the evaluation could not be carried out, and not because of the design). It ends when its
stdin does, so it never outlives the study, not even one that was killed. What a design leaves running is ended before
its result is sent.
"""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import sys
import threading
import time
from typing import BinaryIO

from pydantic import JsonValue

from sessions.errors import SessionError
from sessions.experiments import processes
from sessions.experiments.zygote import keep_zygote, zygote_pid
from sessions.playground import Check, DesignUnderTest, Job, JobResult, find_playground

_PROGRESS_EVERY_S = 0.2


def encode_task(task: Job | Check) -> bytes:
    """A job or a check as one line."""
    return json.dumps(dataclasses.asdict(task)).encode() + b"\n"


def decode_task(line: bytes) -> Job | Check:
    fields = json.loads(line)
    if "design" not in fields:
        return Check(**fields)
    fields["design"] = DesignUnderTest(**fields["design"])
    fields["overrides"] = tuple((key, value) for key, value in fields["overrides"])
    fields["others"] = tuple((slot, DesignUnderTest(**design)) for slot, design in fields["others"])
    fields["trace"] = None if fields["trace"] is None else tuple(fields["trace"])
    return Job(**fields)


def encode_result(result: JobResult) -> dict[str, JsonValue]:
    return {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}


class _Output:
    """The line to the pool. Everything else that is printed in this process goes nowhere."""

    def __init__(self) -> None:
        self._stream: BinaryIO = os.fdopen(os.dup(1), "wb")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
        self._next_progress = 0.0

    def send(self, message: dict[str, JsonValue]) -> None:
        self._stream.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        self._stream.flush()

    def progress(self, simulated_s: float, of_s: float) -> None:
        now = time.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + _PROGRESS_EVERY_S
            self.send({"progress": simulated_s, "of": of_s})


def _read_jobs(jobs: queue.SimpleQueue[bytes]) -> None:
    """Feeds the main thread; a closed stdin ends the process at once, also in the middle of a simulation."""
    for line in sys.stdin.buffer:
        jobs.put(line)
    os._exit(0)


def _run(line: bytes, output: _Output) -> dict[str, JsonValue]:
    try:
        return {"result": encode_result(_carry_out(decode_task(line), output))}
    except SessionError as error:
        return {"error": str(error)}
    except Exception as error:
        return {"error": f"The simulator failed: {type(error).__name__}: {error}"}
    finally:
        processes.end_descendants(keep=zygote_pid())


def _carry_out(task: Job | Check, output: _Output) -> JobResult:
    playground = find_playground(task.playground)
    keep_zygote()
    if isinstance(task, Job):
        return playground.run(task, output.progress)
    started = time.monotonic()
    checked = playground.check(task.slot, task.source)
    return JobResult(checked.outcome, checked.message, None, None, time.monotonic() - started)


def main(arguments: list[str]) -> None:
    """Runs until stdin closes."""
    output = _Output()
    parent = os.getppid()
    processes.die_with_parent(parent)
    processes.adopt_orphans()
    processes.yield_to_people()
    if arguments:
        processes.pin_to(int(arguments[0]))
    keep_zygote()  # it loads while this process does
    find_playground().warm_up()
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_jobs, args=(jobs,), daemon=True).start()
    output.send({"ready": os.getpid()})
    while True:
        output.send(_run(jobs.get(), output))


if __name__ == "__main__":
    main(sys.argv[1:])
