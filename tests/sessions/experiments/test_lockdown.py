"""What a design can't get at although it passes the import rule by the back door."""

from __future__ import annotations

from pathlib import Path

import pytest

import sim
from sessions.experiments.design_source import ALLOWED_IMPORTS
from sessions.experiments.lockdown import landlock_version
from tests.sessions.experiments.test_sealed import evaluate, with_back_door


@pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")
@pytest.mark.parametrize(
    "line",
    [
        "open('/etc/passwd')",
        f"open({str(Path(sim.__file__).with_name('engine.py'))!r})",
        f"os.listdir({str(Path(sim.__file__).parent)!r})",
        "open('/proc/self/environ')",
        "open(f'/proc/{os.getppid()}/environ')",
        "open(f'/proc/{os.getppid()}/mem', 'rb')",
        "open('/tmp/left-by-a-design', 'w')",
        "os.execv('/bin/sh', ['sh'])",
    ],
)
def test_a_design_gets_at_no_file(line: str) -> None:
    limits = "os.sys.modules['resource'].setrlimit(7, (64, 64))"
    for lines in ([line], ["try:", f"    {limits}", "except Exception: pass", line]):
        result = evaluate(with_back_door(*lines))
        assert result.outcome == "exception"
        assert "PermissionError" in result.message or "Too many open files" in result.message, result.message


@pytest.mark.parametrize("call", ["pipe()", "socket(2, 1, 0)", "socket(2, 2, 0)", "socket(1, 1, 0)", "dup(0)"])
def test_a_design_opens_no_descriptor(call: str) -> None:
    pointer = ("ctypes = os.sys.modules['ctypes']", "room = (ctypes.c_int * 2)()")
    refused = f"if ctypes.CDLL(None).{call.replace('()', '(room)')} < 0: raise ValueError('refused')"
    result = evaluate(with_back_door(*pointer, refused))
    assert result.outcome == "exception"
    assert "ValueError (refused)" in result.message


@pytest.mark.skipif(landlock_version() < 6, reason="this kernel's Landlock can't hold back signals")
def test_a_design_can_not_signal_the_process_that_started_it() -> None:
    result = evaluate(with_back_door("os.kill(os.getppid(), 0)"))
    assert result.outcome == "exception"
    assert "PermissionError" in result.message


def test_all_that_a_policy_may_import_is_there() -> None:
    imports = "\n".join(f"        import {name}" for name in (*ALLOWED_IMPORTS, "collections.abc"))
    body = "        return [(r, cluster.replicas[r.id % 2]) for r in queue]"
    result = evaluate(f"def route(queue, cluster):\n    if True:\n{imports}\n{body}\n")
    assert result.outcome == "ok", result.message
