"""The section [workload] of a scenario file: its kinds, what is below it, single keys set, and what can't be."""

from __future__ import annotations

import json
import tomllib

import pytest

from sim.errors import ScenarioError, SimError
from sim.scenario import load_scenario
from sim.workload import build_workload
from sim.workload.spec import (
    DiurnalShape,
    FileWorkload,
    GammaArrivals,
    GeneratedWorkload,
    PairLengths,
    Sessions,
    SloClass,
)

GENERATED = """
[workload]
kind = "generated"

[workload.arrivals]
process = "gamma"
rate_rps = 4.0
duration_s = 30.0
cv = 2.0

[workload.shape]
kind = "diurnal"
period_s = 30.0
peak_to_trough = 3.0
peak_at_s = 15.0

[workload.lengths]
kind = "pairs"
source = "azure-conv"
max_prompt_tokens = 500
max_output_tokens = 50

[workload.sessions]
mean_turns = 3.0
turn_gap_median_s = 2.0
max_context_tokens = 1500
system_prompts = 2
system_prompt_tokens = 128

[[workload.tier]]
name = "chat"
share = 3.0
ttft_slo_s = 1.0

[[workload.tier]]
name = "batch"
share = 1
priority = 5
"""


@pytest.fixture
def scenario_file(tmp_path, smoke):
    """The smoke scenario with another [workload], as a path."""

    def write(section, old="", new=""):
        head, _, rest = smoke.source.partition("[workload]")
        assert old in section
        path = tmp_path / "mine.toml"
        path.write_text(f"{head}{section.replace(old, new)}\n[slo]{rest.partition('[slo]')[2]}", "utf-8")
        return str(path)

    return write


@pytest.fixture
def requests_csv(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n1,100,10\n2,200,20\n4,300,30\n", "utf-8")
    return path


def file_section(path, more=""):
    return f'[workload]\nkind = "file"\npath = "{path}"\n{more}\n'


def test_every_section_becomes_a_value(scenario_file):
    assert load_scenario(scenario_file(GENERATED)).workload == GeneratedWorkload(
        GammaArrivals(4.0, 30.0, 2.0),
        PairLengths("azure-conv", 500, 50),
        DiurnalShape(30.0, 3.0, 15.0),
        Sessions(3.0, 100, 2.0, 1.0, 1500, 2, 128),
        (SloClass("chat", 3.0, 0, 1.0), SloClass("batch", 1, 5)),
    )


def test_a_generated_workload_has_what_it_asks_for(scenario_file):
    work = build_workload(load_scenario(scenario_file(GENERATED)), 1)
    assert work.content_block_tokens == 64
    assert set(work.priority.tolist()) == {0, 5}
    assert work.session.max() > 0


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("workload.arrivals.rate_rps", "8.0", ("arrivals", "rate_rps")),
        ("workload.shape.peak_to_trough", "2.5", ("shape", "peak_to_trough")),
        ("workload.lengths.source", "azure-code", ("lengths", "source")),
        ("workload.tier.batch.share", "2.0", ("tier", 1, "share")),
        ("workload.tier.1.priority", "-3", ("tier", 0, "priority")),
    ],
)
def test_a_key_below_workload_can_be_set(scenario_file, key, value, path):
    path_of_file = scenario_file(GENERATED)
    changed = load_scenario(path_of_file, {key: value})
    found = tomllib.loads(changed.source)["workload"]
    for part in path:
        found = found[part]
    assert str(found) == value
    assert changed.digest != load_scenario(path_of_file).digest


def test_the_source_of_a_changed_scenario_loads_as_the_same(scenario_file, tmp_path):
    changed = load_scenario(scenario_file(GENERATED), {"workload.arrivals.cv": "1.5"})
    (tmp_path / "again.toml").write_text(changed.source, "utf-8")
    assert load_scenario(str(tmp_path / "again.toml")) == changed


def test_a_whole_section_can_be_set(scenario_file):
    shape = '{kind = "steps", steps = [[5.0, 3.0], [10.0, 1.0]]}'
    work = load_scenario(scenario_file(GENERATED), {"workload.shape": shape}).workload
    assert work.shape.steps == ((5.0, 3.0), (10.0, 1.0))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('kind = "generated"', 'kind = "generate"', "workload.kind can't be 'generate'; did you mean 'generated'"),
        ('process = "gamma"', 'process = "gama"', "workload.arrivals.process can't be 'gama'; did you mean 'gamma'"),
        ('process = "gamma"', "", "workload.arrivals.process is missing; known are poisson, gamma"),
        ('kind = "diurnal"', 'kind = "daily"', "workload.shape.kind can't be 'daily'; known are|did you mean"),
        ("cv = 2.0", "cvs = 2.0", "unknown key 'workload.arrivals.cvs'; did you mean 'cv'"),
        ("cv = 2.0", "cv = 2.0\nsigma = 1.0", "workload.arrivals.sigma doesn't belong to this kind of workload.arriv"),
        ("cv = 2.0", "cv = nan", "workload.arrivals.cv: "),
        ("cv = 2.0", "", "workload.arrivals.cv is missing"),
        ("rate_rps = 4.0", "rate_rps = 1e9", "workload.arrivals.rate_rps: "),
        ("rate_rps = 4.0", "rate_rps = 1e6", "workload.arrivals.duration_s: 30,000,000 requests on average"),
        ("mean_turns = 3.0", "mean_turn = 3.0", "unknown key 'workload.sessions.mean_turn'; did you mean 'mean_turns'"),
        ("[workload.sessions]", "[workload.session]", "unknown key 'workload.session'; did you mean 'sessions'"),
        ("share = 1\n", "share = 0\n", r"\[\[workload.tier\]\] number 2: workload.tier.share: "),
        ("share = 1\n", "shares = 1\n", r"number 2: unknown key 'workload.tier.shares'; did you mean 'share'"),
        ("system_prompts = 2", "", "workload.sessions.system_prompts: system prompts need both"),
        ("max_context_tokens = 1500", "max_context_tokens = 128", "leave nothing behind a system prompt of 128"),
        ("turn_gap", "content_block_tokens = 40\nturn_gap", "40 isn't a multiple of cluster.block_tokens 16"),
        ('source = "azure-conv"', 'source = "azure-con"', "no lengths 'azure-con'; did you mean 'azure-conv'"),
        ("period_s = 30.0", "period_s = 0.0", "workload.shape.period_s: "),
        ("max_output_tokens = 50", "max_output_tokens = 50.5", "workload.lengths.max_output_tokens: "),
    ],
)
def test_a_malformed_section_is_named_with_the_key_and_what_to_do(scenario_file, old, new, complaint):
    with pytest.raises(ScenarioError, match=complaint) as caught:
        load_scenario(scenario_file(GENERATED, old, new))
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ('shape = {kind = "profile", period_s = 1.0, weights = [0.0, 0]}', "workload.shape.weights: all are 0"),
        (
            'shape = {kind = "profile", period_s = 1e-10, weights = [1]}',
            "workload.shape.period_s: .* greater than or equal to 0.001",
        ),
        (
            'arrivals = {process = "poisson", rate_rps = 4, duration_s = 1e-10}',
            "workload.arrivals.duration_s: .* greater than or equal to 0.001",
        ),
        ('shape = {kind = "steps", steps = [[5, 1], [5, 2]]}', "workload.shape.steps: times must rise"),
        ('shape = {kind = "steps", steps = [[5, 1, 2]]}', "workload.shape.steps.0: "),
        (
            'arrivals = {process = "replay", trace = "azure-code", duration_s = 5, start_s = 1e6}',
            "workload.arrivals.start_s: the record 'azure-code' has 3,4",
        ),
        ('arrivals = {process = "replay", trace = "azure", duration_s = 5}', "no recorded arrivals 'azure'; did you"),
        (
            'lengths = {kind = "quantiles", prompt_quantiles = [[0, 1], [0.9, 5]], '
            "output_quantiles = [[0, 1], [1, 1]]}",
            "workload.lengths.prompt_quantiles: shares must rise from 0 to 1",
        ),
        (
            'lengths = {kind = "quantiles", prompt_quantiles = [[0, 1], [1, 5]], output_quantiles = [[0, 0], [1, 2]]}',
            "workload.lengths.output_quantiles: tokens must be 1 or more",
        ),
        (
            'arrivals = {process = "mmpp", rate_rps = 1, duration_s = 1e6, burst_factor = 2, mean_burst_s = 1e-3, '
            "mean_calm_s = 1e-3}",
            "workload.arrivals.mean_calm_s: the rate would change more than",
        ),
        ("arrivals = 3", r"workload.arrivals must be a section: write \[workload.arrivals\]"),
        ("tier = 3", r"workload.tier must be a list of sections: write \[\[workload.tier\]\]"),
    ],
)
def test_sections_that_contradict_themselves_are_named(scenario_file, section, complaint):
    parts = {
        "arrivals": 'arrivals = {process = "poisson", rate_rps = 4, duration_s = 30}',
        "lengths": 'lengths = {kind = "pairs", source = "azure-conv"}',
    }
    parts[section.split(" ")[0]] = section
    with pytest.raises(ScenarioError, match=complaint):
        load_scenario(scenario_file('[workload]\nkind = "generated"\n' + "\n".join(parts.values())))


def test_replayed_arrivals_take_no_shape_and_no_conversations(scenario_file):
    replay = {"workload.arrivals": '{process = "replay", trace = "azure-conv", duration_s = 30}'}
    with pytest.raises(ScenarioError, match=r"workload.shape: a replay has the shape that was recorded"):
        load_scenario(scenario_file(GENERATED), replay)
    head, _, rest = GENERATED.partition("[workload.shape]")
    with pytest.raises(ScenarioError, match=r"workload.sessions: recorded arrivals are of requests"):
        load_scenario(scenario_file(head + "[workload.lengths]" + rest.partition("[workload.lengths]")[2]), replay)


def test_conversations_that_would_fill_the_memory_are_refused(scenario_file):
    huge = {"workload.sessions.max_context_tokens": "10000000", "workload.arrivals.duration_s": "10000.0"}
    with pytest.raises(ScenarioError, match="may name more blocks than fit memory"):
        load_scenario(scenario_file(GENERATED), huge)


def test_a_seed_that_draws_nothing_is_said(scenario_file):
    rare = load_scenario(scenario_file(GENERATED), {"workload.arrivals.rate_rps": "1e-6"})
    with pytest.raises(SimError, match="Seed 1 draws no request; raise the rate"):
        build_workload(rare, 1)


def test_a_rate_that_changes_too_often_is_refused(scenario_file):
    shape = {
        "workload.shape": '{kind = "profile", period_s = 1e-3, weights = [1]}',
        "workload.arrivals.duration_s": "10000.0",
    }
    with pytest.raises(ScenarioError, match=r"workload.shape.period_s: the rate would change"):
        load_scenario(scenario_file(GENERATED), shape)


def test_blocks_are_not_larger_than_any_engine_has_them(scenario_file):
    with pytest.raises(ScenarioError, match=r"cluster.block_tokens: .* less than or equal to 65536"):
        load_scenario(scenario_file(GENERATED), {"cluster.block_tokens": "65537"})


# -- a trace file as the workload


def test_a_file_slowed_down_beyond_simulated_time_is_refused(scenario_file, tmp_path):
    (tmp_path / "v.csv").write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n0,5,6\n9e8,5,6\n", "utf-8")
    with pytest.raises(ScenarioError, match=r"workload.rate_scale: at 0.001 times its pace, v.csv lasts longer"):
        load_scenario(scenario_file(file_section("v.csv")), {"workload.rate_scale": "0.001"})
    first = {"workload.rate_scale": "0.001", "workload.limit": "1"}
    assert len(build_workload(load_scenario(scenario_file(file_section("v.csv")), first), 1)) == 1


def test_a_file_is_found_beside_the_scenario(scenario_file, requests_csv):
    scenario = load_scenario(scenario_file(file_section("mine.csv")))
    assert isinstance(scenario.workload, FileWorkload)
    assert scenario.is_trace
    work = build_workload(scenario, 1)
    assert (work.arrival_ns // 10**9).tolist() == [1, 2, 4]
    assert work.sha256 == build_workload(scenario, 2).sha256


def test_a_file_can_be_sped_up_cut_and_capped(scenario_file, requests_csv):
    more = "rate_scale = 2.0\nlimit = 2\nmax_prompt_tokens = 150\nmax_output_tokens = 15"
    work = build_workload(load_scenario(scenario_file(file_section("mine.csv", more))), 1)
    assert work.arrival_ns.tolist() == [500_000_000, 10**9]
    assert (work.prompt_tokens.tolist(), work.output_tokens.tolist()) == ([100, 150], [10, 15])


def test_the_digest_is_of_the_files_bytes_not_of_its_place(scenario_file, requests_csv, tmp_path):
    first = load_scenario(scenario_file(file_section("mine.csv")))
    requests_csv.rename(tmp_path / "other.csv")
    assert load_scenario(scenario_file(file_section("other.csv"))).digest == first.digest
    (tmp_path / "other.csv").write_text("num_prefill_tokens,num_decode_tokens,arrived_at\n5,5,5\n", "utf-8")
    assert load_scenario(scenario_file(file_section("other.csv"))).digest != first.digest


def test_a_file_that_changed_since_it_was_checked_is_not_run(scenario_file, requests_csv):
    scenario = load_scenario(scenario_file(file_section("mine.csv")))
    requests_csv.write_text("num_prefill_tokens,num_decode_tokens,arrived_at\n5,5,5\n", "utf-8")
    with pytest.raises(SimError, match="has changed since the scenario was read"):
        build_workload(scenario, 1)


def test_mooncakes_hashes_become_content(scenario_file, tmp_path):
    rows = [
        {"timestamp": 0, "input_length": 1100, "output_length": 500, "hash_ids": [40, 41, 42]},
        {"timestamp": 1, "input_length": 1024, "output_length": 5, "hash_ids": [40, 43]},
        {"timestamp": 2, "input_length": 600, "output_length": 5, "hash_ids": [43, 44]},
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    work = build_workload(load_scenario(scenario_file(file_section("m.jsonl"))), 1)
    assert work.content_block_tokens == 512
    assert work.content == ((0, 1, 4), (0, 2), (3,))  # by what prompts show; the output comes last
    capped = build_workload(load_scenario(scenario_file(file_section("m.jsonl", "max_prompt_tokens = 600"))), 1)
    assert [len(ids) for ids in capped.content] == [2, 1, 1]
    assert capped.content[0][0] == capped.content[1][0]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ('format = "azur"', "no trace format 'azur'; did you mean 'azure'"),
        ("limits = 3", "unknown key 'workload.limits'; did you mean 'limit'"),
        ('[workload.shape]\nkind = "ramp"\nend_factor = 2.0', "workload.shape: the file's own times have their shape"),
        (
            'rate_scale = 2.0\n[workload.arrivals]\nprocess = "poisson"\nrate_rps = 1\nduration_s = 9',
            "workload.rate_scale: speeds up the file's own times",
        ),
    ],
)
def test_what_doesnt_go_with_a_file_is_named(scenario_file, requests_csv, more, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        load_scenario(scenario_file(file_section("mine.csv", more)))


def test_a_bad_file_is_named_behind_the_scenario(scenario_file, requests_csv):
    with pytest.raises(ScenarioError, match=r"mine\.toml: Can't read the trace '.*none\.csv'"):
        load_scenario(scenario_file(file_section("none.csv")))
    requests_csv.write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n-1,1,1\n", "utf-8")
    with pytest.raises(ScenarioError, match=r"mine\.toml: .*mine\.csv, line 2: arrived_at: '-1' is negative"):
        load_scenario(scenario_file(file_section("mine.csv")))


def test_a_file_without_times_needs_arrivals(scenario_file, tmp_path):
    (tmp_path / "l.csv").write_text("num_prefill_tokens,num_decode_tokens\n7,8\n9,10\n", "utf-8")
    with pytest.raises(ScenarioError, match=r"states no times; add \[workload.arrivals\]"):
        load_scenario(scenario_file(file_section("l.csv")))
    arrivals = '[workload.arrivals]\nprocess = "poisson"\nrate_rps = 4.0\nduration_s = 20.0'
    scenario = load_scenario(scenario_file(file_section("l.csv", arrivals)))
    work = build_workload(scenario, 1)
    assert not scenario.is_trace
    assert set(zip(work.prompt_tokens.tolist(), work.output_tokens.tolist(), strict=True)) == {(7, 8), (9, 10)}
