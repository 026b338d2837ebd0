"""Models that scenarios may name: their published shapes, from ``sim/catalogue/models.toml``.

All sizes follow from the shape: what an iteration computes and reads (:mod:`sim.cost.roofline`), and what a token's
keys and values take (:mod:`sim.capacity`). Weights and KV cache are bf16, two bytes a value.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from sim.errors import ScenarioError
from sim.names import hint

BYTES_PER_VALUE = 2


@dataclass(frozen=True, slots=True)
class Model:
    """``params``: all of them, embeddings included. ``experts``: 0 for a dense model; then the next two are 0 too.

    ``mlp_matrices``: weight matrices of one MLP, 3 if it is gated.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    params: int
    max_context: int
    experts: int = 0
    experts_per_token: int = 0
    expert_intermediate: int = 0
    mlp_matrices: int = 3

    @property
    def attention_params(self) -> int:
        """Query, key, value and output projections of all layers."""
        return self.layers * self.hidden * self.head_dim * 2 * (self.heads + self.kv_heads)

    @property
    def expert_params(self) -> int:
        """One expert of one layer; 0 in a dense model."""
        return self.mlp_matrices * self.hidden * self.expert_intermediate

    @property
    def dense_params(self) -> int:
        """Linear operators that every token passes: attention, and the MLPs unless they are experts."""
        if self.experts:
            return self.attention_params
        return self.attention_params + self.layers * self.mlp_matrices * self.hidden * self.intermediate

    @property
    def head_params(self) -> int:
        """The output projection to the vocabulary."""
        return self.vocab * self.hidden

    @property
    def weight_bytes(self) -> int:
        return BYTES_PER_VALUE * self.params

    @property
    def kv_bytes_per_token(self) -> int:
        """Keys and values of one token, all layers."""
        return 2 * BYTES_PER_VALUE * self.kv_heads * self.head_dim * self.layers

    def kv_shards(self, tensor_parallel: int) -> int:
        """Parts into which ``tensor_parallel`` GPUs divide the KV cache: no more than there are KV heads."""
        return min(tensor_parallel, self.kv_heads)


@cache
def models() -> tuple[Model, ...]:
    """The catalogue, in its order."""
    table = tomllib.loads(files("sim").joinpath("catalogue", "models.toml").read_text("utf-8"))
    return tuple(Model(**row) for row in table["model"])


def model_names() -> list[str]:
    """Names of the known models."""
    return [model.name for model in models()]


def find_model(name: str) -> Model:
    """The model of that name; ScenarioError names the nearest one if there is none."""
    for model in models():
        if model.name == name:
            return model
    raise ScenarioError(f"There is no model {name!r}; {hint(name, model_names())}")
