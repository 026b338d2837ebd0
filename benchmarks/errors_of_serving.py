"""Errors of whole runs: measured servers, rebuilt with the roofline under this engine's ``vllm-v1`` rules.

What a server adds to its kernels isn't in the roofline: a fixed overhead for every iteration and one for every request
in it (both can be stated in a scenario), and a front end that delays a request's first token. For the silicon rows all
three are fitted to every second row by a search over a coarse grid, and the others are reported; the same numbers are
then used for the other servers on several GPUs, where nothing is fitted.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.errors_of_steps import Row, percent_errors
from benchmarks.rebuilt import ClosedLoop, rebuilt, table_of
from benchmarks.shared_data import read_json
from sim.api import NS_PER_S
from sim.capacity import kv_block_count
from sim.cost import roofline_cost
from sim.hardware import find_gpu
from sim.models import find_model
from sim.policies import make_router
from sim.result import RequestTable
from sim.scenario import ClusterSpec, CostSpec, EngineSpec
from sim.workload import load_trace
from sim.workload.build import Workload, make_workload

OVERHEAD_MS = (1.2, 2.0, 3.0, 4.0, 5.0)
OVERHEAD_US_PER_SEQ = (8, 20, 30, 40, 50)
FRONT_END_MS = tuple(range(0, 61, 5))
JITTER = 0.03
ROUNDS = 8


@dataclass(frozen=True)
class Overhead:
    """``engine``: per iteration (ms) and per request in it (µs), None for the kernels' own; front end in ms."""

    engine: tuple[float, int] | None = None
    front_end_ms: float = 0.0

    def cost(self) -> CostSpec:
        if self.engine is None:
            return CostSpec(kind="roofline")
        return CostSpec(kind="roofline", overhead_us=round(self.engine[0] * 1000), overhead_us_per_seq=self.engine[1])


@dataclass(frozen=True)
class Server:
    """One replica. ``kv_blocks`` None: what memory leaves."""

    gpu: str
    model: str
    tp: int
    max_num_seqs: int = 1024
    budget: int = 8192
    kv_blocks: int | None = None

    def cluster(self) -> ClusterSpec:
        blocks = self.kv_blocks
        if blocks is None:
            blocks = kv_block_count(find_gpu(self.gpu), find_model(self.model), self.tp, 16, 0.9)
        return ClusterSpec(1, self.gpu, self.model, blocks, 16, 0.0, self.max_num_seqs, self.budget, 0.0, self.tp)


@dataclass(frozen=True)
class Figures:
    """Means in ms. ``ttft_ms`` from when the client sent the request."""

    ttft_ms: float
    tpot_ms: float
    e2e_ms: float

    def plus(self, front_end_ms: float) -> Figures:
        return Figures(self.ttft_ms + front_end_ms, self.tpot_ms, self.e2e_ms + front_end_ms)


def closed_loop(server: Server, overhead: Overhead, clients: int, prompt: int, output: int) -> Figures:
    """``clients`` clients that send a request of ``prompt`` and ``output`` tokens whenever the last is answered.

    All start at once, outputs vary by :data:`JITTER`, and each client sends :data:`ROUNDS` requests: how the measuring
    client did it isn't known, and these two were chosen on the fitted half.
    """
    count = ROUNDS * clients
    share = np.random.Generator(np.random.PCG64([1, 1])).random(count)
    outputs = np.maximum(1, np.round(output * (1 + JITTER * (2 * share - 1)))).astype(np.int64)
    work = make_workload(np.zeros(count, np.int64), np.full(count, prompt, np.int64), outputs)
    scenario = rebuilt("closed loop", server.cluster(), overhead.cost(), EngineSpec("vllm-v1"))
    return _figures(table_of(scenario, work, ClosedLoop(clients)))


def open_loop(server: Server, overhead: Overhead, work: Workload, prefix_caching: bool = False) -> Figures:
    """The requests of ``work`` as they arrive."""
    engine = EngineSpec("vllm-v1", prefix_caching=prefix_caching)
    scenario = rebuilt("open loop", server.cluster(), overhead.cost(), engine)
    return _figures(table_of(scenario, work, make_router("round-robin", 0)))


def _figures(table: RequestTable) -> Figures:
    """Means over the requests, from when they were routed."""
    sent, token, end = (column / 1e6 for column in (table.routed_ns, table.first_token_ns, table.finish_ns))
    steps = np.maximum(table.output_tokens - 1, 1)
    return Figures(float((token - sent).mean()), float(((end - token) / steps).mean()), float((end - sent).mean()))


# -- silicon: closed loops of vLLM 0.12, Qwen3-32B, H100


@dataclass(frozen=True)
class Measured:
    server: Server
    clients: int
    prompt: int
    output: int
    figures: Figures


def silicon(shared: Path) -> list[Measured]:
    """The rows of vLLM 0.12 in bf16, in the file's order. (Other engines and fp8 aren't modelled.)"""
    rows = read_json(shared / "reference" / "validation.json")["silicon"]["rows"]
    chosen = [r for r in rows if r["backend"] == "vllm" and r["version"] == "0.12.0" and r["precision"] != "fp8"]
    return [
        Measured(
            Server("H100-SXM", r["model"].split("/")[1], r["tp"]),
            r["concurrency"],
            r["isl"],
            r["osl"],
            Figures(r["ttft_ms"], r["tpot_ms"], r["ttft_ms"] + r["tpot_ms"] * (r["osl"] - 1)),
        )
        for r in chosen
    ]


def _simulated(rows: Sequence[Measured], overhead: Overhead) -> list[Figures]:
    return [closed_loop(row.server, overhead, row.clients, row.prompt, row.output) for row in rows]


def fit_overhead(rows: Sequence[Measured]) -> Overhead:
    """The overheads with the least median error: first of TPOT and E2E (engine), then of TTFT (front end)."""
    best: tuple[float, Overhead, list[Figures]] | None = None
    for engine in product(OVERHEAD_MS, OVERHEAD_US_PER_SEQ):
        figures = _simulated(rows, Overhead(engine))
        error = sum(_median(figures, rows, name) for name in ("tpot_ms", "e2e_ms"))
        if best is None or error < best[0]:
            best = (error, Overhead(engine), figures)
    assert best is not None
    _, overhead, figures = best
    front_end = min(FRONT_END_MS, key=lambda ms: _median([f.plus(ms) for f in figures], rows, "ttft_ms"))
    return Overhead(overhead.engine, front_end)


def _median(figures: Sequence[Figures], rows: Sequence[Measured], name: str) -> float:
    pairs = ((getattr(f, name), getattr(row.figures, name)) for f, row in zip(figures, rows, strict=True))
    return statistics.median(percent_errors(pairs))


def silicon_errors(shared: Path) -> tuple[Overhead, list[Row]]:
    """Median errors by GPUs, kernels only and with the overheads, on the half that wasn't fitted; in sample beside."""
    rows = silicon(shared)
    overhead = fit_overhead(rows[::2])
    table: list[Row] = []
    for half, chosen in (("fitted", rows[::2]), ("held out", rows[1::2])):
        for ways in sorted({row.server.tp for row in chosen}):
            of_ways = [row for row in chosen if row.server.tp == ways]
            table.append({"half": half, "GPUs": ways, "rows": len(of_ways), **_both(of_ways, overhead)})
        table.append({"half": half, "GPUs": "all", "rows": len(chosen), **_both(chosen, overhead)})
    return overhead, table


def _both(rows: Sequence[Measured], overhead: Overhead) -> dict[str, float]:
    kernels = _simulated(rows, Overhead())
    whole = [figures.plus(overhead.front_end_ms) for figures in _simulated(rows, overhead)]
    names = {"ttft_ms": "TTFT", "tpot_ms": "TPOT", "e2e_ms": "E2E"}
    errors = {f"{told} %": round(_median(whole, rows, name), 1) for name, told in names.items()}
    return errors | {f"{told} % (kernels only)": round(_median(kernels, rows, name), 1) for name, told in names.items()}


# -- open loops on H100 (BLIS' measurements) and on smaller cards (LLMServingSim's)

BLIS = {
    "llama-2-7b-tp1": ("Llama-2-7B", 1),
    "llama-2-70b": ("Llama-2-70B", 4),
    "mixtral-8x7b": ("Mixtral-8x7B", 2),
    "codellama-34b": ("CodeLlama-34B", 2),
}
BLIS_REQUESTS = 2_000
BLIS_PROMPTS = 45
BLIS_OUTPUT = 250
"""As its load profiles say (inference-perf's shared_prefix): evenly spaced requests, 9 to 11 system prompts with 4 or 5
questions each, the same again and again, so that nearly every prompt is in the prefix cache; 247 to 251 output tokens.
"""


def blis_errors(shared: Path) -> list[Row]:
    """Signed errors of the mean, rate by rate, kernels only plus the published front end; nothing is fitted here.

    Saturated experiments (a TTFT of minutes) are left out.
    """
    rows: list[Row] = []
    for measured in read_json(shared / "reference" / "validation.json")["blis_h100"]["rows"]:
        if measured["ttft_mean"] > 10_000:
            continue
        model, ways = next(value for key, value in BLIS.items() if key in measured["exp"])
        server = Server("H100-SXM", model, ways, max_num_seqs=128, budget=2048)
        work = _repeated_prompts(measured["rate"], round(measured["prompt_mean"]))
        ours = open_loop(server, Overhead(), work, prefix_caching=True).plus(BLIS_FRONT_END_MS)
        real = measured["ttft_mean"], (measured["e2e_mean"] - measured["ttft_mean"]) / (BLIS_OUTPUT - 1)
        rows.append(
            {
                "model": model,
                "GPUs": ways,
                "requests/s": round(measured["rate"]),
                "experiment": measured["exp"].split("-")[-1],
                **_signed(ours, Figures(*real, measured["e2e_mean"])),
            }
        )
    return sorted(rows, key=lambda row: (row["GPUs"], row["model"], row["requests/s"], row["experiment"]))


BLIS_FRONT_END_MS = 15.56


def _repeated_prompts(rate: float, prompt: int) -> Workload:
    """Evenly spaced requests that cycle through :data:`BLIS_PROMPTS` prompts of ``prompt`` tokens."""
    count, block = BLIS_REQUESTS, 16
    arrivals = np.round(np.arange(count) * (NS_PER_S / rate)).astype(np.int64)
    work = make_workload(arrivals, np.full(count, prompt, np.int64), np.full(count, BLIS_OUTPUT, np.int64))
    of_prompt, whole = prompt // block, (prompt + BLIS_OUTPUT) // block
    content = tuple(
        tuple((index % BLIS_PROMPTS if at < of_prompt else BLIS_PROMPTS + index) * whole + at for at in range(whole))
        for index in range(count)
    )
    return replace(work, content=content, content_block_tokens=block)


SMALLER = {
    "RTX4090": Server("RTX4090", "Llama-3.1-8B", 1, 256, 2048, 2588),
    "RTXPRO6000": Server("RTXPRO6000", "Llama-3.1-8B", 1, 128, 2048),
    "RTXPRO6000 x2": Server("RTXPRO6000", "Qwen3-32B", 2, 128, 2048),
}


def llmservingsim_errors(shared: Path, overhead: Overhead) -> list[Row]:
    """Signed errors of the mean. The lengths' distribution isn't known: this package's ShareGPT pairs, scaled to the
    recorded means, Poisson arrivals; the later rows are taken to have the first one's requests. GPU constants are
    generic."""
    recorded = read_json(shared / "reference" / "validation.json")["llmservingsim_real"]["rows"]
    first = recorded[0]
    pairs = load_trace("sharegpt-7.5").pairs[: first["n"]].astype(float)
    means = np.array([first["in_mean"], first["out_mean"]])
    lengths = np.maximum(1, np.round(pairs * means / pairs.mean(axis=0))).astype(np.int64)
    gaps_s = np.random.Generator(np.random.PCG64([1, 1])).exponential(1 / first["rps"], len(lengths))
    arrivals = np.cumsum(np.round(gaps_s * NS_PER_S).astype(np.int64))
    work = make_workload(arrivals, lengths[:, 0], lengths[:, 1])
    rows: list[Row] = []
    for real in recorded:
        server = SMALLER.get(real["hw"])
        if server is None or server.model != real["model"]:
            continue
        used = overhead if server.tp > 1 else Overhead()
        figures = Figures(real["ttft_s"][0] * 1000, real["tpot_ms_mean"], real["e2e_s_mean"] * 1000)
        ours = open_loop(server, used, work)
        rows.append({"GPUs": f"{server.tp} × {server.gpu}", "model": server.model, **_signed(ours, figures)})
    return rows


def _signed(ours: Figures, real: Figures) -> dict[str, str]:
    names = {"ttft_ms": "TTFT", "tpot_ms": "TPOT", "e2e_ms": "E2E"}
    return {
        f"{told} %": f"{(getattr(ours, name) / getattr(real, name) - 1) * 100:+.0f}" for name, told in names.items()
    }


# -- single requests, from the web


def single_requests(shared: Path) -> list[Row]:
    """TPOT of one request at a time, as people published it."""
    rows: list[Row] = []
    for source in read_json(shared / "reference" / "validation.json")["web"]:
        for gpu, told in (("H100-SXM", "H100-80GB"), ("A100-40GB", "A100-40GB")):
            one = next((row for row in source.get("rows", ()) if row.get("conc") == 1), None)
            if source["hw"] == told and one is not None:
                measured_ms = one.get("tpot_p50_ms") or 1000 / one["tok_s"]
                cost = roofline_cost(find_gpu(gpu), find_model("Llama-3.1-8B"))
                ours_ms = cost.decodes_ns(1, 1024)[0] / 1e6
                rows.append(
                    {
                        "GPU": gpu,
                        "model": "Llama-3.1-8B",
                        "engine": source["engine"],
                        "measured ms": round(measured_ms, 2),
                        "here ms": round(ours_ms, 2),
                        "source": source["src"].split("/")[2],
                    }
                )
    return rows


__all__ = (
    "Overhead",
    "blis_errors",
    "llmservingsim_errors",
    "silicon_errors",
    "single_requests",
)
