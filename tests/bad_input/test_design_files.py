"""Design files that fail in every way a file can: each ends with its outcome, exit code 3 and one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_input.conftest import Ask

PICK = "def pick(request, cluster):\n"
ROUTE = "def route(queue, cluster):\n"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (PICK + "    return None\n" + ROUTE + "    return []\n", "exactly one"),
        ("class Router:\n    pass\n", "no policy"),
        ("class Router:\n    def __init__(self, size): pass\n    def pick(self, request, cluster): pass\n", "seed"),
        ("def pick(request):\n    return None\n", "pick"),
        ("async def pick(request, cluster):\n    return cluster.replicas[0]\n", ""),
        ("async def route(queue, cluster):\n    return []\n", ""),
        (PICK + "    while True: print('x' * 1000)\n", "timeout"),
        (PICK + "    raise KeyboardInterrupt\n", "KeyboardInterrupt"),
        (PICK + "    raise SystemExit(0)\n", "SystemExit"),
        (PICK + "    return pick(request, cluster)\n", "RecursionError"),
        (PICK + "    return 7\n", "illegal"),
        (PICK + "    return 'replica-0'\n", "illegal"),
        (PICK + "    return cluster.replicas\n", "illegal"),
        (ROUTE + "    return None\n", "interface"),
        (ROUTE + "    return 3\n", "interface"),
        (ROUTE + "    return 'ab'\n", "illegal"),
        (ROUTE + "    return [(queue[0],)]\n", "illegal"),
        (ROUTE + "    return [(cluster.replicas[0], queue[0])]\n", "illegal"),
        (ROUTE + "    return [(queue[0], cluster.replicas[0])] * 2\n", "illegal"),
        (ROUTE + "    while True: yield queue[0], cluster.replicas[0]\n", "illegal"),
        (
            "from sim.api import HeldRequest\n"
            + ROUTE
            + "    return [(HeldRequest(10**6, 0, 1), cluster.replicas[0])]\n",
            "illegal",
        ),
        (ROUTE + "    return [(q, type('R', (), {'id': 99})()) for q in queue]\n", "illegal"),
        (ROUTE + "    return []\n", "unserved"),
        ("import os\n" + PICK + "    return cluster.replicas[0]\n", "imports os"),
        ("from subprocess import run\n" + PICK + "    return cluster.replicas[0]\n", "imports subprocess"),
        ("from . import secrets\n" + PICK + "    return cluster.replicas[0]\n", "imports ."),
        (PICK + "    return " + "(" * 5000 + "1" + ")" * 5000 + "\n", "syntax"),
        ("x = '\\ud800'\nraise ValueError('\\x1b[31m' + x)\n", "ValueError"),
    ],
)
def test_a_design_that_fails_ends_with_its_outcome(source: str, words: str, ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(source)
    answer = ask("simulate", "smoke", "--router", str(path), "--deadline", "1", "--json")
    assert answer.code == 3, answer.err
    assert words in answer.sentence


def test_a_replica_kept_from_an_earlier_call_still_names_a_replica(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("kept = []\n" + PICK + "    kept.append(cluster.replicas[0])\n    return kept[0]\n")
    assert ask("simulate", "smoke", "--router", str(path), "--json").code in (0, 3)
