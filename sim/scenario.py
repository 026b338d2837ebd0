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

from sim.errors import ScenarioError
from sim.names import hint


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """``replicas`` equal replicas of one GPU; per replica ``kv_blocks`` blocks of ``block_tokens`` tokens.

    ``watermark_fraction``: share of the blocks an admission must leave free. ``max_num_seqs``: most running
    requests. ``chunk_tokens``: most tokens of one iteration.
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

    @property
    def watermark_blocks(self) -> int:
        return int(self.watermark_fraction * self.kv_blocks)

    @property
    def label(self) -> str:
        """The hardware in a few characters: ``4×A10 · Llama-3-8B``."""
        return f"{self.replicas}×{self.gpu} · {self.model}"


@dataclass(frozen=True, slots=True)
class CostSpec:
    """The iteration-time model: a measured profile and two attention constants (see :mod:`sim.cost`)."""

    profile: str
    decode_attention_ns_per_token: int
    prefill_attention_ps_per_pair: int


@dataclass(frozen=True, slots=True)
class TraceWorkload:
    """A recorded trace; the lengths it lacks are drawn from the seed."""

    trace: str


@dataclass(frozen=True, slots=True)
class LogNormalWorkload:
    """Log-normal gaps of mean ``1 / rate_rps`` for ``duration_s``; (prompt, output) pairs of the trace ``lengths``.

    ``sigma``: standard deviation of the gaps' logarithm. The caps shorten what is drawn; None leaves it.
    """

    rate_rps: float
    sigma: float
    duration_s: float
    lengths: str
    max_prompt_tokens: int | None = None
    max_output_tokens: int | None = None


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
    ``source``: the TOML text, overrides applied. ``digest``: SHA-256 (hex) of everything that can change a result, so
    not of ``title``, ``why`` and ``held_out``.
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
    workload: TraceWorkload | LogNormalWorkload
    slo: SloSpec
    source: str
    digest: str


def scenario_names() -> list[str]:
    """Names of the scenarios that ship."""
    folder = files("sim").joinpath("scenarios")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_scenario(name_or_path: str, overrides: Mapping[str, str] | None = None) -> Scenario:
    """The shipped scenario of that name, or the one in the TOML file of that path (``.toml`` or with a slash).

    ``overrides`` maps dotted keys to TOML values as text: ``{"cluster.kv_blocks": "2048"}``. Raises ScenarioError,
    which names the file, the field and the nearest known one.
    """
    from sim.scenario_file import parse_scenario

    if name_or_path.endswith(".toml") or "/" in name_or_path:
        try:
            text = Path(name_or_path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise ScenarioError(f"Can't read the scenario file {name_or_path!r}: {reason}.") from error
        return parse_scenario(text, name_or_path, overrides)
    if name_or_path not in scenario_names():
        raise ScenarioError(f"There is no scenario {name_or_path!r}; {hint(name_or_path, scenario_names())}")
    text = files("sim").joinpath("scenarios", f"{name_or_path}.toml").read_text("utf-8")
    return parse_scenario(text, f"{name_or_path}.toml", overrides)
