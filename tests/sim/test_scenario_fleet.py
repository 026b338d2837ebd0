"""The sections of a scenario file that say how a cluster changes: what they mean and how they can contradict."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sim.errors import ScenarioError
from sim.scenario import (
    AutoscalerSpec,
    EngineSpec,
    Fault,
    FaultsSpec,
    PoolSpec,
    Scenario,
    load_scenario,
)

SCALED = "[autoscaler]\ninterval_s = 15.0\ncold_start_s = 60.0\n"
Load = Callable[..., Scenario]


@pytest.fixture
def with_more(tmp_path, smoke) -> Load:
    """The smoke scenario with ``text`` added to its file; ``overrides`` as ``--set`` has them."""

    def load(text: str, **overrides: str) -> Scenario:
        path = tmp_path / "mine.toml"
        path.write_text(f"{smoke.source}\n{text}", "utf-8")
        return load_scenario(str(path), {key.replace("__", "."): value for key, value in overrides.items()})

    return load


def test_a_file_without_the_sections_has_a_fixed_fleet_under_sarathis_rules(smoke):
    assert smoke.engine == EngineSpec("sarathi", prefix_caching=False, reserved_tokens=4096, vidur_compat=False)
    assert smoke.pools == (PoolSpec("main", smoke.cluster, smoke.cost, 2, 2),)
    assert (smoke.autoscaling, smoke.faults, smoke.scrape_interval_s) == (None, FaultsSpec(), 0.0)
    assert (smoke.scheduler, smoke.autoscaler) == ("vllm-fcfs", "fixed")


def test_the_sections_become_the_specs(with_more):
    text = """
[engine]
rules = "vllm-v1"
prefix_caching = true
[telemetry]
scrape_interval_s = 0.5
[faults]
mean_between_s = 3600.0
[[fault]]
kind = "crash"
replica = 1
at_s = 5.0
duration_s = 10.0
[[fault]]
kind = "slow"
replica = 0
at_s = 0
duration_s = 2.5
percent = 300
"""
    scenario = with_more(text)
    assert scenario.engine == EngineSpec("vllm-v1", prefix_caching=True)
    assert scenario.scrape_interval_s == 0.5
    assert scenario.faults == FaultsSpec(
        3600.0, 60.0, (Fault("crash", 1, 5.0, 10.0), Fault("slow", 0, 0.0, 2.5, percent=300))
    )


def test_an_autoscaler_without_pools_changes_the_one_that_the_cluster_describes(with_more):
    scenario = with_more(SCALED + "max_replicas = 6\n")
    assert scenario.autoscaling == AutoscalerSpec(15.0, 60.0, sample_interval_s=2.0, history_s=600.0)
    assert scenario.pools == (PoolSpec("main", scenario.cluster, scenario.cost, 1, 6),)


def test_a_pool_inherits_what_it_does_not_state(with_more, smoke):
    text = '[[pool]]\nname = "small"\n[[pool]]\nname = "large"\nreplicas = 3\nkv_blocks = 999\n[pool.cost]\n'
    scenario = with_more(text + "decode_attention_ns_per_token = 190\n")
    small, large = scenario.pools
    assert small == PoolSpec("small", smoke.cluster, smoke.cost, 2, 2)
    assert (large.cluster.replicas, large.cluster.kv_blocks, large.cluster.chunk_tokens) == (3, 999, 512)
    assert (large.cost.profile, large.cost.decode_attention_ns_per_token) == (smoke.cost.profile, 190)
    assert (large.min_replicas, large.max_replicas) == (3, 3)
    assert scenario.label == "2×A10 + 3×A10 · Llama-3-8B"


def test_a_pool_under_an_autoscaler_has_limits_of_its_own_or_stays_as_it_is(with_more):
    text = '[[pool]]\nname = "elastic"\nmax_replicas = 5\n[[pool]]\nname = "fixed"\n'
    elastic, fixed = with_more(SCALED + text).pools
    assert (elastic.min_replicas, elastic.max_replicas) == (1, 5)
    assert (fixed.min_replicas, fixed.max_replicas) == (2, 2)


def test_single_values_of_pools_and_faults_can_be_set_by_name_and_number(with_more, tmp_path):
    text = '[[pool]]\nname = "a"\n[pool.cost]\ndecode_attention_ns_per_token = 1\n'
    text += '[[fault]]\nkind = "crash"\nreplica = 0\nat_s = 1.0\nduration_s = 1.0\n'
    scenario = with_more(text, pool__a__replicas="3", fault__1__at_s="7.5")
    assert (scenario.pools[0].cluster.replicas, scenario.faults.listed[0].at_s) == (3, 7.5)
    again = tmp_path / "again.toml"
    again.write_text(scenario.source, "utf-8")
    assert load_scenario(str(again)) == scenario


POOL = '[[pool]]\nname = "a"\n'
CRASH = '[[fault]]\nkind = "crash"\nreplica = 0\nat_s = 1.0\nduration_s = 9.0\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[engin]\n", "unknown section .engin.; did you mean 'engine'"),
        ('[engine]\nrule = "vllm"', "unknown key 'engine.rule'; did you mean 'rules'"),
        ('[engine]\nrules = "vlm"', "engine.rules: input should be 'vllm-v1', 'sarathi', 'vllm' or 'orca', not 'vlm'"),
        ("[engine]\nprefix_caching = 1", "engine.prefix_caching: input should be a valid boolean, not 1"),
        ('[engine]\nrules = "orca"', r"engine.reserved_tokens: 4096 tokens .* don't fit the 128 KV blocks"),
        ('[engine]\nrules = "orca"\nvidur_compat = true\nreserved_tokens = 512', "engine.vidur_compat: .*; remove it"),
        ("[telemetry]\nscrape_interval_ms = 5", "unknown key 'telemetry.scrape_interval_ms'; did you mean 'scrape_in"),
        ("[telemetry]\nscrape_interval_s = 0.0", "telemetry.scrape_interval_s: .* not 0.0"),
        ("[pool]\n", r"pool must be a list of sections: write \[\[pool\]\] and its keys below"),
        ("[[pool]]\n", r"\[\[pool\]\] number 1: pool.name is missing"),
        (POOL + "replica = 3", r"\[\[pool\]\] number 1: unknown key 'pool.replica'; did you mean 'replicas'"),
        (POOL + "kv_blocks = -1", r"\[\[pool\]\] number 1: pool.kv_blocks: .* not -1"),
        (POOL + 'gpu = "A100-80GB"', r"pool 'a': cost.profile 'a10-llama3-8b' was measured for"),
        (POOL + "[pool.cost]\nprofil = 1", r"\[\[pool\]\] number 1: unknown key 'pool.cost.profil'; did you mean 'pro"),
        (POOL + POOL, "there are 2 pools 'a'; give each a name of its own"),
        (POOL + "max_replicas = 4", r"pool 'a': min_replicas and max_replicas are an autoscaler's limits"),
        (POOL + "block_tokens = 32", "pool 'a': block_tokens is 32 and cluster.block_tokens 16; all .* the same"),
        (POOL + "watermark_fraction = 0.999", "pool 'a': .*leaves no room"),
        (POOL + "replicas = 4096\n" + POOL.replace('"a"', '"b"'), "4098 replicas; it must be 1 to 4096"),
        ("[autoscaler]\ninterval_s = 5.0", "autoscaler.cold_start_s is missing"),
        (SCALED, "autoscaler.max_replicas is missing"),
        (SCALED + "max_replicas = 1", r"replicas 2 .* must lie between min_replicas 1 and max_replicas 1"),
        (SCALED + "min_replicas = 9\nmax_replicas = 4", "min_replicas 9 is more than max_replicas 4"),
        (SCALED + "max_replicas = 4\n" + POOL, "autoscaler.max_replicas: every pool has its own limits"),
        (SCALED + "max_replicas = 4\nhistory_s = 1.0", "sample_interval_s: 2 s is longer than the history of 1 s"),
        (CRASH.replace("crash", "crush"), r"\[\[fault\]\] number 1: fault.kind: input should be 'crash' or 'slow'"),
        (CRASH + "percent = 200", "number 1: percent belongs to kind 'slow'"),
        (CRASH.replace("crash", "slow"), "number 1: a slowdown needs percent, other than 100"),
        (CRASH.replace("replica = 0", "replica = 2"), "number 1: there is never a replica 2; they count from 0 to 1"),
        (
            CRASH + CRASH.replace("1.0", "9.9"),
            "replica 0 has a fault of kind 'crash' at 1 s for 9 s and another one at",
        ),
        ("[faults]\nmean_between_s = 0.5", "faults.mean_between_s: .* not 0.5"),
        ("[faults]\nmean_down = 3.0", "unknown key 'faults.mean_down'; did you mean 'mean_down_s'"),
    ],
)
def test_a_contradiction_is_told_in_one_sentence(with_more, text, complaint):
    with pytest.raises(ScenarioError, match=f"^[^ ]*mine.toml: .*{complaint}") as caught:
        with_more(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("scenario.slots", '["autoscaler"]', r"scenario.slots: an autoscaler needs a section \[autoscaler\]"),
        ("scenario.scheduler", "sarati", "scenario.scheduler: there is no scheduler 'sarati'; did you mean 'sarathi'"),
        ("scenario.autoscaler", "kqa", "scenario.autoscaler: there is no autoscaler 'kqa'; did you mean 'kpa'"),
        ("scenario.autoscaler", "hpa", r"scenario.autoscaler: an autoscaler needs a section \[autoscaler\]"),
        ("pool.a.replicas", "3", r"no \[\[pool\]\] 'a' for 'pool.a.replicas'; none is known"),
        ("pool.replicas", "3", "no scenario key 'pool.replicas'; did you mean 'cluster.replicas'"),
        ("engine.rules", "vllm-v2", "engine.rules: .* not 'vllm-v2'"),
    ],
)
def test_an_override_that_contradicts_is_told_too(key, value, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        load_scenario("smoke", {key: value})


def test_vllm_v1_needs_a_budget_for_every_decode():
    overrides = {"engine.rules": "vllm-v1", "cluster.max_num_seqs": "600"}
    with pytest.raises(ScenarioError, match=r"cluster.max_num_seqs: .* 600 requests need chunk_tokens .* not 512"):
        load_scenario("smoke", overrides)
    assert load_scenario("smoke", {**overrides, "engine.rules": "sarathi"}).cluster.max_num_seqs == 600


def test_what_changes_the_fleet_changes_the_digest(with_more, smoke):
    assert with_more("").digest == smoke.digest
    assert len({with_more(text).digest for text in ("", POOL, CRASH, SCALED + "max_replicas = 3")}) == 4
