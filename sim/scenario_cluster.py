"""The sections of a scenario file that say what a replica is: ``[cluster]`` and ``[cost]``, checked together.

A profile was measured on one GPU, with one model and one number of GPUs, and fits no other; a roofline fits any of
them. KV blocks are stated, or follow from the GPU's memory.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.capacity import DEFAULT_UTILIZATION, check_tensor_parallel, check_weights, kv_block_count
from sim.cost import load_profile
from sim.errors import ScenarioError
from sim.hardware import Gpu, find_gpu
from sim.models import find_model
from sim.scenario import ClusterSpec, CostSpec
from sim.tables import PositiveInt, Table, Text

Microseconds = Annotated[int, Field(ge=0, le=10**6)]


class ClusterTable(Table):
    replicas: Annotated[int, Field(gt=0, le=4096)]
    gpu: Text
    model: Text
    tensor_parallel: Annotated[int, Field(gt=0, le=64)] = 1
    kv_blocks: PositiveInt | None = None
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    block_tokens: Annotated[int, Field(gt=0, le=65_536)] = 16
    watermark_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.01
    max_num_seqs: PositiveInt
    chunk_tokens: PositiveInt
    usd_per_gpu_hour: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None


class CostTable(Table):
    kind: Literal["profile", "roofline"] = "profile"
    profile: Text | None = None
    decode_attention_ns_per_token: Annotated[int, Field(ge=0, le=10**6)] | None = None
    prefill_attention_ps_per_pair: Annotated[int, Field(ge=0, le=10**9)] | None = None
    overhead_us: Microseconds | None = None
    overhead_us_per_seq: Microseconds | None = None


_OF_KIND = {
    "profile": ("profile", "decode_attention_ns_per_token", "prefill_attention_ps_per_pair"),
    "roofline": ("overhead_us", "overhead_us_per_seq"),
}


def cluster_spec(table: ClusterTable) -> ClusterSpec:
    """The cluster, with what the file leaves out filled in. Raises ScenarioError, without the file's name."""
    gpu, model = find_gpu(table.gpu), find_model(table.model)
    check_tensor_parallel(model, table.tensor_parallel)
    check_weights(gpu, model, table.tensor_parallel)
    if table.kv_blocks is not None and table.gpu_memory_utilization is not None:
        raise ScenarioError(
            "cluster.kv_blocks and cluster.gpu_memory_utilization both say how large the KV cache is; remove one."
        )
    blocks = table.kv_blocks
    if blocks is None:
        share = DEFAULT_UTILIZATION if table.gpu_memory_utilization is None else table.gpu_memory_utilization
        blocks = kv_block_count(gpu, model, table.tensor_parallel, table.block_tokens, share)
    fields = table.model_dump(exclude={"gpu_memory_utilization"})
    fields |= {"gpu": gpu.name, "kv_blocks": blocks, "usd_per_gpu_hour": _price(table, gpu)}
    return ClusterSpec(**fields)


def _price(table: ClusterTable, gpu: Gpu) -> float:
    if table.usd_per_gpu_hour is not None:
        return table.usd_per_gpu_hour
    if gpu.price is None:
        raise ScenarioError(f"cluster.usd_per_gpu_hour is missing, and no price of {gpu.name} is known; state one.")
    return gpu.price.typical


def cost_spec(table: CostTable, cluster: ClusterSpec) -> CostSpec:
    """The cost of that cluster's iterations. Raises ScenarioError, without the file's name."""
    for kind, keys in _OF_KIND.items():
        foreign = [key for key in keys if kind != table.kind and getattr(table, key) is not None]
        if foreign:
            raise ScenarioError(f"cost.{foreign[0]} belongs to cost.kind {kind!r}, not to {table.kind!r}; remove it.")
    if table.kind == "profile":
        _check_profile(table, cluster)
    return CostSpec(**table.model_dump(exclude_none=True))


def _check_profile(table: CostTable, cluster: ClusterSpec) -> None:
    if table.profile is None:
        raise ScenarioError('cost.profile is missing; name one, or write kind = "roofline" for a computed cost.')
    profile = load_profile(table.profile)
    measured = (find_gpu(profile.gpu).name, profile.model, profile.tensor_parallel)
    if measured != (cluster.gpu, cluster.model, cluster.tensor_parallel):
        raise ScenarioError(
            f"cost.profile {profile.name!r} was measured for {_label(*measured)}, not for "
            f'{_label(cluster.gpu, cluster.model, cluster.tensor_parallel)}; kind = "roofline" computes a cost for any '
            "GPU and model."
        )
    stated = (table.decode_attention_ns_per_token, table.prefill_attention_ps_per_pair)
    if None in stated and not profile.has_attention:
        lacking = "decode_attention_ns_per_token" if stated[0] is None else "prefill_attention_ps_per_pair"
        raise ScenarioError(f"cost.{lacking} is missing: profile {profile.name!r} has none of its own.")


def _label(gpu: str, model: str, tensor_parallel: int) -> str:
    return f"{model} on {gpu}" if tensor_parallel == 1 else f"{model} on {tensor_parallel} × {gpu}"
