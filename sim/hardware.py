"""GPUs the scenarios may name, with the public figures they are used for.

Only what a scenario needs is here: the name, and the peak rate that scales a coefficient measured on another card.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.api import Hardware
from sim.errors import ScenarioError
from sim.names import hint

if TYPE_CHECKING:
    from sim.scenario import ClusterSpec


@dataclass(frozen=True, slots=True)
class Gpu:
    """``dense_bf16_tflops``: peak without sparsity, from the maker's data sheet."""

    name: str
    dense_bf16_tflops: int


_CATALOGUE = (
    Gpu("A10", 125),
    Gpu("A100-80GB", 312),
)


def gpu_names() -> list[str]:
    """Names of the known GPUs."""
    return [gpu.name for gpu in _CATALOGUE]


def find_gpu(name: str) -> Gpu:
    """The GPU of that name; ScenarioError names the nearest one if there is none."""
    for gpu in _CATALOGUE:
        if gpu.name == name:
            return gpu
    raise ScenarioError(f"There is no GPU {name!r}; {hint(name, gpu_names())}")


def hardware_of(cluster: ClusterSpec) -> Hardware:
    """What a policy is told of the hardware of one replica; a figure that the catalogue lacks is 0."""
    gpu = find_gpu(cluster.gpu)
    return Hardware(
        gpu=gpu.name,
        tensor_parallel=cluster.tensor_parallel,
        memory_gb=0,
        bandwidth_gb_s=0,
        dense_bf16_tflops=gpu.dense_bf16_tflops,
        usd_per_gpu_hour=cluster.usd_per_gpu_hour,
    )
