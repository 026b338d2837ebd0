"""Reading scenarios: what ships, overrides, and one sentence for everything that can be wrong with a file."""

from __future__ import annotations

import tomllib

import pytest

from sim.errors import ScenarioError
from sim.scenario import load_scenario
from sim.workload.spec import LogNormalWorkload, TraceWorkload


@pytest.fixture
def edited(tmp_path, smoke):
    """The smoke scenario's file with ``old`` replaced by ``new``, as a path."""

    def edit(old, new):
        assert smoke.source.count(old) == 1
        path = tmp_path / "mine.toml"
        path.write_text(smoke.source.replace(old, new), "utf-8")
        return str(path)

    return edit


def test_the_papers_scenarios_design_routers_for_a_mean():
    for name in ("paper-routing", "paper-routing-family", "paper-qps-sweep", "smoke"):
        scenario = load_scenario(name)
        assert (scenario.name, scenario.slots, scenario.baseline) == (name, ("router",), "llq")
        assert scenario.metric == "e2e_s.mean"


def test_the_papers_benchmark_is_as_published():
    scenario = load_scenario("paper-routing")
    spec = scenario.cluster
    assert (spec.replicas, spec.kv_blocks, spec.block_tokens, spec.watermark_blocks) == (4, 2240, 16, 22)
    assert (spec.max_num_seqs, spec.chunk_tokens, spec.label) == (128, 8192, "4×A10 · Llama-3-8B")
    assert scenario.workload == TraceWorkload("sharegpt-7.5")
    family = load_scenario("paper-routing-family")
    assert family.workload == LogNormalWorkload(7.5, 2.0, 1000.0, "sharegpt-7.5")
    assert (family.cluster, family.cost) == (scenario.cluster, scenario.cost)


def test_an_override_changes_value_source_and_digest(smoke):
    changed = load_scenario("smoke", {"cluster.kv_blocks": "2048", "scenario.baseline": "round-robin"})
    assert (changed.cluster.kv_blocks, changed.baseline) == (2048, "round-robin")
    assert tomllib.loads(changed.source)["cluster"]["kv_blocks"] == 2048
    assert changed.digest != smoke.digest


def test_the_source_of_an_overridden_scenario_loads_as_the_same_scenario(tmp_path):
    changed = load_scenario("smoke", {"scenario.title": '"say \\"hé\\""', "workload.sigma": "0.5"})
    path = tmp_path / "again.toml"
    path.write_text(changed.source, "utf-8")
    assert load_scenario(str(path)) == changed


def test_prose_comments_and_order_do_not_change_the_digest(edited, smoke):
    assert load_scenario(edited('title = "A small', 'title = "# A little')).digest == smoke.digest
    assert load_scenario(edited("kv_blocks = 128 ", "kv_blocks = 129 ")).digest != smoke.digest


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("max_num_seqs", "max_num_seq", r"mine.toml: unknown key 'cluster.max_num_seq'; did you mean 'max_num_seqs'"),
        ("[slo]", "[slos]", "mine.toml: unknown section .slos.; did you mean 'slo'"),
        ("sigma = 1.0", "sigmas = 1.0", "mine.toml: unknown key 'workload.sigmas'; did you mean 'sigma'"),
        ("max_num_seqs = 32", "", "mine.toml: cluster.max_num_seqs is missing"),
        ("kv_blocks = 128 ", "kv_blocks = -5 ", "cluster.kv_blocks: input should be greater than 0, not -5"),
        ("kv_blocks = 128 ", 'kv_blocks = "many" ', "cluster.kv_blocks: input should be a valid integer, not 'many'"),
        ("kv_blocks = 128 ", "kv_blocks = true ", "cluster.kv_blocks: input should be a valid integer, not True"),
        ("rate_rps = 4.0", "rate_rps = nan", "workload.rate_rps: "),
        (
            'kind = "lognormal"',
            'kind = "poisson"',
            "workload.kind can't be 'poisson'; known are trace, lognormal, ",
        ),
        ('kind = "lognormal"', "", "workload.kind is missing"),
        ('lengths = "sharegpt-7.5"', 'lengths = "sharegpt"', "no trace 'sharegpt'; did you mean 'sharegpt-7.5'"),
        ('profile = "a10-llama3-8b"', 'profile = "a10-llama3"', "no profile 'a10-llama3'; did you mean"),
        ('gpu = "A10"', 'gpu = "A1O"', "no GPU 'A1O'; did you mean 'A10'"),
        ('gpu = "A10"', 'gpu = "A100-80GB"', "was measured for Llama-3-8B on A10, not for Llama-3-8B on A100-80GB"),
        ('baseline = "llq"', 'baseline = "lqq"', "no router 'lqq'; did you mean 'llq'"),
        ('metric = "e2e_s.mean"', 'metric = "e2e_s.avg"', "scenario.metric: 'e2e_s.avg' is no figure to minimise"),
        ('slots = ["router"]', 'slots = ["routr"]', "scenario.slots"),
        ('slots = ["router"]', "slots = []", "scenario.slots: must have one to three entries"),
        ('name = "smoke"', 'name = "../x"', "scenario.name"),
        ("[slo]", "[slo", "mine.toml is not valid TOML"),
        ("[slo]", "x = 1\n[slo]", "unknown key 'workload.x'"),
    ],
)
def test_a_malformed_file_is_named_with_the_field_and_what_to_do(edited, old, new, complaint):
    with pytest.raises(ScenarioError, match=complaint) as caught:
        load_scenario(edited(old, new))
    assert "\n" not in str(caught.value)


def test_an_unknown_scenario_names_the_nearest():
    with pytest.raises(ScenarioError, match="no scenario 'paper-ruting'; did you mean 'paper-routing'"):
        load_scenario("paper-ruting")


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("cluster.kv_block", "no scenario key 'cluster.kv_block'; did you mean 'cluster.kv_blocks'"),
        ("kv_blocks", "no scenario key 'kv_blocks'; did you mean 'cluster.kv_blocks'"),
        ("", "no scenario key ''"),
    ],
)
def test_an_unknown_override_names_the_nearest(key, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        load_scenario("smoke", {key: "1"})


@pytest.mark.parametrize("value", ["lots", "1\nreplicas = 7", "-1", "1e3"])
def test_an_override_of_the_wrong_type_is_refused(value):
    with pytest.raises(ScenarioError, match=r"cluster\.kv_blocks: "):
        load_scenario("smoke", {"cluster.kv_blocks": value})


def test_a_file_that_cant_be_read_is_named(tmp_path):
    with pytest.raises(ScenarioError, match=r"Can't read the scenario file .*No such file"):
        load_scenario(str(tmp_path / "none.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match="not UTF-8 text"):
        load_scenario(str(tmp_path / "binary.toml"))
    with pytest.raises(ScenarioError, match="Can't read"):
        load_scenario(f"{tmp_path}/")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cluster.kv_blocks", str(2**63)),
        ("scenario.telemetry_interval_s", "1e300"),
        ("cluster.usd_per_gpu_hour", "1e308"),
        ("cluster.watermark_fraction", "nan"),
        ("workload.rate_rps", "1e-300"),
        ("workload.duration_s", "1e300"),
        ("cost.decode_attention_ns_per_token", str(10**12)),
        ("cost.prefill_attention_ps_per_pair", str(10**21)),
        ("slo.ttft_s", "1e300"),
        ("cluster.max_num_seqs", "9" * 5000),
        ("cluster.max_num_seqs", "[" * 100_000),
    ],
)
def test_a_value_that_nothing_could_be_simulated_with_is_refused_by_its_field(key, value):
    with pytest.raises(ScenarioError, match=f"smoke.toml: {key}: ") as caught:
        load_scenario("smoke", {key: value})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("text", "words"), [("a = " + "9" * 5000, "digits"), ("a = " + "[" * 100_000, "nested")])
def test_a_file_that_toml_itself_gives_up_on_is_a_sentence(tmp_path, text, words):
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ScenarioError, match=words):
        load_scenario(str(path))


def test_a_metric_that_no_request_can_have_is_refused():
    overrides = {"workload.max_output_tokens": "1", "scenario.metric": "tpot_s.mean"}
    with pytest.raises(ScenarioError, match=r"scenario\.metric: .* undefined; choose another metric"):
        load_scenario("smoke", overrides)
    assert load_scenario("smoke", {"workload.max_output_tokens": "1"}).metric == "e2e_s.mean"
