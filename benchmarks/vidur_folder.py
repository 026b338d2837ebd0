"""Reads a recorded run of Vidur: ``config.json``, ``requests.csv`` and, where there is one, ``iterations.csv``.

What a configuration leaves out is Vidur's own default; what this simulator can't rebuild is said in one sentence.
"""

from __future__ import annotations

import csv
import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sim.api import NS_PER_S
from sim.hardware import find_gpu
from sim.models import Model, find_model
from sim.scenario import ClusterSpec, EngineRules, EngineSpec
from sim.workload.build import Workload, make_workload

DEVICES = {"a100": "A100-80GB", "h100": "H100-SXM", "a40": "A40"}
DEVICE_GB = {"a100": 80, "h100": 80, "a40": 45}
"""As Vidur's memory planner counts them."""
MODELS = {
    "Meta-Llama-3-8B": "Llama-3-8B",
    "Llama-2-7b-hf": "Llama-2-7B",
    "Llama-2-70b-hf": "Llama-2-70B",
    "CodeLlama-34b-Instruct-hf": "CodeLlama-34B",
}
RULES: Mapping[str, EngineRules] = {"vllm": "vllm", "sarathi": "sarathi", "orca": "orca"}
ROUTERS = {"round_robin": "round-robin", "lor": "least-outstanding", "random": "random"}


class BadFolder(Exception):
    """A folder that holds no run this can rebuild; ``str(error)`` says which and why, in one sentence."""


@dataclass(frozen=True)
class Batch:
    """What one iteration held: as :meth:`sim.cost.Cost.iteration_ns` is asked."""

    prefills: int
    prefill_tokens: int
    prefill_half_pairs: int
    decodes: int
    decode_context_tokens: int


@dataclass(frozen=True)
class Recorded:
    """Per request in order of arrival; seconds. ``replica``: where Vidur sent it."""

    replica: list[int]
    arrived_s: list[float]
    prompt_tokens: list[int]
    output_tokens: list[int]
    first_token_s: list[float]
    finished_s: list[float]
    restarts: list[int]

    def __len__(self) -> int:
        return len(self.replica)

    def workload(self) -> Workload:
        arrival_ns = np.array([round(t * NS_PER_S) for t in self.arrived_s], dtype=np.int64)
        return make_workload(arrival_ns, np.array(self.prompt_tokens), np.array(self.output_tokens))


@dataclass(frozen=True)
class Iterations:
    """One replica's iterations in order: what they held and how long they took."""

    batches: list[Batch] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class VidurRun:
    """``iterations``: by replica, empty if they weren't recorded. ``timing``: of Vidur itself, as far as recorded."""

    folder: Path
    cluster: ClusterSpec
    engine: EngineSpec
    router: str
    requests: Recorded
    iterations: Mapping[int, Iterations]
    timing: Mapping[str, float]


def read_run(folder: Path) -> VidurRun:
    """The run that ``folder`` holds; BadFolder if it holds none that can be rebuilt."""
    config = _config(folder)
    try:
        cluster, engine = _cluster(config, folder), _engine(config, folder)
    except (TypeError, ValueError) as error:
        raise BadFolder(f"{folder}/config.json holds a value that isn't what its key needs: {error}.") from error
    requests = _requests(folder)
    if requests and max(requests.replica) >= cluster.replicas:
        raise BadFolder(f"{folder}/requests.csv names replica {max(requests.replica)} of {cluster.replicas}.")
    router = _chosen(config, "global_scheduler", "round_robin", ROUTERS, folder)
    timing = config.get("timing")
    recorded = {index: anchored(record, requests, index) for index, record in _iterations(folder).items()}
    return VidurRun(folder, cluster, engine, router, requests, recorded, timing if isinstance(timing, dict) else {})


def _config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise BadFolder(f"There is no folder {folder}.")
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except FileNotFoundError:
        raise BadFolder(f"{folder} has no config.json.") from None
    except (OSError, ValueError) as error:
        raise BadFolder(f"{folder}/config.json can't be read: {error}.") from error
    if not isinstance(config, dict):
        raise BadFolder(f"{folder}/config.json must hold an object.")
    return config


def _chosen(config: Mapping[str, Any], key: str, default: str, known: Mapping[str, str], folder: Path) -> str:
    value = config.get(key) or default
    name = str(value).split("/")[-1] if key == "model" else str(value)
    if name not in known:
        raise BadFolder(f"{folder}/config.json: {key} {value!r} can't be rebuilt; known are {', '.join(known)}.")
    return known[name]


def _whole(config: Mapping[str, Any], key: str, default: int) -> int:
    """A number, possibly written as 128.0; the default if it is missing or null."""
    value = config.get(key)
    return default if value is None else int(value)


def _share(config: Mapping[str, Any], key: str, default: float) -> float:
    value = config.get(key)
    return default if value is None else float(value)


def _cluster(config: Mapping[str, Any], folder: Path) -> ClusterSpec:
    for key in ("tensor_parallel", "pipeline_stages"):
        if _whole(config, key, 1) != 1:
            raise BadFolder(f"{folder}/config.json: {key} {config[key]} can't be rebuilt, only 1.")
    model = find_model(_chosen(config, "model", "", MODELS, folder))
    gpu = find_gpu(_chosen(config, "device", "", DEVICES, folder))
    orca = config.get("replica_scheduler") == "orca"
    sarathi = config.get("replica_scheduler") == "sarathi"
    planned = planned_requests(config, model)
    seats = _whole(config, "batch_size_cap", 128)
    block_tokens = _whole(config, "block_size", 16)
    per_request = _whole(config, "max_tokens_per_request", 4096) // block_tokens
    return ClusterSpec(
        replicas=_whole(config, "num_replicas", 1),
        gpu=gpu.name,
        model=model.name,
        kv_blocks=_whole(config, "num_blocks", 0) or planned * per_request,
        block_tokens=block_tokens,
        watermark_fraction=_share(config, "watermark_blocks_fraction", 0.01),
        max_num_seqs=min(seats, planned) if orca else seats,
        chunk_tokens=_whole(config, "chunk_size", 512) if sarathi else _whole(config, "max_tokens_in_batch", 4096),
        usd_per_gpu_hour=0.0,
    )


def planned_requests(config: Mapping[str, Any], model: Model) -> int:
    """Requests of full length that Vidur's planner fits: memory less margin less weights without embeddings."""
    stated = config.get("max_batch_size_memory_planner")
    if stated is not None:
        return int(stated)
    memory = DEVICE_GB[str(config["device"])] * 1024**3 * (1 - _share(config, "memory_margin_fraction", 0.1))
    of_request = model.kv_bytes_per_token * _whole(config, "max_tokens_per_request", 4096)
    return int((memory - 2 * model.dense_params) // of_request)


def _engine(config: Mapping[str, Any], folder: Path) -> EngineSpec:
    name = _chosen(config, "replica_scheduler", "vllm", RULES, folder)
    rules = RULES[name]
    return EngineSpec(rules, reserved_tokens=_whole(config, "max_tokens_per_request", 4096), vidur_compat=True)


def _rows(file: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            lacking = [column for column in columns if column not in (reader.fieldnames or ())]
            if lacking:
                raise BadFolder(f"{file} lacks the column {lacking[0]}.")
            return list(reader)
    except FileNotFoundError:
        raise BadFolder(f"{file.parent} has no {file.name}.") from None
    except (OSError, ValueError, csv.Error) as error:
        raise BadFolder(f"{file} can't be read: {error}.") from error


def _number(row: Mapping[str, str], column: str, file: Path, line: int) -> float:
    try:
        value = float(row[column])
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise BadFolder(f"{file}, line {line}: {column} must be a number, not {row[column]!r}.")
    return value


_TIMES = ("arrived_at", "prefill_completed_at", "completed_at")
_COUNTS = ("request_id", "num_prefill_tokens", "num_decode_tokens")


def _requests(folder: Path) -> Recorded:
    file = folder / "requests.csv"
    rows = _rows(file, (*_TIMES, *_COUNTS))
    optional = [column for column in ("replica", "num_restarts") if rows and column in rows[0]]
    table = []
    for line, row in enumerate(rows, 2):
        values = {column: _number(row, column, file, line) for column in (*_TIMES, *_COUNTS, *optional)}
        if min(values["num_prefill_tokens"], values["num_decode_tokens"]) < 1 or values["arrived_at"] < 0:
            raise BadFolder(f"{file}, line {line}: a request needs prompt and output tokens and an arrival from 0 on.")
        table.append(values)
    if not table:
        raise BadFolder(f"{file} lists no request.")
    table.sort(key=lambda row: (row["arrived_at"], row["request_id"]))
    return Recorded(
        replica=[int(row.get("replica", 0)) for row in table],
        arrived_s=[row["arrived_at"] for row in table],
        prompt_tokens=[int(row["num_prefill_tokens"]) for row in table],
        output_tokens=[int(row["num_decode_tokens"]) for row in table],
        first_token_s=[row["prefill_completed_at"] for row in table],
        finished_s=[row["completed_at"] for row in table],
        restarts=[int(row.get("num_restarts", 0)) for row in table],
    )


_BATCH = ("prefill_tokens", "n_prefill", "sum_chunk_x_midctx", "n_decode", "sum_decode_ctx", "iter_ms")


def _iterations(folder: Path) -> dict[int, Iterations]:
    file = folder / "iterations.csv"
    if not file.is_file():
        return {}
    recorded: dict[int, Iterations] = {}
    for line, row in enumerate(_rows(file, _BATCH), 2):
        value = {column: _number(row, column, file, line) for column in _BATCH}
        replica = int(_number(row, "replica", file, line)) if "replica" in row else 0
        of_replica = recorded.setdefault(replica, Iterations())
        of_replica.batches.append(
            Batch(
                prefills=int(value["n_prefill"]),
                prefill_tokens=int(value["prefill_tokens"]),
                prefill_half_pairs=round(2 * value["sum_chunk_x_midctx"]),
                decodes=int(value["n_decode"]),
                decode_context_tokens=int(value["sum_decode_ctx"]),
            )
        )
        of_replica.times_ns.append(round(value["iter_ms"] * 1e6))
    return recorded


ANCHOR_WITHIN_NS = 2000
"""Further than this a recorded event isn't the end of an iteration that was expected near it."""


def anchored(record: Iterations, requests: Recorded, replica: int) -> Iterations:
    """The same with times to the nanosecond.

    Iteration times are recorded to 10 ns or worse, which adds up to microseconds over a run, enough to let an arrival
    fall on the other side of an iteration's end. First tokens and finishes are recorded exactly, and each is the end of
    an iteration: an end that is expected near one is put there. Whether the replica then idles is known too, from the
    requests that have arrived and not finished.
    """
    mine = [index for index, of in enumerate(requests.replica) if of == replica]
    arrivals = sorted(round(requests.arrived_s[index] * NS_PER_S) for index in mine)
    finishes = sorted(round(requests.finished_s[index] * NS_PER_S) for index in mine)
    events = sorted({*finishes, *(round(requests.first_token_s[index] * NS_PER_S) for index in mine)})
    times_ns, now_ns = [], 0
    for time_ns in record.times_ns:
        finished = bisect_right(finishes, now_ns)
        if finished < len(arrivals) and bisect_right(arrivals, now_ns) == finished:
            now_ns = arrivals[finished]
        end_ns = _nearest(events, now_ns + time_ns)
        times_ns.append(end_ns - now_ns)
        now_ns = end_ns
    return Iterations(record.batches, times_ns)


def _nearest(events: Sequence[int], expected_ns: int) -> int:
    """The event at most :data:`ANCHOR_WITHIN_NS` away that is nearest, or the expected time itself."""
    at = bisect_left(events, expected_ns)
    near = [event for event in events[max(0, at - 1) : at + 1] if abs(event - expected_ns) <= ANCHOR_WITHIN_NS]
    return min(near, key=lambda event: abs(event - expected_ns), default=expected_ns)
