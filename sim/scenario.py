"""Scenarios: which cluster, which iteration cost, which workload and which goal a simulation has.

A scenario is a TOML file with units in its keys; those that ship lie in ``sim/scenarios/``. This module holds the
values; reading and checking files is :mod:`sim.scenario_file`, imported only when a file is read, because it needs
pydantic and a running simulation does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeAlias

from sim.errors import ScenarioError
from sim.names import hint
from sim.workload.spec import FileWorkload, TraceWorkload, WorkloadSpec

EngineRules: TypeAlias = Literal["vllm-v1", "sarathi", "vllm", "orca"]
MAX_BYTES = 1_000_000
"""A scenario is a page of text; a larger file is something else and is refused before it is read."""


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """``replicas`` equal replicas of one GPU; per replica ``kv_blocks`` blocks of ``block_tokens`` tokens.

    ``watermark_fraction``: share of the blocks an admission must leave free. ``max_num_seqs``: most running
    requests. ``chunk_tokens``: most tokens of one iteration. ``tensor_parallel``: GPUs of one replica.
    """

    replicas: int
    gpu: str
    model: str
    kv_blocks: int
    block_tokens: int
    watermark_fraction: float
    max_num_seqs: int
    chunk_tokens: int
    usd_per_gpu_hour: float
    tensor_parallel: int = 1

    @property
    def watermark_blocks(self) -> int:
        return int(self.watermark_fraction * self.kv_blocks)

    @property
    def label(self) -> str:
        """The hardware in a few characters: ``4×A10 · Llama-3-8B``."""
        return f"{self.replicas}×{self.gpu} · {self.model}"


@dataclass(frozen=True, slots=True)
class CostSpec:
    """The iteration-time model (see :mod:`sim.cost`): a measured profile, or the roofline of the pool's GPU and model.

    The two attention constants take the place of the profile's own, the two overheads that of the roofline's; None
    leaves them. What belongs to the other kind is empty or None.
    """

    profile: str = ""
    decode_attention_ns_per_token: int | None = None
    prefill_attention_ps_per_pair: int | None = None
    kind: Literal["profile", "roofline"] = "profile"
    overhead_us: int | None = None
    overhead_us_per_seq: int | None = None


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """How iterations are composed (``docs/simulator-rules.md``).

    ``reserved_tokens``: what ``orca`` reserves for a request at least. ``vidur_compat``: with Vidur's defects.
    """

    rules: EngineRules = "sarathi"
    prefix_caching: bool = False
    reserved_tokens: int = 4096
    vidur_compat: bool = False


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """Equal replicas: ``cluster.replicas`` of them at the start, between the two limits under an autoscaler."""

    name: str
    cluster: ClusterSpec
    cost: CostSpec
    min_replicas: int
    max_replicas: int


@dataclass(frozen=True, slots=True)
class AutoscalerSpec:
    """``interval_s``: how often the autoscaler is asked; ``cold_start_s``: from its decision to a ready replica.

    ``sample_interval_s`` and ``history_s``: spacing and length of the history that it is shown.
    """

    interval_s: float
    cold_start_s: float
    sample_interval_s: float = 2.0
    history_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with one replica: a crash, down for ``duration_s``, or iterations that take
    ``percent`` of their time (200: twice as long) for so long."""

    kind: Literal["crash", "slow"]
    replica: int
    at_s: float
    duration_s: float
    percent: int = 100


@dataclass(frozen=True, slots=True)
class FaultsSpec:
    """Crashes drawn from the seed, for every replica: exponential times between (mean ``mean_between_s``) and down
    (mean ``mean_down_s``); None for no drawn ones. ``listed``: those that every seed has."""

    mean_between_s: float | None = None
    mean_down_s: float = 60.0
    listed: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class SloSpec:
    """A finished request counts as goodput if TTFT and TPOT are at most these."""

    ttft_s: float
    tpot_s: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, checked.

    ``baseline``: the shipped router others are compared with. ``metric``: dotted key of the summary that is to be
    minimised. ``held_out``: the shipped scenario on which designs are accepted, empty for this one itself.
    ``scheduler`` and ``autoscaler``: the shipped policies of the other slots. ``scrape_interval_s``: age of what the
    router sees, 0 for none. ``source``: the TOML text, overrides applied. ``digest``: SHA-256 (hex) of everything
    that can change a result, so not of ``title``, ``why`` and ``held_out``.
    """

    name: str
    title: str
    why: str
    slots: tuple[str, ...]
    baseline: str
    metric: str
    held_out: str
    telemetry_interval_s: float
    cluster: ClusterSpec
    cost: CostSpec
    workload: WorkloadSpec
    slo: SloSpec
    source: str
    digest: str
    scheduler: str = "vllm-fcfs"
    autoscaler: str = "fixed"
    engine: EngineSpec = EngineSpec()
    autoscaling: AutoscalerSpec | None = None
    faults: FaultsSpec = FaultsSpec()
    scrape_interval_s: float = 0.0
    more_pools: tuple[PoolSpec, ...] = ()

    @property
    def pools(self) -> tuple[PoolSpec, ...]:
        """The pools: those that are listed, or the one that ``cluster`` and ``cost`` describe."""
        if self.more_pools:
            return self.more_pools
        replicas = self.cluster.replicas
        return (PoolSpec("main", self.cluster, self.cost, replicas, replicas),)

    @property
    def label(self) -> str:
        """The hardware in a few characters: ``4×A10 · Llama-3-8B``, or ``1×A10 + 2×H100 · Llama-3-8B``."""
        first, *others = [pool.cluster for pool in self.pools]
        same = all(cluster.model == first.model for cluster in others)
        if not same:
            return " + ".join(cluster.label for cluster in (first, *others))
        return " + ".join(f"{cluster.replicas}×{cluster.gpu}" for cluster in (first, *others)) + f" · {first.model}"

    @property
    def is_trace(self) -> bool:
        """True if every seed replays the same requests' arrivals."""
        work = self.workload
        return isinstance(work, TraceWorkload) or (isinstance(work, FileWorkload) and work.arrivals is None)


def scenario_names() -> list[str]:
    """Names of the scenarios that ship."""
    folder = files("sim").joinpath("scenarios")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def _read(path: str) -> str:
    """The text of a scenario file, without a byte-order mark. A pipe or a device, which may never end, isn't read."""
    try:
        file = Path(path)
        size = file.stat().st_size
        if not file.is_file():
            reason = "it isn't a file"
        elif size > MAX_BYTES:
            reason = f"it has {size:,} bytes and a scenario at most {MAX_BYTES:,}"
        else:
            return file.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
    raise ScenarioError(f"Can't read the scenario file {path!r}: {reason}; `glia scenarios` lists those that ship.")


def load_scenario(name_or_path: str, overrides: Mapping[str, str] | None = None) -> Scenario:
    """The shipped scenario of that name, or the one in the TOML file of that path (``.toml`` or with a slash).

    ``overrides`` maps dotted keys to TOML values as text: ``{"cluster.kv_blocks": "2048"}``. Raises ScenarioError,
    which names the file, the field and the nearest known one.
    """
    from sim.scenario_file import parse_scenario

    if name_or_path.endswith(".toml") or "/" in name_or_path:
        return parse_scenario(_read(name_or_path), name_or_path, overrides, Path(name_or_path).parent)
    if name_or_path not in scenario_names():
        raise ScenarioError(f"There is no scenario {name_or_path!r}; {hint(name_or_path, scenario_names())}")
    text = files("sim").joinpath("scenarios", f"{name_or_path}.toml").read_text("utf-8")
    return parse_scenario(text, f"{name_or_path}.toml", overrides)
