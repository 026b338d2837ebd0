"""Iteration times measured: a table by tokens in the batch, and attention terms.

* **Tokens** (projections, MLP, norms, rotary embedding, all layers): measured times, linearly interpolated between the
  rows; past the last row in proportion to the token count, because there the operators are compute-bound.
* **Decode attention**: proportional to the cached tokens that the decoding requests read; a profile may add a fixed
  time for any decode and one per decoding request.
* **Prefill attention**: every token of a chunk attends to the cached tokens before it and, on average, to half of its
  own chunk: ``chunk * (kv_before + chunk / 2)`` pairs; a profile may add a fixed time and one per prefill token.

A profile is a TOML file in ``sim/profiles/``, with its source. One that lacks the two attention constants needs them
from the scenario, which overrides those of any other. Embedding, sampling and CPU overhead are left out unless a
profile says otherwise.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_left
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise

from sim.cost.terms import Terms, TermsCost
from sim.errors import ScenarioError
from sim.names import hint

FS_PER_PS = 1000
_TABLE_TOKENS = 4096
"""Larger batches are rare, and a table of them would take longer to make than a small run."""


@dataclass(frozen=True, slots=True)
class Profile:
    """``linear_ns[i]``: measured time of a batch of ``num_tokens[i]`` tokens. The rest: see :mod:`sim.cost.terms`.

    The two attention constants are None where a scenario must state them.
    """

    name: str
    gpu: str
    model: str
    source: str
    num_tokens: tuple[int, ...]
    linear_ns: tuple[int, ...]
    tensor_parallel: int = 1
    decodes_ns: int = 0
    each_decode_ns: int = 0
    decode_attention_ps_per_token: int | None = None
    prefills_ns: int = 0
    prefill_ps_per_token: int = 0
    prefill_attention_ps_per_pair: int | None = None

    def __post_init__(self) -> None:
        rows = list(zip(self.num_tokens, self.linear_ns, strict=True))
        rising = all(a < b for a, b in pairwise(self.num_tokens))
        if not rows or not rising or self.num_tokens[0] != 1 or min(self.linear_ns) <= 0:
            raise ScenarioError(
                f"Profile {self.name!r} must start at 1 token, rise in token counts and hold positive times."
            )

    @property
    def has_attention(self) -> bool:
        """Whether a scenario may leave the attention constants out."""
        return self.decode_attention_ps_per_token is not None and self.prefill_attention_ps_per_pair is not None


def profile_names() -> list[str]:
    """Names of the measured profiles that ship."""
    folder = files("sim").joinpath("profiles")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_profile(name: str) -> Profile:
    """The shipped profile of that name; ScenarioError names the nearest one if there is none."""
    if name not in profile_names():
        raise ScenarioError(f"There is no profile {name!r}; {hint(name, profile_names())}")
    table = tomllib.loads(files("sim").joinpath("profiles", f"{name}.toml").read_text("utf-8"))
    table["num_tokens"], table["linear_ns"] = tuple(table["num_tokens"]), tuple(table["linear_ns"])
    return Profile(name=name, **table)


def _interpolated(profile: Profile) -> list[int]:
    """``table[n]`` = linear time of n tokens in ns, for n from 0 (unused) to the last row that is tabulated."""
    table = [0, profile.linear_ns[0]]
    points = list(zip(profile.num_tokens, profile.linear_ns, strict=True))
    for (n0, t0), (n1, t1) in pairwise(points):
        if n1 > _TABLE_TOKENS and n0 > 1:
            break
        table.extend(t0 + (t1 - t0) * (n - n0) // (n1 - n0) for n in range(n0 + 1, n1 + 1))
    return table


def _beyond(profile: Profile, tokens: int) -> int:
    """The same for one number of tokens past those tabulated: between two rows, or in proportion to the last one."""
    counts, times = profile.num_tokens, profile.linear_ns
    above = bisect_left(counts, tokens)
    if above == len(counts):
        return times[-1] * tokens // counts[-1]
    n0, t0 = counts[above - 1], times[above - 1]
    return t0 + (times[above] - t0) * (tokens - n0) // (counts[above] - n0)


class IterationCost(TermsCost):
    """The iteration time of a profile; the two constants, if given, take the place of the profile's own."""

    __slots__ = ()

    def __init__(
        self,
        profile: Profile,
        *,
        decode_attention_ns_per_token: int | None = None,
        prefill_attention_ps_per_pair: int | None = None,
    ) -> None:
        decode_ps, pair_ps = profile.decode_attention_ps_per_token, profile.prefill_attention_ps_per_pair
        if decode_attention_ns_per_token is not None:
            decode_ps = decode_attention_ns_per_token * 1000
        if prefill_attention_ps_per_pair is not None:
            pair_ps = prefill_attention_ps_per_pair
        if decode_ps is None or pair_ps is None:
            raise ScenarioError(f"Profile {profile.name!r} has no attention constants of its own; state both.")
        terms = Terms(
            decodes_ns=profile.decodes_ns,
            each_decode_ns=profile.each_decode_ns,
            decode_fs_per_kv_token=decode_ps * FS_PER_PS,
            prefills_ns=profile.prefills_ns,
            prefill_fs_per_token=profile.prefill_ps_per_token * FS_PER_PS,
            prefill_fs_per_pair=pair_ps * FS_PER_PS,
        )
        super().__init__(_interpolated(profile), lambda tokens: _beyond(profile, tokens), terms)
