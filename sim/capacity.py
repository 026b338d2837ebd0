"""KV blocks of a replica, where a scenario doesn't state them: what its GPUs' memory leaves beside the weights.

``floor(((memory * gpu_memory_utilization - reserve) * GPUs - weights) / bytes of a block)``, as vLLM computes it after
profiling. With more GPUs than KV heads, each head is kept several times. vLLM measures what activations, CUDA graphs
and the runtime take; here that is one number, 2 GiB a GPU, between the two capacities that are known:

* Llama-3.1-8B on an RTX 4090 at 0.90: 2,588 blocks (vLLM 0.19, recorded by LLMServingSim); 2,377 here.
* Llama-3-8B on an A10: 2,240 blocks in the authors' evaluator; 2,377 here at 0.90.
"""

from __future__ import annotations

from sim.errors import ScenarioError
from sim.hardware import Gpu
from sim.models import Model

DEFAULT_UTILIZATION = 0.92
"""vLLM's default ``gpu_memory_utilization`` (0.33; 0.90 in earlier versions)."""

RESERVE_BYTES = 2 * 1024**3


def kv_block_count(gpu: Gpu, model: Model, tensor_parallel: int, block_tokens: int, utilization: float) -> int:
    """Blocks of ``block_tokens`` tokens per replica of ``tensor_parallel`` GPUs; ScenarioError if none fits."""
    usable = (int(gpu.memory_mib * 1024**2 * utilization) - RESERVE_BYTES) * tensor_parallel
    copies = tensor_parallel // model.kv_shards(tensor_parallel)
    blocks = (usable - model.weight_bytes) // (copies * model.kv_bytes_per_token * block_tokens)
    if blocks < 1:
        raise ScenarioError(
            f"{model.name} leaves no room for a KV cache on {tensor_parallel} × {gpu.name} at "
            f"cluster.gpu_memory_utilization {utilization:g}; {_ways_out(gpu, model)}"
        )
    return blocks


def check_weights(gpu: Gpu, model: Model, tensor_parallel: int) -> None:
    """ScenarioError unless the weights fit the memory."""
    if model.weight_bytes > gpu.memory_mib * 1024**2 * tensor_parallel:
        raise ScenarioError(f"{model.name} doesn't fit on {tensor_parallel} × {gpu.name}; {_ways_out(gpu, model)}")


def _ways_out(gpu: Gpu, model: Model) -> str:
    weights, memory = model.weight_bytes / 1e9, gpu.memory_mib * 1024**2 / 1e9
    return (
        f"its weights take {weights:.0f} GB and a GPU has {memory:.0f} GB: raise cluster.tensor_parallel or name "
        "another GPU."
    )


def check_tensor_parallel(model: Model, tensor_parallel: int) -> None:
    """ScenarioError unless every GPU gets as many attention heads as the others."""
    if model.heads % tensor_parallel:
        fits = [n for n in (1, 2, 4, 8, 16) if model.heads % n == 0]
        raise ScenarioError(
            f"cluster.tensor_parallel: {model.name} has {model.heads} attention heads, which {tensor_parallel} GPUs "
            f"can't share evenly; take one of {', '.join(map(str, fits))}."
        )
