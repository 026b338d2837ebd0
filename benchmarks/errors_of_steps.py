"""Errors of single iterations: kernel tables, Vidur's recorded iterations, Splitwise's prefills and decodes."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.fit_profiles import recorded
from benchmarks.fit_roofline import SYSTEMS, Step, halves, measured_steps
from sim.cost import IterationCost, load_profile, roofline_cost
from sim.cost.roofline import efficiency
from sim.hardware import find_gpu
from sim.models import find_model

Row = dict[str, str | int | float]


def percent_errors(pairs: Iterable[tuple[float, float]]) -> list[float]:
    """Absolute, in percent, of (predicted, measured)."""
    return [abs(predicted / measured - 1) * 100 for predicted, measured in pairs]


def kernel_steps(shared: Path) -> list[Row]:
    """Per GPU, model and kind: mean and largest error on the half that wasn't fitted, and with generic constants."""
    _, held_out = halves(measured_steps(shared))
    groups: dict[tuple[str, str, str], list[Step]] = {}
    for step in held_out:
        groups.setdefault((step.gpu, f"{step.model}, {step.tp} GPU{'s' * (step.tp > 1)}", step.kind), []).append(step)
    generic = {name: efficiency(replace(find_gpu(name), name="another")) for name in SYSTEMS.values()}
    rows: list[Row] = []
    for (gpu, model, kind), steps in groups.items():
        fitted = percent_errors((step.predicted_ms(), step.ms) for step in steps)
        others = percent_errors((step.predicted_ms(generic[gpu]), step.ms) for step in steps)
        rows.append(
            {
                "GPU": gpu,
                "model": model,
                "kind": kind,
                "rows": len(steps),
                "mean error %": round(statistics.mean(fitted), 1),
                "largest %": round(max(fitted), 1),
                "mean with generic constants %": round(statistics.mean(others), 1),
            }
        )
    return rows


def vidur_iterations(shared: Path) -> list[Row]:
    """Per recorded run: errors of the A100 profile on the iterations that weren't fitted (the 2nd, 4th, ...)."""
    cost = IterationCost(load_profile("a100-llama3-8b-vidur"))
    columns = ("n_decode", "sum_decode_ctx", "n_prefill", "prefill_tokens")
    rows: list[Row] = []
    for name, iterations in recorded(shared):
        odd = iterations[1::2]
        asked = zip(*(odd[column].astype(int).tolist() for column in columns), strict=True)
        half_pairs = (2 * odd["sum_chunk_x_midctx"]).round().astype(int).tolist()
        ms = np.array([cost.iteration_ns(*batch, pairs) / 1e6 for batch, pairs in zip(asked, half_pairs, strict=True)])
        errors = np.abs(ms / odd["iter_ms"] - 1) * 100
        rows.append(
            {
                "run": name,
                "iterations": len(odd),
                "median error %": round(float(np.median(errors)), 2),
                "95th percentile %": round(float(np.percentile(errors, 95)), 1),
                "total time %": f"{(ms.sum() / odd['iter_ms'].sum() - 1) * 100:+.2f}",
            }
        )
    return rows


SPLITWISE_MODELS = {"llama2-70b": "Llama-2-70B", "bloom-176b": "BLOOM-176B"}
SPLITWISE_GPUS = {"a100-80gb": "A100-80GB", "h100-80gb": "H100-SXM"}


def splitwise_steps(shared: Path) -> list[Row]:
    """Per model and GPUs: median error of prefills and of decodes against Splitwise's measurements; none is fitted."""
    groups: dict[tuple[str, str, int], list[dict[str, str]]] = {}
    with (shared / "data" / "profiles" / "splitwise_sim_perf_model.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["hardware"] in SPLITWISE_GPUS and row["token_size"] == "128":
                key = SPLITWISE_MODELS[row["model"]], SPLITWISE_GPUS[row["hardware"]], int(row["tensor_parallel"])
                groups.setdefault(key, []).append(row)
    return [_splitwise_row(*key, rows) for key, rows in sorted(groups.items())]


def _splitwise_row(model: str, gpu: str, ways: int, rows: Sequence[dict[str, str]]) -> Row:
    cost = roofline_cost(find_gpu(gpu), find_model(model), ways)

    def prefill_ms(batch: int, prompt: int) -> float:
        return cost.iteration_ns(0, 0, batch, batch * prompt, batch * prompt**2) / 1e6

    def decode_ms(batch: int, prompt: int) -> float:
        return cost.decodes_ns(batch, batch * (prompt + 64))[0] / 1e6

    return {
        "model": model,
        "GPUs": f"{ways} × {gpu}",
        "rows": len(rows),
        **_medians("prefill", rows, prefill_ms, "prompt_time"),
        **_medians("decode", rows, decode_ms, "token_time"),
    }


def _medians(
    kind: str, rows: Sequence[dict[str, str]], predicted_ms: Callable[[int, int], float], column: str
) -> dict[str, str | int | float]:
    pairs = [(predicted_ms(int(row["batch_size"]), int(row["prompt_size"])), float(row[column])) for row in rows]
    ratio = statistics.median(predicted / measured for predicted, measured in pairs)
    return {
        f"{kind} median error %": round(statistics.median(percent_errors(pairs)), 1),
        f"{kind} predicted / measured": round(ratio, 2),
    }


__all__ = ["Row", "kernel_steps", "percent_errors", "splitwise_steps", "vidur_iterations"]
