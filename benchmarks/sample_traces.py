"""Writes the recorded lengths, rates and prefixes in ``sim/workload/data`` from the public traces.

    python benchmarks/sample_traces.py [--shared DIR]

Samples are systematic (every k-th request), so they keep the order and the mix of the hour, and need no seed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.shared_data import ROOT, shared_folder
from sim.api import NS_PER_S
from sim.workload.loaders import LoadedTrace, load_workload

DATA = ROOT / "sim" / "workload" / "data"
EXCERPT = 1500
"""Requests of the excerpt with prefixes: the first 8.5 minutes."""
BUCKET_NS = 3 * NS_PER_S
"""Mooncake's times are rounded to this."""

AZURE = """\
# Source: AzureLLMInferenceTrace_{kind}.csv, github.com/Azure/AzurePublicDataset (2023), licence CC-BY 4.0.
# Cite: Patel et al., "Splitwise: Efficient generative LLM inference using phase splitting", ISCA 2024.
"""
MOONCAKE = """\
# Source: FAST25-release/traces/conversation_trace.jsonl, github.com/kvcache-ai/Mooncake, licence Apache-2.0.
# Cite: Qin et al., "Mooncake: Trading More Storage for Less Computation", FAST 2025.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", help="the folder with the public traces in data/traces")
    traces = shared_folder(parser.parse_args().shared) / "data" / "traces"
    for kind, every in (("conv", 4), ("code", 2)):
        trace = load_workload(str(traces / f"AzureLLMInferenceTrace_{kind}.csv"))
        write_pairs(f"azure-{kind}", trace, every, AZURE.format(kind=kind))
        write_counts(f"azure-{kind}", trace, AZURE.format(kind=kind))
    mooncake = load_workload(str(traces / "mooncake_conversation_trace.jsonl"))
    write_pairs("mooncake-conversation-lengths", mooncake, 3, MOONCAKE)
    write_excerpt("mooncake-conversation", mooncake)


def write_pairs(name: str, trace: LoadedTrace, every: int, head: str) -> None:
    rows = zip(trace.prompt_tokens[::every].tolist(), trace.output_tokens[::every].tolist(), strict=True)
    what = f"# Changed: every {every}th" if every > 3 else f"# Changed: every {('2nd', '3rd')[every - 2]}"
    text = f"{head}{what} of its {len(trace):,} requests, lengths only.\nprompt_tokens,output_tokens\n"
    _write(DATA / "pairs" / f"{name}.csv", text, (f"{prompt},{output}" for prompt, output in rows))


def write_counts(name: str, trace: LoadedTrace, head: str) -> None:
    assert trace.arrival_ns is not None
    counts = np.bincount(trace.arrival_ns // NS_PER_S).tolist()
    text = f"{head}# Changed: how many requests arrived in every second, a minute a line.\narrivals\n"
    minutes = (counts[at : at + 60] for at in range(0, len(counts), 60))
    _write(DATA / "counts" / f"{name}.csv", text, (",".join(map(str, minute)) for minute in minutes))


def write_excerpt(name: str, trace: LoadedTrace) -> None:
    assert trace.arrival_ns is not None
    assert trace.blocks is not None
    arrivals = spread(trace.arrival_ns[:EXCERPT].tolist())
    rows = zip(arrivals, trace.prompt_tokens.tolist(), trace.output_tokens.tolist(), trace.blocks, strict=False)
    text = (
        f"{MOONCAKE}# Changed: the first {EXCERPT:,} requests; arrivals, recorded in steps of 3 s, evenly spread over\n"
        "# their step; hashes of full blocks only, as ranges.\n"
        f"# content_block_tokens = {trace.block_tokens}\narrival_ns,prompt_tokens,output_tokens,blocks\n"
    )
    body = (f"{at},{prompt},{output},{' '.join(ranges(blocks))}" for at, prompt, output, blocks in sorted(rows))
    _write(DATA / f"{name}.csv", text, body)


def spread(arrivals_ns: Sequence[int]) -> Iterator[int]:
    for at, group in groupby(arrivals_ns):
        count = len(list(group))
        yield from (at + BUCKET_NS * place // count for place in range(count))


def ranges(numbers: Sequence[int]) -> Iterator[str]:
    """``0 14-27`` for 0, 14, 15 … 27."""
    for _, run in groupby(enumerate(numbers), lambda item: item[1] - item[0]):
        first, *rest = [number for _, number in run]
        yield f"{first}-{rest[-1]}" if rest else str(first)


def _write(path: Path, head: str, lines: Iterator[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(head + "\n".join(lines) + "\n", "utf-8")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
