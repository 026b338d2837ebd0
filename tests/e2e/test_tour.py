"""The whole tour in a real terminal: the real process in a pty, keys in, the journal as the witness."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from sessions import events as ev
from sessions.journal import read
from sessions.state import StudyState, fold

EDITOR = """#!{python}
import pathlib, sys
path = pathlib.Path(sys.argv[-1])
path.write_text(path.read_text().replace("MARGIN = 0.05", "MARGIN = 0.2"))
"""
PATIENCE_S = 60


class Terminal:
    """``glia`` in a pty. ``until`` reads what it draws, so that it never blocks, and looks at the journal."""

    def __init__(self, workspace: Path, *arguments: str, rows: int, columns: int, drawn: str = "Glia") -> None:
        self.workspace = workspace
        editor = workspace.parent / "editor"
        editor.write_text(EDITOR.format(python=sys.executable))
        editor.chmod(0o755)
        env = {**os.environ, "GLIA_WORKSPACE": str(workspace), "EDITOR": str(editor), "TERM": "xterm-256color"}
        env |= {"COLUMNS": "77", "LINES": "22"}  # what the terminal says has to win
        env["TEXTUAL_ANIMATIONS"] = "none"  # a run that plays would keep the screen from ever being still
        for name in ("VISUAL", "NO_COLOR", "GLIA_CONFIG"):
            env.pop(name, None)
        command = ["-m", "glia_tui", *arguments]
        self.child = pexpect.spawn(sys.executable, command, env=env, dimensions=(rows, columns), timeout=PATIENCE_S)
        self.child.expect(drawn)  # a key that is sent before the app has drawn itself goes to the terminal and is lost

    def state(self) -> StudyState:
        folder = self.workspace / ".glia" / "sessions"
        names = sorted(path for path in folder.glob("*/journal.jsonl"))
        return fold(read(names[-1]).events) if names else StudyState()

    def until(self, true: Callable[[StudyState], bool], what: str) -> StudyState:
        """Waits, reading the screen in pieces, until the journal shows it."""
        for _ in range(PATIENCE_S * 10):
            with contextlib.suppress(pexpect.TIMEOUT):
                self.child.read_nonblocking(65536, timeout=0.1)
            state = self.state()
            if true(state):
                return state
        raise AssertionError(f"never came to it: {what}")

    def settle(self, quiet_s: float = 0.7) -> None:
        """Reads until the screen has been still for a moment: longer than the grace period of a proposal."""
        with contextlib.suppress(pexpect.TIMEOUT):
            while True:
                self.child.read_nonblocking(65536, timeout=quiet_s)

    def pending(self, kind: str = "experiment") -> str:
        """The subject of the approval that waits."""
        state = self.until(lambda s: s.pending is not None and s.pending.kind == kind, f"a pending {kind}")
        assert state.pending is not None
        self.settle()
        return state.pending.subject

    def key(self, key: str) -> None:
        """Moves to the proposal and presses one of its keys."""
        self.child.send("\t")
        self.settle(0.2)
        self.child.send(key)

    def say(self, text: str) -> None:
        self.child.send(text)
        self.settle(0.1)
        self.child.send("\r")

    def leave(self) -> str:
        """Ctrl+Q; what is left on the terminal."""
        self.child.send("\x11")
        self.child.expect(pexpect.EOF)
        self.child.close()
        before = self.child.before
        return before.decode("utf-8", "replace") if isinstance(before, bytes) else ""


@pytest.fixture(params=[(24, 80), (40, 120)], ids=["80x24", "120x40"])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    rows, columns = request.param
    opened = Terminal(tmp_path / "workspace", "--scenario", "smoke", rows=rows, columns=columns)
    yield opened
    opened.child.close(force=True)


def status(state: StudyState, subject: str) -> str:
    return state.experiments[subject].status


def replied_aside(count: int) -> Callable[[StudyState], bool]:
    return lambda s: sum(isinstance(e.data, ev.AgentReplied) and e.data.aside for e in s.events) >= count


def glia(workspace: Path, *arguments: str) -> str:
    env = {**os.environ, "GLIA_WORKSPACE": str(workspace)}
    done = subprocess.run([sys.executable, "-m", "glia_tui", *arguments], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ask_approve_edit_redirect_reject_accept(terminal: Terminal) -> None:
    first = terminal.pending()
    terminal.say("why is P99 so bad?")
    terminal.until(replied_aside(1), "an answer beside the open proposal")
    terminal.key("a")
    terminal.until(lambda s: status(s, first) == "finished", "the approved experiment's result")

    edited = terminal.pending()
    terminal.key("E")
    state = terminal.until(lambda s: status(s, edited) == "finished", "the edited experiment's result")
    ran = state.experiments[edited]
    assert ran.design.endswith("-edit1")
    assert "MARGIN = 0.2" in state.designs[ran.design].source

    redirected = terminal.pending()
    terminal.key("r")
    terminal.child.expect(f"redirect {redirected}")
    terminal.say("try least-kv")
    terminal.until(lambda s: status(s, redirected) == "rejected", "the redirect")

    rejected = terminal.pending()
    terminal.key("x")
    terminal.until(lambda s: status(s, rejected) == "rejected", "the rejection")

    approved = terminal.pending()
    terminal.key("a")
    terminal.until(lambda s: status(s, approved) == "finished", "a second approved experiment's result")

    terminal.pending()
    better = next(e.design for e in terminal.state().experiments.values() if e.result and e.result.comparison)
    best = terminal.state().best
    terminal.say(f"accept {best.design if best else better}")
    terminal.until(replied_aside(2), "the acceptance request was heard")
    terminal.settle()
    terminal.key("x")
    subject = terminal.pending("acceptance")
    terminal.key("a")
    state = terminal.until(
        lambda s: s.acceptances[subject].status in ("accepted", "failed"), "a decision on held-out seeds"
    )
    assert "glia sessions resume" in terminal.leave()
    log = json.loads(glia(terminal.workspace, "designs", "log", "--json"))
    assert len(log) == (state.acceptances[subject].status == "accepted")


def test_kill_9_during_an_experiment_loses_nothing_and_resume_goes_on(terminal: Terminal) -> None:
    first = terminal.pending()
    terminal.key("a")
    terminal.until(lambda s: status(s, first) != "proposed", "the approval")
    terminal.child.kill(signal.SIGKILL)
    terminal.child.wait()
    before = terminal.state()
    again = Terminal(terminal.workspace, "sessions", "resume", "last", rows=40, columns=120)
    after = again.until(lambda s: status(s, first) == "finished", "the experiment's result after the crash")
    assert [e.hash for e in after.events[: len(before.events)]] == [e.hash for e in before.events]
    assert sum(isinstance(e.data, ev.ApprovalAsked) and e.data.subject == first for e in after.events) == 1
    again.pending()
    again.leave()
    assert json.loads(glia(terminal.workspace, "sessions", "list", "--json"))[0]["status"] == "waits for an answer"


def test_a_storm_of_sizes_ends_in_a_screen_that_can_be_used_and_has_answered_nothing(terminal: Terminal) -> None:
    subject = terminal.pending()
    chance = random.Random(1)
    for _ in range(100):
        terminal.child.setwinsize(chance.randint(1, 60), chance.randint(1, 200))
        with contextlib.suppress(pexpect.TIMEOUT):
            terminal.child.read_nonblocking(65536, timeout=0)
    terminal.child.setwinsize(10, 40)
    terminal.child.expect(r"terminal too small \(need 60x15\)")
    terminal.key("a")
    terminal.settle()
    terminal.child.setwinsize(24, 80)
    terminal.child.expect("approve")
    terminal.settle()
    assert status(terminal.state(), subject) == "proposed"
    terminal.say(" is what I typed")
    state = terminal.until(replied_aside(1), "an answer to what was typed while nothing could be seen")
    assert [e.data.text for e in state.events if isinstance(e.data, ev.EngineerSaid)] == ["a is what I typed"]
    terminal.key("x")
    terminal.until(lambda s: status(s, subject) == "rejected", "the rejection")
    assert "glia sessions resume" in terminal.leave()


def test_a_study_that_is_begun_in_a_terminal_that_is_too_small_says_so(tmp_path: Path) -> None:
    opened = Terminal(tmp_path / "workspace", "--scenario", "smoke", rows=10, columns=40, drawn="terminal too small")
    assert "glia sessions resume" in opened.leave()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs a way to wait for a process with a limit")
def test_a_vanished_terminal_ends_the_process_and_approves_nothing(terminal: Terminal) -> None:
    subject = terminal.pending()
    process = os.pidfd_open(terminal.child.pid)
    terminal.child.ptyproc.fileobj.close()
    terminal.child.ptyproc.closed = terminal.child.closed = True
    ended, _, _ = select.select([process], [], [], PATIENCE_S)
    os.close(process)
    assert ended, "the process outlived its terminal"
    state = terminal.state()
    assert status(state, subject) == "proposed"
    assert state.pending is not None
