"""The cost models' errors, as tables: what they were fitted on, and how far off they are elsewhere.

    python benchmarks/cost_errors.py [--shared DIR] [--json] [--write]

Prints Markdown, or one JSON object. ``--write`` puts the tables into ``docs/cost-models.md``, each between its marks.
The reference data is no part of the repository: the folder ``shared`` beside it or above, or ``--shared``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.errors_of_serving import Overhead, blis_errors, llmservingsim_errors, silicon_errors, single_requests
from benchmarks.errors_of_steps import Row, kernel_steps, splitwise_steps, vidur_iterations
from benchmarks.shared_data import ROOT, shared_folder

PAGE = ROOT / "docs" / "cost-models.md"


def tables(shared: Path) -> tuple[Overhead, dict[str, list[Row]]]:
    """The fitted overheads of a server, and all tables by name."""
    overhead, silicon = silicon_errors(shared)
    return overhead, {
        "kernels": kernel_steps(shared),
        "vidur-iterations": vidur_iterations(shared),
        "splitwise": splitwise_steps(shared),
        "silicon": silicon,
        "blis": blis_errors(shared),
        "llmservingsim": llmservingsim_errors(shared, overhead),
        "single-requests": single_requests(shared),
    }


def markdown(rows: Sequence[Mapping[str, object]]) -> str:
    names = list(rows[0])
    lines = [" | ".join(names), "|".join("---" for _ in names)]
    lines += [" | ".join(str(row[name]) for name in names) for row in rows]
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)


def write(found: Mapping[str, Sequence[Row]]) -> None:
    """Replaces what is between ``<!-- table: NAME -->`` and ``<!-- end -->`` on the page."""
    page = PAGE.read_text("utf-8")
    for name, rows in found.items():
        mark = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not mark.search(page):
            raise SystemExit(f"{PAGE.name} has no place for the table {name!r}.")
        page = mark.sub(rf"\1\n{markdown(rows)}\n\n\2", page)
    PAGE.write_text(page, "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Errors of the cost models.")
    parser.add_argument("--shared", help="the folder with the reference data")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/cost-models.md")
    options = parser.parse_args()
    overhead, found = tables(shared_folder(options.shared))
    if options.write:
        write(found)
    if options.json:
        fitted = {"engine_ms_and_us_per_seq": overhead.engine, "front_end_ms": overhead.front_end_ms}
        print(json.dumps({"fitted_overhead": fitted, **found}, indent=2))
        return
    print(f"Overheads fitted to every second silicon row: {overhead}\n")
    for name, rows in found.items():
        print(f"## {name}\n\n{markdown(rows)}\n")


if __name__ == "__main__":
    main()
