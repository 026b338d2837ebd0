"""Writes the profiles in ``sim/profiles/`` that follow Vidur's iteration times.

    python benchmarks/fit_profiles.py [--shared DIR]

Llama-3-8B on an A100: fitted here to every second iteration that Vidur recorded in the folders of ``data/vidur`` that
list them (``benchmarks/cost_errors.py`` reports the errors on the others). Llama-2-7B on A100, H100 and A40: the fits
to Vidur's predictor in ``iteration_time_fits.json``, their tokens term sampled.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.shared_data import ROOT, read_json, shared_folder

Floats = NDArray[np.float64]
KNOTS = [1, *range(8, 129, 8), 160, 192, 224, *range(256, 1025, 64), *range(1152, 4097, 128)]
SAMPLED = [1, 2, 4, *range(8, 512, 8), *range(512, 4096, 64), 4096, 8192, 16384, 32768]
LARGE_WEIGHT = 20
"""How often a batch counts that was computed and not recorded."""
LARGE_SCALE = 1.01
"""By which the fit's times of such batches are raised: it is 1.4% short on the run with the largest batches (10), whose
mean TPOT is met with this, requests sent where Vidur sent them."""
PRIOR_WEIGHT = 0.002
"""How much a tokens row is held to the measured operators where few iterations say otherwise."""

FITS = {
    "a100-llama2-7b-vidur": ("a100|meta-llama/Llama-2-7b-hf", "A100-80GB", "measured"),
    "h100-llama2-7b-vidur": ("h100|meta-llama/Llama-2-7b-hf", "H100-SXM", "scaled from an A800's by the cards' peaks"),
    "a40-llama2-7b-vidur": (
        "a40|meta-llama/Llama-2-7b-hf",
        "A40",
        "read off two measured pages (decode) and scaled from an A800's (prefill)",
    ),
}
HEAD = """\
# {title}
# {about}
# Written by benchmarks/fit_profiles.py.
"""


def recorded(shared: Path) -> Iterator[tuple[str, Any]]:
    """Name and iterations (a numpy record array) of each folder that lists them."""
    for file in sorted((shared / "data" / "vidur").glob("*/iterations.csv")):
        if read_json(file.with_name("config.json"))["model"].endswith("Llama-3-8B"):
            yield file.parent.name, np.genfromtxt(file, delimiter=",", names=True)


def _knots(tokens: Floats) -> Floats:
    """Each row's weights of the knots: linear interpolation as a matrix."""
    knots = np.array(KNOTS, dtype=float)
    below = np.clip(np.searchsorted(knots, tokens, side="right") - 1, 0, len(knots) - 2)
    share = (tokens - knots[below]) / (knots[below + 1] - knots[below])
    weights = np.zeros((len(tokens), len(knots)))
    rows = np.arange(len(tokens))
    weights[rows, below], weights[rows, below + 1] = 1 - share, share
    return weights


def _columns(rows: Any) -> Floats:
    decodes, prefill = rows["n_decode"], rows["prefill_tokens"]
    terms = [decodes > 0, decodes, rows["sum_decode_ctx"] / 1e4, prefill > 0, rows["sum_chunk_x_midctx"] / 1e6]
    return np.hstack([_knots(prefill + decodes), np.column_stack(terms)])


def _large_decodes(fit: Mapping[str, Any], largest: int) -> Any:
    """Batches of more decodes than were recorded, with the times that the fit to Vidur's predictor gives them."""
    terms = fit["coef"]
    names = ("n_decode", "sum_decode_ctx", "prefill_tokens", "sum_chunk_x_midctx", "iter_ms")
    rows = []
    for decodes, context in product([n for n in KNOTS if largest < n <= 128], (400, 800, 1200, 1600, 2000)):
        attention_ms = terms["d0"] + terms["d1"] * decodes + terms["d2"] * decodes * context
        ms = float(np.interp(decodes, fit["knots_tokens"], fit["knots_ms"])) + attention_ms
        rows.append((decodes, decodes * context, 0, 0, ms * LARGE_SCALE))
    return np.array(rows * LARGE_WEIGHT, dtype=[(name, float) for name in names])


def fit_recorded(shared: Path) -> tuple[Floats, Floats]:
    """ms at the knots, and the five other terms, by least squares of the relative errors."""
    table = read_json(shared / "data" / "vidur" / "iteration_time_fits.json")["a100|meta-llama/Meta-Llama-3-8B"]
    fit = table["vidur"]["table_model"]
    halves = [rows[::2] for _, rows in recorded(shared)]
    halves.append(_large_decodes(fit, int(max(rows["n_decode"].max() for rows in halves))))
    columns = np.vstack([_columns(rows) for rows in halves])
    ms = np.concatenate([rows["iter_ms"] for rows in halves])
    prior = np.interp(KNOTS, fit["knots_tokens"], fit["knots_ms"]) + fit["coef"]["s"] * np.array(KNOTS)
    weight = PRIOR_WEIGHT * np.sqrt(len(ms) / len(KNOTS))
    held = np.zeros((len(KNOTS), columns.shape[1]))
    held[np.arange(len(KNOTS)), np.arange(len(KNOTS))] = weight / prior
    left = np.vstack([columns / ms[:, None], held])
    right = np.concatenate([np.ones(len(ms)), np.full(len(KNOTS), weight)])
    x = np.linalg.lstsq(left, right, rcond=None)[0]
    return x[: len(KNOTS)], x[len(KNOTS) :]


def llama3_profile(shared: Path) -> str:
    knots_ms, (once, each, kv, prefills, pairs) = fit_recorded(shared)
    operators = read_json(shared / "data" / "vidur" / "iteration_time_fits.json")["a100|meta-llama/Meta-Llama-3-8B"]
    linear = operators["linear_layers_ms_by_tokens"]
    slope = (linear["4096"] - linear["2048"]) / 2048
    beyond = [8192, 16384, 32768]
    return _toml(
        "Llama-3-8B on one NVIDIA A100 80 GB as Vidur's predictor has it, by tokens in the batch.",
        "Past 4,096 tokens the rows rise as the measured operators do between 2,048 and 4,096. No record has more\n"
        "# than 53 decodes at once: the rows for those follow the fit to Vidur's predictor, raised by 1%.",
        "A100-80GB",
        "Llama-3-8B",
        "fitted to every second iteration (the 1st, 3rd, ...) of four recorded runs of microsoft/vidur 7d47513; "
        "operators measured, attention rebuilt from 264 measured points",
        ([*KNOTS, *beyond], [*knots_ms, *(knots_ms[-1] + slope * (n - 4096) for n in beyond)]),
        {
            "decodes_ns": once * 1e6,
            "each_decode_ns": each * 1e6,
            "decode_attention_ps_per_token": kv * 1e5,
            "prefills_ns": prefills * 1e6,
            "prefill_attention_ps_per_pair": pairs * 1e3,
        },
    )


def llama2_profile(shared: Path, name: str) -> str:
    key, gpu, attention = FITS[name]
    fit: Mapping[str, float] = read_json(shared / "data" / "vidur" / "iteration_time_fits.json")[key]["vidur"]["coef"]
    power = fit["p"]
    tokens_ms = [fit["a0"] + (fit["w"] ** power + (fit["g"] * n) ** power) ** (1 / power) for n in SAMPLED]
    return _toml(
        f"Llama-2-7B on one NVIDIA {gpu} as Vidur's predictor has it, by tokens in the batch.",
        f"(w**p + (g * tokens)**p)**(1/p) + a0: a0 {fit['a0']:g}, w {fit['w']:g}, g {fit['g']:g}, p {power:g} (ms).",
        gpu,
        "Llama-2-7B",
        "fitted to 6,000 random batches of microsoft/vidur 7d47513's predictor, median error 1.4 to 2.4% on 2,000 "
        f"others; operators measured, attention {attention}",
        (SAMPLED, tokens_ms),
        {
            "decodes_ns": fit["d0"] * 1e6,
            "each_decode_ns": fit["d1"] * 1e6,
            "decode_attention_ps_per_token": fit["d2"] * 1e9,
            "prefills_ns": fit["p0"] * 1e6,
            "prefill_ps_per_token": fit["s"] * 1e9,
            "prefill_attention_ps_per_pair": fit["c"] * 1e9,
        },
    )


def _toml(
    title: str,
    about: str,
    gpu: str,
    model: str,
    source: str,
    table_ms: tuple[list[int], list[float]],
    terms: Mapping[str, float],
) -> str:
    lines = [HEAD.format(title=title, about=about) + f'gpu = "{gpu}"', f'model = "{model}"', f'source = "{source}"', ""]
    lines += [f"{name} = {round(float(value))}" for name, value in terms.items()]
    tokens, times_ms = table_ms
    lines += [
        "",
        _array("num_tokens", tokens),
        "",
        _array("linear_ns", [round(float(ms) * 1e6) for ms in times_ms]),
        "",
    ]
    return "\n".join(lines)


def _array(name: str, numbers: list[int]) -> str:
    lines, line = [f"{name} = ["], "   "
    for number in numbers:
        if len(line) + len(str(number)) + 2 > 118:
            lines.append(line)
            line = "   "
        line += f" {number},"
    return "\n".join([*lines, line, "]"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the profiles that follow Vidur's iteration times.")
    parser.add_argument("--shared", help="the folder with the reference data")
    shared = shared_folder(parser.parse_args().shared)
    profiles = {"a100-llama3-8b-vidur": llama3_profile(shared)}
    profiles |= {name: llama2_profile(shared, name) for name in FITS}
    for name, text in profiles.items():
        (ROOT / "sim" / "profiles" / f"{name}.toml").write_text(text, "utf-8")
        print(f"sim/profiles/{name}.toml", file=sys.stderr)


if __name__ == "__main__":
    main()
