"""``[cluster]`` and ``[cost]``: what may be left out, and what contradicts."""

from __future__ import annotations

import pytest

from sim.cost import IterationCost, cost_of
from sim.errors import ScenarioError
from sim.scenario import CostSpec, load_scenario
from sim.scenario_file import parse_scenario

PROFILE = """[cost]                       # as in paper-routing
profile = "a10-llama3-8b"
decode_attention_ns_per_token = 380
prefill_attention_ps_per_pair = 13576
"""
KV_BLOCKS = "kv_blocks = 128              # few on purpose: 2,048 tokens a replica\n"


@pytest.fixture
def smoke_text() -> str:
    text = load_scenario("smoke").source
    assert PROFILE in text
    assert KV_BLOCKS in text
    return text


def test_kv_blocks_follow_from_memory_unless_stated(smoke_text):
    by_default = parse_scenario(smoke_text.replace(KV_BLOCKS, ""), "mine.toml").cluster.kv_blocks
    stated = parse_scenario(smoke_text.replace(KV_BLOCKS, "gpu_memory_utilization = 0.9\n"), "mine.toml")
    assert (by_default, stated.cluster.kv_blocks) == (2622, 2377)


def test_a_price_comes_from_the_catalogue_unless_stated(smoke_text):
    text = smoke_text.replace("usd_per_gpu_hour = 1.0\n", "").replace(PROFILE, '[cost]\nkind = "roofline"\n')
    assert parse_scenario(text, "mine.toml").cluster.usd_per_gpu_hour == 1.0
    assert parse_scenario(text.replace("A10", "L4"), "mine.toml").cluster.usd_per_gpu_hour == 0.8


def test_a_profile_that_carries_its_attention_needs_no_constants(smoke_text):
    text = smoke_text.replace('"A10"', '"A100-80GB"').replace(PROFILE, '[cost]\nprofile = "a100-llama3-8b-vidur"\n')
    scenario = parse_scenario(text, "mine.toml")
    assert scenario.cost == CostSpec("a100-llama3-8b-vidur")
    assert isinstance(cost_of(scenario.pools[0]), IterationCost)


def test_a_roofline_is_computed_for_the_clusters_gpu_and_model(smoke_text):
    text = smoke_text.replace('"A10"', '"H100-SXM"\ntensor_parallel = 2').replace(
        PROFILE, '[cost]\nkind = "roofline"\n'
    )
    cost = cost_of(parse_scenario(text, "mine.toml").pools[0])
    with_more = text.replace('kind = "roofline"', 'kind = "roofline"\noverhead_us = 5000\noverhead_us_per_seq = 40')
    slower = cost_of(parse_scenario(with_more, "mine.toml").pools[0])
    assert slower.decodes_ns(8, 8000)[0] > cost.decodes_ns(8, 8000)[0] + 1_000_000


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (KV_BLOCKS, KV_BLOCKS + "gpu_memory_utilization = 0.9\n", "both say how large the KV cache is; remove one"),
        (KV_BLOCKS, "tensor_parallel = 3\n", "cluster.tensor_parallel: Llama-3-8B has 32 attention heads"),
        (KV_BLOCKS, "gpu_memory_utilization = 0.6\n", "leaves no room for a KV cache on 1 × A10"),
        ('model = "Llama-3-8B"', 'model = "Qwen3-32B"', "Qwen3-32B doesn't fit on 1 × A10"),
        ('model = "Llama-3-8B"', 'model = "Llama3-8B"', "no model 'Llama3-8B'; did you mean 'Llama-3-8B'"),
        ('gpu = "A10"', 'gpu = "H100"', "no GPU 'H100'; did you mean 'H100-"),
        ('gpu = "A10"', 'gpu = "A10"\ntensor_parallel = 2', "measured for Llama-3-8B on A10, not for .* 2 × A10"),
        ('profile = "a10-llama3-8b"\n', "", 'cost.profile is missing; name one, or write kind = "roofline"'),
        ("decode_attention_ns_per_token = 380\n", "", "cost.decode_attention_ns_per_token is missing: profile"),
        ("[cost]", '[cost]\nkind = "roofline"', "cost.profile belongs to cost.kind 'profile', not to 'roofline'"),
        ("[cost]", "[cost]\noverhead_us = 5", "cost.overhead_us belongs to cost.kind 'roofline', not to 'profile'"),
        ("[cost]", '[cost]\nkind = "table"', "cost.kind: .*'profile' or 'roofline'"),
        ("usd_per_gpu_hour = 1.0\n", "", None),
    ],
)
def test_contradictions_are_told_in_one_sentence(smoke_text, old, new, complaint):
    text = smoke_text.replace(old, new, 1)
    assert text != smoke_text
    if complaint is None:
        parse_scenario(text, "mine.toml")
        return
    with pytest.raises(ScenarioError, match=f"^mine.toml: .*{complaint}"):
        parse_scenario(text, "mine.toml")


def test_a_gpu_without_a_known_price_needs_one(smoke_text):
    text = smoke_text.replace("usd_per_gpu_hour = 1.0\n", "").replace(PROFILE, '[cost]\nkind = "roofline"\n')
    with pytest.raises(ScenarioError, match="no price of A40 is known; state one"):
        parse_scenario(text.replace("A10", "A40"), "mine.toml")


def test_a_pool_of_another_gpu_inherits_neither_the_memory_nor_another_profiles_constants(smoke_text):
    pools = '\n[[pool]]\nname = "old"\n\n[[pool]]\nname = "new"\ngpu = "A100-80GB"\n\n[pool.cost]\nprofile = '
    scenario = parse_scenario(smoke_text + pools + '"a100-llama3-8b-vidur"\n', "mine.toml")
    old, new = scenario.pools
    assert (old.cluster.kv_blocks, old.cost.decode_attention_ns_per_token) == (128, 380)
    assert new.cluster.kv_blocks > 10_000
    assert new.cost == CostSpec("a100-llama3-8b-vidur")
