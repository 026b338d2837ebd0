"""Prints the table of crash points by kind and what became of each: ``python -m tests.sessions.crash_table [SEED]``."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.sessions.conftest import SharedPool
from tests.sessions.crash_points import quickly
from tests.sessions.crash_run import Recovered, crash_everywhere

COLUMNS = (
    "crash",
    "points",
    "same end",
    "nothing shown is lost",
    "no approval nobody gave",
    "one commit, files in place",
)


async def run(seed: int) -> list[Recovered]:
    pool = SharedPool()
    try:
        with tempfile.TemporaryDirectory() as folder, quickly():
            return [recovered async for recovered in crash_everywhere(Path(folder), pool, seed)]
    finally:
        await pool.really_close()


def table(recovered: list[Recovered], seed: int) -> str:
    """Markdown; a column counts the points of its row for which its heading holds."""
    rows: dict[str, Counter[str]] = {}
    for one in recovered:
        for kind in (one.kind, "all"):
            counts = rows.setdefault(kind, Counter())
            v = one.verdict
            held = (True, not v.different_end, not v.lost, not v.unapproved, not v.commits)
            counts.update({column: 1 for column, holds in zip(COLUMNS[1:], held, strict=True) if holds})
    order = sorted(rows, key=lambda kind: (kind == "all", -rows[kind]["points"], kind))
    lines = [
        "# Crash points",
        "",
        f"`python -m tests.sessions.crash_table {seed}` crashes two studies of the scenario `smoke` (one headless, one "
        "with an engineer",
        "who approves, edits, redirects, rejects and asks) at seeded points, resumes each and compares it with the study",
        "that wasn't disturbed.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---|" + "---:|" * (len(COLUMNS) - 1),
        *(f"| {kind} | " + " | ".join(str(rows[kind][column]) for column in COLUMNS[1:]) + " |" for kind in order),
    ]
    problems = [f"- {o.story}, {o.kind}, {o.place}: {problem}" for o in recovered for problem in o.verdict.problems]
    return "\n".join([*lines, *(["", *problems] if problems else [])])


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    recovered = asyncio.run(run(seed))
    sys.stdout.write(table(recovered, seed) + "\n")
    raise SystemExit(any(one.verdict.problems for one in recovered))


if __name__ == "__main__":
    main()
