"""GPUs that scenarios may name: memory, peak rates, links and prices, from ``sim/catalogue/gpus.toml``.

Figures are the makers' (dense bf16, no sparsity) and integers, because iteration times are computed from them. What a
GPU reaches of its peaks belongs to the cost models (:mod:`sim.cost.roofline`).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from sim.api import Hardware
from sim.errors import ScenarioError
from sim.names import hint

if TYPE_CHECKING:
    from sim.scenario import ClusterSpec


@dataclass(frozen=True, slots=True)
class Price:
    """On-demand USD per GPU and hour: a typical one and the range found; ``source`` says where."""

    typical: float
    low: float
    high: float
    source: str


@dataclass(frozen=True, slots=True)
class Gpu:
    """``link_gb_s``: per direction, of the fabric that tensor parallelism uses. ``price``: None if none is known."""

    name: str
    memory_mib: int
    bandwidth_gb_s: int
    dense_bf16_gflops: int
    link_gb_s: int
    link: str
    price: Price | None = None
    aliases: tuple[str, ...] = ()
    notes: str = ""

    @property
    def dense_bf16_tflops(self) -> int:
        """Rounded, for people and policies."""
        return round(self.dense_bf16_gflops / 1000)


@cache
def gpus() -> tuple[Gpu, ...]:
    """The catalogue, in its order."""
    table = tomllib.loads(files("sim").joinpath("catalogue", "gpus.toml").read_text("utf-8"))
    return tuple(_gpu(dict(row)) for row in table["gpu"])


def _gpu(row: dict[str, object]) -> Gpu:
    prices, source = row.pop("usd_per_hour", None), str(row.pop("price_source", ""))
    price = Price(source=source, **prices) if isinstance(prices, dict) else None
    aliases = row.pop("aliases", [])
    return Gpu(**row, price=price, aliases=tuple(aliases if isinstance(aliases, list) else ()))  # type: ignore[arg-type]


def gpu_names() -> list[str]:
    """Names of the known GPUs."""
    return [gpu.name for gpu in gpus()]


def find_gpu(name: str) -> Gpu:
    """The GPU of that name or alias; ScenarioError names the nearest one if there is none."""
    for gpu in gpus():
        if name == gpu.name or name in gpu.aliases:
            return gpu
    raise ScenarioError(f"There is no GPU {name!r}; {hint(name, gpu_names())}")


def hardware_of(cluster: ClusterSpec) -> Hardware:
    """What a policy is told of the hardware of one replica."""
    gpu = find_gpu(cluster.gpu)
    return Hardware(
        gpu=gpu.name,
        tensor_parallel=cluster.tensor_parallel,
        memory_gb=round(gpu.memory_mib / 1024),
        bandwidth_gb_s=gpu.bandwidth_gb_s,
        dense_bf16_tflops=gpu.dense_bf16_tflops,
        usd_per_gpu_hour=cluster.usd_per_gpu_hour,
    )
