"""The process that designs are forked from: what becomes of it and of them when it doesn't answer in time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from sessions.experiments import zygote


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[zygote.Zygote]:
    """A kept zygote that has forked once."""
    kept: list[zygote.Zygote] = []
    monkeypatch.setattr(zygote, "_KEPT", kept)
    zygote.keep_zygote()
    (one,) = kept
    one._socket.settimeout(60.0)
    _, pipes = fork()
    yield one
    for descriptor in pipes:
        os.close(descriptor)
    one.close()
    for other in kept:
        other.close()


def stop(one: zygote.Zygote) -> None:
    """It doesn't answer any more, and isn't waited for long."""
    os.kill(one.pid, signal.SIGSTOP)
    one._socket.settimeout(0.1)


def fork() -> tuple[zygote.Forked | None, tuple[int, int]]:
    """A process without a design, and this side's ends of its pipes."""
    child_reads, ours_writes = os.pipe()
    ours_reads, child_writes = os.pipe()
    try:
        return zygote.fork_design(child_reads, child_writes), (ours_reads, ours_writes)
    finally:
        os.close(child_reads)
        os.close(child_writes)


def test_a_zygote_that_did_not_say_in_time_what_became_of_a_design_is_not_asked_again(
    loaded: zygote.Zygote,
) -> None:
    design, pipes = fork()
    assert design is not None
    stop(loaded)
    assert design.wait() == -signal.SIGKILL
    for descriptor in pipes:
        os.close(descriptor)
    assert loaded.gone()
    none, pipes = fork()
    assert none is None
    for descriptor in pipes:
        os.close(descriptor)
    zygote.keep_zygote()
    assert zygote.zygote_pid() not in (0, loaded.pid)


def test_a_zygote_that_did_not_fork_in_time_is_given_up_with_all_that_it_forked(
    loaded: zygote.Zygote,
) -> None:
    stop(loaded)
    design, pipes = fork()
    assert design is None
    assert loaded.gone()
    assert zygote.zygote_pid() == 0
    os.close(pipes[1])
    assert os.read(pipes[0], 1) == b""  # nobody else has the other end
    os.close(pipes[0])


def test_what_is_no_process_is_never_handed_out(loaded: zygote.Zygote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded, "_answer", lambda: 0)
    design, pipes = fork()
    assert design is None
    assert loaded.gone()
    for descriptor in pipes:
        os.close(descriptor)
