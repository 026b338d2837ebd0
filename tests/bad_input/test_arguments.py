"""Arguments that can't be meant: out of range, empty, endless, or made to move the cursor."""

from __future__ import annotations

import pytest

from tests.bad_input.conftest import Ask

ESCAPE = "\x1b]0;owned\x07\x1b[31m"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simulate", ""], "known are"),
        (["simulate", "x" * 5000], "paper-routing"),
        (["simulate", ESCAPE], "known are"),
        (["simulate", "smo\nke"], "smoke"),
        (["simulate", "smoke", "--router", ESCAPE + "llq"], "router"),
        (["simulate", "smoke", "--router", "x" * 5000 + ".py"], "can't be read"),
        (["simulate", "smoke", "--router", "\0.py"], "can't be read"),
        (["simulate", "smoke", "--seeds", "-1"], "--seeds"),
        (["simulate", "smoke", "--seeds", "9" * 30], "--seeds"),
        (["simulate", "smoke", "--seeds", "1.5"], "--seeds"),
        (["simulate", "smoke", "--seed", "-1"], "--seed"),
        (["simulate", "smoke", "--deadline", "nan"], "--deadline"),
        (["simulate", "smoke", "--deadline", "inf"], "--deadline"),
        (["simulate", "smoke", "--set", "=3"], "KEY=VALUE"),
        (["simulate", "smoke", "--set", f"cluster.{ESCAPE}=3"], "cluster."),
        (["simulate", "smoke", "--set", "cluster.kv_blocks=nan"], "cluster.kv_blocks"),
        (["simulate", "smoke", "--set", "workload.rate_rps=inf"], "workload.rate_rps"),
        (["run", "smoke", "--max-experiments", "0"], "--max-experiments"),
        (["run", "smoke", "--max-minutes", "-1"], "--max-minutes"),
        (["run", "smoke", "--max-minutes", "nan"], "--max-minutes"),
        (["run", "smoke", "--workspace", ""], "--workspace"),
        (["run", "smoke", "--workspace", "/tmp/" + "x" * 300], "File name too long"),
        (["run", "smoke", "--gate", ESCAPE], "supervised"),
        (["run", "smoke", "--slot", ""], "router"),
        (["sessions", "resume", "", "--headless"], "no session"),
        (["sessions", "resume", ESCAPE, "--headless"], "no session"),
        (["sessions", "show", "../../etc"], "no session"),
        (["designs", "show", "-x"], "No such option"),
        (["designs", "show", ESCAPE], "no workspace"),
        (["policies", "show", ESCAPE], "policy"),
        ([ESCAPE], "No such command"),
    ],
)
def test_an_argument_that_can_not_be_meant_is_one_printable_line(arguments: list[str], words: str, ask: Ask) -> None:
    answer = ask(*arguments)
    assert answer.code == 2
    assert words in answer.sentence
    assert len(answer.sentence) < 1000
