from __future__ import annotations

import pytest

from sim.capacity import check_tensor_parallel, check_weights, kv_block_count
from sim.errors import ScenarioError
from sim.hardware import find_gpu, gpu_names, gpus
from sim.models import find_model, model_names, models


def test_public_figures_of_gpus():
    h100 = find_gpu("H100-SXM")
    assert (h100.memory_mib, h100.bandwidth_gb_s, h100.dense_bf16_tflops, h100.link_gb_s) == (81_920, 3_350, 989, 450)
    a10 = find_gpu("A10")
    assert (a10.memory_mib, a10.bandwidth_gb_s, a10.dense_bf16_tflops) == (24_576, 600, 125)
    assert find_gpu("L4").price.typical == 0.80


def test_prices_lie_in_their_range_and_say_where_they_were_found():
    for gpu in gpus():
        if gpu.price is not None:
            assert 0 < gpu.price.low <= gpu.price.typical <= gpu.price.high
            assert gpu.price.source


def test_a_gpu_is_found_by_its_full_name_too():
    assert find_gpu("A100-80GB-SXM") is find_gpu("A100-80GB")


@pytest.mark.parametrize(
    ("name", "linear", "head", "kv_bytes"),
    [
        ("Llama-3-8B", 6_979_321_856, 525_336_576, 131_072),
        ("Llama-3.1-70B", 68_451_041_280, 1_050_673_152, 327_680),
        ("Qwen2.5-7B", 6_525_288_448, 544_997_376, 57_344),
        ("Qwen3-32B", 31_205_621_760, 777_912_320, 262_144),
        ("Llama-2-7B", 6_476_005_376, 131_072_000, 524_288),
        ("CodeLlama-34B", 33_218_887_680, 262_144_000, 196_608),
    ],
)
def test_sizes_follow_from_a_models_shape(name, linear, head, kv_bytes):
    model = find_model(name)
    assert (model.dense_params, model.head_params, model.kv_bytes_per_token) == (linear, head, kv_bytes)


def test_a_mixtures_experts_are_apart_from_what_every_token_passes():
    model = find_model("Qwen3-30B-A3B")
    experts = model.layers * model.expert_params
    assert model.dense_params + model.experts * experts == 29_896_998_912
    assert model.dense_params + model.experts_per_token * experts == 2_717_908_992


def test_linear_operators_and_head_are_nearly_all_parameters():
    for model in models():
        linear = model.dense_params + model.layers * model.experts * model.expert_params
        assert 0.85 < (linear + 2 * model.head_params) / model.params < 1.08, model.name


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ScenarioError, match="no GPU 'H100-SMX'; did you mean 'H100-SXM'"):
        find_gpu("H100-SMX")
    with pytest.raises(ScenarioError, match=r"no model 'llama-3-8b'; did you mean 'Llama-3-8B'"):
        find_model("llama-3-8b")
    assert len(set(gpu_names())) == len(gpus())
    assert len(set(model_names())) == len(models())


def test_kv_blocks_are_what_memory_leaves():
    # 24 GiB * 0.9 = 23,192,823,398 bytes, less 2 GiB and 16.06 GB of weights: 4,985,339,750; a block: 2,097,152 bytes.
    assert kv_block_count(find_gpu("A10"), find_model("Llama-3-8B"), 1, 16, 0.9) == 2377


def test_more_gpus_than_kv_heads_keep_copies():
    gpu, model = find_gpu("H100-SXM"), find_model("Qwen2.5-7B")
    four, eight = (kv_block_count(gpu, model, ways, 16, 0.9) for ways in (4, 8))
    assert four < eight < 1.1 * four


def test_a_model_that_leaves_no_room_for_a_cache_is_told():
    gpu, model = find_gpu("A10"), find_model("Llama-3-8B")
    with pytest.raises(ScenarioError, match=r"leaves no room for a KV cache on 1 × A10 at .*utilization 0\.5"):
        kv_block_count(gpu, model, 1, 16, 0.5)
    with pytest.raises(ScenarioError, match=r"Llama-3\.1-70B doesn't fit on 2 × A10; its weights take 141 GB"):
        check_weights(gpu, find_model("Llama-3.1-70B"), 2)


def test_gpus_must_share_the_heads_evenly():
    with pytest.raises(ScenarioError, match="28 attention heads, which 8 GPUs can't share evenly; take one of 1, 2, 4"):
        check_tensor_parallel(find_model("Qwen2.5-7B"), 8)
