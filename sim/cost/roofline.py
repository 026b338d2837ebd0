"""Iteration times computed from a GPU's peaks and a model's shape.

For an iteration of T tokens on ``tensor_parallel`` (TP) GPUs of F FLOP/s and BW byte/s::

    tokens     max(2 * dense params * T / (TP * F * mfu), 2 * (dense params + head) / (TP * BW * mbu_w))
               + [experts] 2 * layers * k * expert params * T / (TP * F * moe_mfu)
               + [experts] 2 * layers * E * (1 - (1 - k/E)**T) * expert params / (TP * BW * moe_mbu)
               + [experts] layers * layer time
               + [TP > 1] 2 * layers * (latency + 2 * (TP - 1) / TP * T * hidden * 2 / (link * link_eff))
               + overhead
    decodes    KV bytes of their context / (shards * BW * mbu_kv) + overhead for each
    prefills   4 * heads * head size * layers * pairs / (TP * F * mfu_attn) + overhead for each

The shares of the peaks (mfu, mbu), the link's efficiency, the all-reduce's latency and the overheads are fitted to
measured kernel times where there are any, and generic elsewhere: ``sim/catalogue/roofline.toml`` says which.
A mixture of experts reads the weights of those experts only that the batch's tokens choose; E * (1 - (1 - k/E)**T) of E
are expected if each token chooses k at random. Its two terms add up, because each expert gets few tokens and loads its
weights for them alone: measured prefills follow the sum and not the larger one.

Everything is integers: a constant is a rational number rounded once, to femtoseconds a unit or to a ns.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from sim.cost.terms import FS_PER_NS, Terms, TermsCost
from sim.hardware import Gpu
from sim.models import BYTES_PER_VALUE, Model

_TABLE_TOKENS = 4096
_GIGA = 10**9
_FS_PER_S = 10**15
_SHARE = 10**18
"""The share of experts that a batch leaves untouched, in units of 1 / this."""


@dataclass(frozen=True, slots=True)
class Efficiency:
    """What a GPU reaches: percent of its peaks, and times. ``source`` says what it was fitted to.

    ``mfu``: linear operators, of the dense rate; ``mfu_attn``: prefill attention; ``mbu_w``: reading weights, of the
    bandwidth; ``mbu_kv``: reading the KV cache; ``link_eff``: of the link's rate. ``moe_*``: the experts' operators.
    """

    source: str
    mfu: int
    mfu_attn: int
    mbu_w: int
    mbu_kv: int
    link_eff: int
    allreduce_ns: int
    overhead_us: int
    overhead_ns_per_seq: int
    moe_mfu: int
    moe_mbu: int
    moe_layer_ns: int


@cache
def _fitted() -> dict[str, Efficiency]:
    table = tomllib.loads(files("sim").joinpath("catalogue", "roofline.toml").read_text("utf-8"))
    return {name: Efficiency(**row) for name, row in table.items()}


def efficiency(gpu: Gpu) -> Efficiency:
    """The fitted constants of a GPU, or the generic ones of its kind of link."""
    fitted = _fitted()
    if gpu.name in fitted:
        return fitted[gpu.name]
    return fitted["generic, PCIe" if gpu.link.startswith("PCIe") else "generic"]


def roofline_cost(
    gpu: Gpu,
    model: Model,
    tensor_parallel: int = 1,
    *,
    reached: Efficiency | None = None,
    overhead_us: int | None = None,
    overhead_us_per_seq: int | None = None,
) -> TermsCost:
    """The iteration time of ``model`` on ``tensor_parallel`` GPUs; what is None is the GPU's own efficiency."""
    reached = reached or efficiency(gpu)
    each_ns = reached.overhead_ns_per_seq if overhead_us_per_seq is None else overhead_us_per_seq * 1000
    fixed_ns = (reached.overhead_us if overhead_us is None else overhead_us) * 1000
    tokens = _Tokens(gpu, model, tensor_parallel, reached, fixed_ns)
    pair_flop = 4 * model.heads * model.head_dim * model.layers
    terms = Terms(
        each_decode_ns=each_ns,
        each_prefill_ns=each_ns,
        decode_fs_per_kv_token=_fs(
            model.kv_bytes_per_token, gpu.bandwidth_gb_s * _GIGA, reached.mbu_kv, model.kv_shards(tensor_parallel)
        ),
        prefill_fs_per_pair=_fs(pair_flop, gpu.dense_bf16_gflops * _GIGA, reached.mfu_attn, tensor_parallel),
    )
    return TermsCost(tokens.table(), tokens.ns, terms)


def _fs(amount: int, per_s: int, percent: int, ways: int) -> int:
    """Femtoseconds for ``amount`` at ``percent`` of ``per_s``, split ``ways``; rounded to the nearest."""
    divisor = per_s * percent * ways
    return (2 * amount * 100 * _FS_PER_S + divisor) // (2 * divisor)


class _Tokens:
    """The tokens term: all of it follows from the number of tokens in the batch."""

    def __init__(self, gpu: Gpu, model: Model, ways: int, reached: Efficiency, fixed_ns: int) -> None:
        rate, bandwidth = gpu.dense_bf16_gflops * _GIGA, gpu.bandwidth_gb_s * _GIGA
        weights = BYTES_PER_VALUE * (model.dense_params + model.head_params)
        self._fixed_ns = fixed_ns
        self._compute_fs = _fs(2 * model.dense_params, rate, reached.mfu, ways)
        self._weights_ns = _fs(weights, bandwidth, reached.mbu_w, ways) // FS_PER_NS
        self._link_fs = 0
        if ways > 1:
            sent = 2 * model.layers * 2 * (ways - 1) * model.hidden * BYTES_PER_VALUE
            self._link_fs = _fs(sent, gpu.link_gb_s * _GIGA, reached.link_eff, ways)
            self._fixed_ns += 2 * model.layers * reached.allreduce_ns
        self._experts, self._chosen = model.experts, model.experts_per_token
        self._expert_fs = self._experts_ns = 0
        if model.experts:
            flop = 2 * model.layers * model.experts_per_token * model.expert_params
            self._expert_fs = _fs(flop, rate, reached.moe_mfu, ways)
            read = BYTES_PER_VALUE * model.layers * model.experts * model.expert_params
            self._experts_ns = _fs(read, bandwidth, reached.moe_mbu, ways) // FS_PER_NS
            self._fixed_ns += model.layers * reached.moe_layer_ns

    def table(self) -> list[int]:
        """ns for 0 (unused) to ``_TABLE_TOKENS`` tokens."""
        untouched = _SHARE
        rows = [0]
        for tokens in range(1, _TABLE_TOKENS + 1):
            if self._experts:
                untouched = untouched * (self._experts - self._chosen) // self._experts
            rows.append(self.ns(tokens, untouched))
        return rows

    def ns(self, tokens: int, untouched: int = 0) -> int:
        """``untouched``: share of the experts that no token chooses, in units of 1 / ``_SHARE``."""
        total_ns = self._fixed_ns + max(self._compute_fs * tokens // FS_PER_NS, self._weights_ns)
        total_ns += self._link_fs * tokens // FS_PER_NS
        if self._experts:
            total_ns += self._experts_ns * (_SHARE - untouched) // _SHARE + self._expert_fs * tokens // FS_PER_NS
        return total_ns
