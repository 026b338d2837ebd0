"""How long one iteration takes, in integer nanoseconds.

An iteration's time is the sum of three terms, each computed in integers so that it is the same on every machine:

* **Linear operators** (projections, MLP, norms, rotary embedding, all layers) by the number of tokens in the batch:
  measured medians, linearly interpolated between the measured rows; past the last row (4,096 tokens) in proportion
  to the token count, because there the operators are compute-bound.
* **Prefill attention**: every token of a chunk attends to the cached tokens before it and, on average, to half of
  its own chunk: ``chunk * (kv_before + chunk / 2)`` token pairs. The coefficient is the one fitted to Vidur's
  measured A100 profile of Llama-3-8B, 5.439e-6 ms per pair over 32 layers, scaled by the cards' peak dense bf16
  rates, 312 / 125 TFLOP/s: 13.576 ns per pair on an A10. (A pair costs 32 layers * 4 * 4,096 FLOP, so this is 31%
  of either card's peak.)
* **Decode attention**: proportional to the cached tokens that the batch's decoding requests read. The scenario
  states the constant; for the A10 it is the one number fitted to published results (see the scenario's comment).

Embedding, sampling and CPU overhead are left out, as in Vidur.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from sim.errors import ScenarioError
from sim.names import hint

if TYPE_CHECKING:
    from sim.scenario import PoolSpec

PS_PER_NS = 1000


@dataclass(frozen=True, slots=True)
class Profile:
    """A measured profile of linear operators: ``linear_ns[i]`` for a batch of ``num_tokens[i]`` tokens."""

    name: str
    gpu: str
    model: str
    source: str
    num_tokens: tuple[int, ...]
    linear_ns: tuple[int, ...]

    def __post_init__(self) -> None:
        rows = list(zip(self.num_tokens, self.linear_ns, strict=True))
        rising = all(a < b for a, b in pairwise(self.num_tokens))
        if not rows or not rising or self.num_tokens[0] != 1 or min(self.linear_ns) <= 0:
            raise ScenarioError(
                f"Profile {self.name!r} must start at 1 token, rise in token counts and hold positive times."
            )


def profile_names() -> list[str]:
    """Names of the measured profiles that ship."""
    folder = files("sim").joinpath("profiles")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_profile(name: str) -> Profile:
    """The shipped profile of that name; ScenarioError names the nearest one if there is none."""
    if name not in profile_names():
        raise ScenarioError(f"There is no profile {name!r}; {hint(name, profile_names())}")
    table = tomllib.loads(files("sim").joinpath("profiles", f"{name}.toml").read_text("utf-8"))
    return Profile(
        name=name,
        gpu=table["gpu"],
        model=table["model"],
        source=table["source"],
        num_tokens=tuple(table["num_tokens"]),
        linear_ns=tuple(table["linear_ns"]),
    )


def _interpolated(profile: Profile) -> list[int]:
    """``table[n]`` = linear time of n tokens in ns, for n from 0 (unused) to the last measured row."""
    table = [0, profile.linear_ns[0]]
    points = list(zip(profile.num_tokens, profile.linear_ns, strict=True))
    for (n0, t0), (n1, t1) in pairwise(points):
        table.extend(t0 + (t1 - t0) * (n - n0) // (n1 - n0) for n in range(n0 + 1, n1 + 1))
    return table


class Cost(Protocol):
    """How long iterations take, as a replica asks it."""

    @property
    def linear(self) -> bool:
        """Whether :meth:`decodes_ns` holds: iterations are asked for one by one otherwise."""
        ...

    def decodes_ns(self, decodes: int, context_tokens: int) -> tuple[int, int]:
        """Times of consecutive iterations of the same decodes: the first, and how much each next one adds, in ns."""
        ...

    def iteration_ns(
        self,
        decodes: int,
        decode_context_tokens: int,
        prefills: int,
        prefill_tokens: int,
        prefill_half_pairs: int,
    ) -> int:
        """Time of one iteration in ns, at least 1."""
        ...

    def scaled(self, percent: int) -> Cost:
        """The same with every iteration at ``percent`` of its time, still exact in closed form."""
        ...


def cost_of(pool: PoolSpec) -> Cost:
    """The iteration time of a pool's replicas."""
    spec = pool.cost
    return IterationCost(
        load_profile(spec.profile),
        decode_attention_ns_per_token=spec.decode_attention_ns_per_token,
        prefill_attention_ps_per_pair=spec.prefill_attention_ps_per_pair,
    )


class IterationCost:
    """The iteration time of one GPU and model. Stateless after construction."""

    __slots__ = ("_decode_ns_per_token", "_linear_ns", "_prefill_ps_per_pair")

    def __init__(
        self, profile: Profile, *, decode_attention_ns_per_token: int, prefill_attention_ps_per_pair: int
    ) -> None:
        self._linear_ns = _interpolated(profile)
        self._decode_ns_per_token = decode_attention_ns_per_token
        self._prefill_ps_per_pair = prefill_attention_ps_per_pair

    @property
    def linear(self) -> bool:
        return True

    def scaled(self, percent: int) -> IterationCost:
        """Every term at ``percent`` of its time; each is rounded down by itself, so that the whole stays linear."""
        other = IterationCost.__new__(IterationCost)
        other._linear_ns = [max(1, ns * percent // 100) for ns in self._linear_ns]
        other._decode_ns_per_token = self._decode_ns_per_token * percent // 100
        other._prefill_ps_per_pair = self._prefill_ps_per_pair * percent // 100
        return other

    def linear_ns(self, tokens: int) -> int:
        """Linear operators for a batch of ``tokens`` tokens (at least 1), in ns."""
        last = len(self._linear_ns) - 1
        if tokens <= last:
            return self._linear_ns[tokens]
        return self._linear_ns[last] * tokens // last

    def decodes_ns(self, requests: int, context_tokens: int) -> tuple[int, int]:
        """Times of consecutive iterations that decode the same requests: the first, and how much each next one adds.

        ``context_tokens``: KV tokens that the first of them reads; every next one reads ``requests`` more. Equal to
        :meth:`iteration_ns` of each, because the time is linear in the context.
        """
        per_token, table = self._decode_ns_per_token, self._linear_ns
        linear_ns = table[requests] if requests < len(table) else self.linear_ns(requests)
        return linear_ns + per_token * context_tokens, per_token * requests

    def iteration_ns(
        self,
        decodes: int,
        decode_context_tokens: int,
        prefills: int,
        prefill_tokens: int,
        prefill_half_pairs: int,
    ) -> int:
        """Time of one iteration in ns.

        ``decodes`` requests decode one token each and read ``decode_context_tokens`` KV tokens; ``prefills`` requests
        compute ``prefill_tokens`` tokens of their prompts. ``prefill_half_pairs``: twice the token pairs of these
        chunks, sum of ``chunk * (2*kv_before + chunk)``, doubled so that it stays an integer.
        """
        prefill_ns = self._prefill_ps_per_pair * prefill_half_pairs // (2 * PS_PER_NS)
        tokens, table = decodes + prefill_tokens, self._linear_ns
        linear_ns = table[tokens] if tokens < len(table) else self.linear_ns(tokens)
        return linear_ns + prefill_ns + self._decode_ns_per_token * decode_context_tokens
