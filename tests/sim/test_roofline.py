from __future__ import annotations

from itertools import pairwise

import pytest

from sim.cost import roofline_cost
from sim.cost.roofline import Efficiency, efficiency
from sim.hardware import Gpu, find_gpu, gpus
from sim.models import Model, find_model, models

ROUND = Efficiency(
    source="made up",
    mfu=50,
    mfu_attn=25,
    mbu_w=50,
    mbu_kv=25,
    link_eff=50,
    allreduce_ns=100,
    overhead_us=7,
    overhead_ns_per_seq=3000,
    moe_mfu=50,
    moe_mbu=50,
    moe_layer_ns=11,
)
GPU = Gpu("round", 1024, bandwidth_gb_s=1000, dense_bf16_gflops=1_000_000, link_gb_s=100, link="made up")
"""1e15 FLOP/s and 1e12 byte/s: a FLOP takes 1 as, a byte 1 ps."""

# Attention 10 * 100 * 10 * 2 * (4 + 2) = 120,000 parameters, MLP 10 * 3 * 100 * 200 = 600,000; head 1,000 * 100.
DENSE = Model("dense", 10, 100, 4, 2, 10, 200, 1000, 900_000, 4096)
MIXTURE = Model("mixture", 10, 100, 4, 2, 10, 0, 1000, 0, 4096, experts=4, experts_per_token=2, expert_intermediate=100)


def cost(model: Model, tensor_parallel: int = 1, **overheads: int):
    return roofline_cost(GPU, model, tensor_parallel, reached=ROUND, **overheads)


def test_few_tokens_take_the_time_of_reading_the_weights_and_many_that_of_computing():
    # 2 * (720,000 + 100,000) bytes at half of 1e12 byte/s: 3,280 ns. 2 * 720,000 FLOP at half of 1e15: 2.88 ns a token.
    assert cost(DENSE, overhead_us=0).linear_ns(1) == 3_280
    assert cost(DENSE, overhead_us=0).linear_ns(1_000) == 3_280
    assert cost(DENSE, overhead_us=0).linear_ns(10_000) == 28_800
    assert cost(DENSE).linear_ns(10_000) == 28_800 + 7_000


def test_decodes_read_the_cache_at_its_own_rate_and_each_has_an_overhead():
    # 2 * 2 bytes * 2 heads * 10 * 10 layers = 800 bytes a token, at a quarter of 1e12 byte/s: 3.2 ns.
    fixed_ns = 3_280 + 7_000
    assert cost(DENSE).decodes_ns(5, 1_000) == (fixed_ns + 5 * 3_000 + 3_200, 16)
    assert cost(DENSE).iteration_ns(5, 1_000, 0, 0, 0) == fixed_ns + 5 * 3_000 + 3_200


def test_prefill_attention_counts_pairs():
    # 4 * 4 heads * 10 * 10 layers = 1,600 FLOP a pair, at a quarter of 1e15: 6.4 ps. 100 tokens: 5,000 pairs.
    assert cost(DENSE).iteration_ns(0, 0, 1, 100, 100 * 100) == 3_280 + 7_000 + 3_000 + 32


def test_gpus_share_the_work_and_pay_for_all_reduces():
    # Two a layer, each 100 ns and, in a ring of 2, 2 * 1/2 * 200 bytes a token at half of 1e11 byte/s: 4 ns a token.
    tokens, all_reduces_ns = 10_000, 2 * 10 * (100 + 4 * 10_000)
    assert cost(DENSE, 2, overhead_us=0).linear_ns(tokens) == 14_400 + all_reduces_ns
    assert cost(DENSE, 2).decodes_ns(5, 0)[1] == 8


def test_more_gpus_than_kv_heads_read_no_less_each():
    assert cost(DENSE, 4).decodes_ns(5, 0)[1] == cost(DENSE, 2).decodes_ns(5, 0)[1] == 8


def test_a_mixture_reads_the_experts_that_its_tokens_choose_and_computes_with_two_a_token():
    # Dense: 120,000 + 100,000 parameters read in 880 ns. An expert: 30,000 parameters a layer; all 40 in 4,800 ns.
    # Two of four for one token: 2,400 ns; two tokens leave (1/2)**2 untouched: 3,600 ns. Computing with two of a layer:
    # 2 * 10 * 2 * 30,000 FLOP, 2.4 ns a token. Layers: 10 * 11 ns.
    mixture = cost(MIXTURE, overhead_us=0)
    assert mixture.linear_ns(1) == 880 + 110 + 2_400 + 2
    assert mixture.linear_ns(2) == 880 + 110 + 3_600 + 4
    assert mixture.linear_ns(20_000) == 2 * 2 * 120_000 * 20_000 // 10**6 + 110 + 4_800 + 48_000


def test_the_table_ends_and_the_formula_goes_on():
    for model in (DENSE, MIXTURE):
        times = [cost(model).linear_ns(tokens) for tokens in (4_095, 4_096, 4_097, 4_098)]
        steps = [after - before for before, after in pairwise(times)]
        assert max(steps) - min(steps) <= 2


@pytest.mark.parametrize("gpu", gpus(), ids=lambda gpu: gpu.name)
def test_every_gpu_serves_every_model_and_more_tokens_never_take_less(gpu):
    for model in models():
        cost = roofline_cost(gpu, model)
        times = [cost.iteration_ns(0, 0, 1, n, n * n) for n in (1, 2, 16, 128, 1_024, 8_192, 10_000)]
        assert times == sorted(times)
        assert times[0] > 0


def test_fitted_constants_are_used_where_there_are_any_and_generic_ones_elsewhere():
    assert efficiency(find_gpu("H100-SXM")).source.startswith("AISimulate")
    assert efficiency(find_gpu("MI300X")) == efficiency(find_gpu("B200-SXM"))
    assert efficiency(find_gpu("L4")).link_eff < efficiency(find_gpu("B200-SXM")).link_eff
    assert "no measurement" in efficiency(find_gpu("MI300X")).source


def test_a_measured_prefill_and_decode_are_met():
    # Qwen3-8B on an H100 (AIConfigurator): 2,048 tokens 44.5 ms; 64 decodes over 2,048 tokens each 14.4 ms.
    cost = roofline_cost(find_gpu("H100-SXM"), find_model("Qwen3-8B"))
    assert cost.iteration_ns(0, 0, 1, 2048, 2048**2) == pytest.approx(44.5e6, rel=0.1)
    assert cost.decodes_ns(64, 64 * 2048)[0] == pytest.approx(14.4e6, rel=0.1)
