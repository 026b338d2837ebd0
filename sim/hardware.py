"""GPUs the scenarios may name, with the public figures they are used for.

Only what a scenario needs is here: the memory a label shows, the peak rate that scales a coefficient measured on
another card, and the price that turns GPU-hours into dollars.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.errors import ScenarioError
from sim.names import hint


@dataclass(frozen=True, slots=True)
class Gpu:
    """``dense_bf16_tflops``: peak without sparsity. ``usd_per_hour``: a typical on-demand price."""

    name: str
    memory_gb: int
    bandwidth_gb_s: int
    dense_bf16_tflops: int
    usd_per_hour: float
    source: str


_CATALOGUE = (
    Gpu("A10", 24, 600, 125, 1.00, "NVIDIA A10 data sheet; AWS g5.xlarge on demand (A10G) 1.006 USD/h, us-east-1"),
    Gpu("A100-80GB", 80, 2039, 312, 2.00, "NVIDIA A100 data sheet; typical on-demand price of GPU clouds"),
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
