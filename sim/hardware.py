"""GPUs the scenarios may name, with the public figures they are used for.

Only what a scenario needs is here: the name, and the peak rate that scales a coefficient measured on another card.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.errors import ScenarioError
from sim.names import hint


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
