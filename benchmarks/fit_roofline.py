"""Fits the constants of ``sim/catalogue/roofline.toml`` to one half of the measured kernel times.

    python benchmarks/fit_roofline.py [--shared DIR]

Prints the file's sections for the GPUs that have measurements. Every second row of each GPU, model and kind is fitted
(:func:`halves`); ``benchmarks/cost_errors.py`` reports the errors on the others. Which of its two bounds a batch meets
(compute or weights) depends on two constants: these are searched on a grid of whole percents, and the rest follows by
least squares of the relative errors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.shared_data import read_json, shared_folder
from sim.cost.roofline import Efficiency, efficiency, roofline_cost
from sim.hardware import Gpu, find_gpu
from sim.models import Model, find_model

SYSTEMS = {"h100_sxm": "H100-SXM", "h200_sxm": "H200-SXM", "a100_sxm": "A100-80GB", "l40s": "L40S"}
MODELS = {
    "Qwen/Qwen3-8B": "Qwen3-8B",
    "meta-llama/Meta-Llama-3.1-8B": "Llama-3.1-8B",
    "Qwen/Qwen3-30B-A3B": "Qwen3-30B-A3B",
    "meta-llama/Meta-Llama-3.1-70B": "Llama-3.1-70B",
}
MBU_W = range(70, 93)
"""Reading weights reaches no more of the bandwidth; without a bound the fit trades it for overhead."""
MFU = range(40, 91)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """One measured iteration: ``batch`` prefills or decodes of ``tokens`` tokens each (a decode reads that many)."""

    gpu: str
    model: str
    tp: int
    kind: str
    batch: int
    tokens: int
    ms: float

    @property
    def batch_tokens(self) -> int:
        return self.batch * self.tokens if self.kind == "prefill" else self.batch

    @property
    def half_pairs(self) -> int:
        return self.batch * self.tokens**2 if self.kind == "prefill" else 0

    @property
    def kv_tokens(self) -> int:
        return 0 if self.kind == "prefill" else self.batch * self.tokens

    def predicted_ms(self, reached: Efficiency | None = None) -> float:
        cost = roofline_cost(find_gpu(self.gpu), find_model(self.model), self.tp, reached=reached)
        if self.kind == "decode":
            return cost.decodes_ns(self.batch, self.kv_tokens)[0] / 1e6
        return cost.iteration_ns(0, 0, self.batch, self.batch_tokens, self.half_pairs) / 1e6


def measured_steps(shared: Path) -> list[Step]:
    rows: list[dict[str, Any]] = read_json(shared / "reference" / "validation.json")["step_time_tables"]["rows"]
    return [
        Step(SYSTEMS[r["system"]], MODELS[r["model"]], r["tp"], r["kind"], r["batch"], r["tokens"], r["ms"])
        for r in rows
    ]


def halves(steps: Iterable[Step]) -> tuple[list[Step], list[Step]]:
    """Every second step of each GPU, model and kind to fit, in the order of the file; the others to report."""
    groups: dict[tuple[str, str, str], list[Step]] = {}
    for step in steps:
        groups.setdefault((step.gpu, step.model, step.kind), []).append(step)
    fitted = [step for group in groups.values() for step in group[::2]]
    return fitted, [step for group in groups.values() for step in group[1::2]]


def _tokens_ms(steps: Sequence[Step], gpu: Gpu, mfu: int, mbu: int) -> Floats:
    """The dense part of the tokens term."""
    return np.array([_dense_ms(step, gpu, find_model(step.model), mfu, mbu) for step in steps])


def _dense_ms(step: Step, gpu: Gpu, model: Model, mfu: int, mbu: int) -> float:
    flop = 2 * model.dense_params * step.batch_tokens / step.tp
    read = 2 * (model.dense_params + model.head_params) / step.tp
    return max(flop / (gpu.dense_bf16_gflops * mfu * 1e4), read / (gpu.bandwidth_gb_s * mbu * 1e4))


def _attention_columns(steps: Sequence[Step], gpu: Gpu) -> Floats:
    """ms at the full peaks: prefill attention, KV reads."""
    rows = []
    for step in steps:
        model = find_model(step.model)
        flop = 2 * model.heads * model.head_dim * model.layers * step.half_pairs / step.tp
        read = model.kv_bytes_per_token * step.kv_tokens / model.kv_shards(step.tp)
        rows.append((flop / (gpu.dense_bf16_gflops * 1e6), read / (gpu.bandwidth_gb_s * 1e6)))
    return np.array(rows)


def _scale(steps: Sequence[Step]) -> Floats:
    """What an error is divided by: the step's time, so that prefills and decodes count alike, few or many."""
    prefills = sum(step.kind == "prefill" for step in steps)
    share = {"prefill": prefills / len(steps), "decode": 1 - prefills / len(steps)}
    return np.array([step.ms * float(np.sqrt(share[step.kind])) for step in steps])


def _least(columns: Floats, rest: Floats, ms: Floats) -> tuple[Floats, float]:
    """Non-negative x that brings ``columns @ x`` to ``rest``, errors relative to ``ms``; and the mean square left."""
    active = list(range(columns.shape[1]))
    while True:
        x = np.zeros(columns.shape[1])
        x[active] = np.linalg.lstsq(columns[:, active] / ms[:, None], rest / ms, rcond=None)[0]
        negative = [index for index in active if x[index] < 0]
        if not negative:
            return x, float(np.mean(((columns @ x - rest) / ms) ** 2))
        active = [index for index in active if index not in negative]


def fit_dense(steps: Sequence[Step], gpu: Gpu) -> dict[str, int]:
    """The constants that dense models show, on one GPU and on several: together, because a large model's weights are
    what tells their reading from a fixed overhead."""
    ms = np.array([step.ms for step in steps])
    ones = np.array([(1.0, step.batch) for step in steps])
    columns = np.hstack([_attention_columns(steps, gpu), ones, _link_columns(steps, gpu)])
    best: tuple[float, int, int, Floats] | None = None
    for mfu, mbu in product(MFU, MBU_W):
        x, left = _least(columns, ms - _tokens_ms(steps, gpu, mfu, mbu), _scale(steps))
        if best is None or left < best[0]:
            best = (left, mfu, mbu, x)
    assert best is not None
    _, mfu, mbu, (attn, kv, fixed_ms, each_ms, link, latency_ms) = best
    return {
        "mfu": mfu,
        "mfu_attn": round(100 / attn),
        "mbu_w": mbu,
        "mbu_kv": round(100 / kv),
        "link_eff": round(100 / link),
        "allreduce_ns": round(latency_ms * 1e6),
        "overhead_us": round(fixed_ms * 1000),
        "overhead_ns_per_seq": round(each_ms * 1e6),
    }


def _link_columns(steps: Sequence[Step], gpu: Gpu) -> Floats:
    """Two all-reduces a layer if there are several GPUs: ms of sending at the full rate, and how many."""
    rows = []
    for step in steps:
        model = find_model(step.model)
        sent = 2 * model.layers * 2 * (step.tp - 1) / step.tp * step.batch_tokens * model.hidden * 2
        rows.append((sent / (gpu.link_gb_s * 1e6), 2.0 * model.layers * (step.tp > 1)))
    return np.array(rows)


def fit_experts(steps: Sequence[Step], gpu: Gpu, dense: dict[str, int]) -> dict[str, int]:
    """The experts' operators: what a mixture takes beyond the dense constants."""
    ms = np.array([step.ms for step in steps])
    rest = ms - _without_extras_ms(steps, gpu, dense)
    model = find_model(steps[0].model)
    share = [1 - (1 - model.experts_per_token / model.experts) ** step.batch_tokens for step in steps]
    flop = np.array([2 * model.layers * model.experts_per_token * model.expert_params * s.batch_tokens for s in steps])
    read = 2 * model.layers * model.experts * model.expert_params * np.array(share)
    best: tuple[float, int, int, float] | None = None
    for mfu, mbu in product(range(15, 91), range(50, 93)):
        experts = flop / (gpu.dense_bf16_gflops * mfu * 1e4) + read / (gpu.bandwidth_gb_s * mbu * 1e4)
        (layer_ms,), left = _least(np.full((len(steps), 1), float(model.layers)), rest - experts, _scale(steps))
        if best is None or left < best[0]:
            best = (left, mfu, mbu, layer_ms)
    assert best is not None
    return {"moe_mfu": best[1], "moe_mbu": best[2], "moe_layer_ns": round(best[3] * 1e6)}


def _without_extras_ms(steps: Sequence[Step], gpu: Gpu, dense: dict[str, int]) -> Floats:
    attention = _attention_columns(steps, gpu) @ np.array([100 / dense["mfu_attn"], 100 / dense["mbu_kv"]])
    each = np.array([step.batch for step in steps]) * dense["overhead_ns_per_seq"] / 1e6
    return _tokens_ms(steps, gpu, dense["mfu"], dense["mbu_w"]) + attention + each + dense["overhead_us"] / 1000


def fit_gpu(steps: Sequence[Step], name: str) -> Efficiency:
    """All constants of one GPU from ``steps``."""
    gpu = find_gpu(name)
    of_gpu = [step for step in steps if step.gpu == name]
    mixture = [step for step in of_gpu if find_model(step.model).experts]
    dense = fit_dense([step for step in of_gpu if step not in mixture], gpu)
    return Efficiency(source=efficiency(gpu).source, **dense, **fit_experts(mixture, gpu, dense))


def main() -> None:
    parser = argparse.ArgumentParser(description="Fits the roofline's constants to half of the measured kernel times.")
    parser.add_argument("--shared", help="the folder with the reference data")
    fitted, _ = halves(measured_steps(shared_folder(parser.parse_args().shared)))
    for name in SYSTEMS.values():
        reached = fit_gpu(fitted, name)
        print(f'["{name}"]')
        for field in fields(reached):
            value = getattr(reached, field.name)
            print(f'{field.name} = "{value}"' if isinstance(value, str) else f"{field.name} = {value}")
        print()


if __name__ == "__main__":
    main()
