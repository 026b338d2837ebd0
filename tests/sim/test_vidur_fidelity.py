"""The comparison with Vidur: on folders made up here, and lightly on the recorded ones where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.shared_data import shared_folder
from benchmarks.vidur_fidelity import main, own_cost, report_of
from benchmarks.vidur_folder import BadFolder, Iterations, Recorded, anchored, read_run

CONFIG = {"model": "meta-llama/Meta-Llama-3-8B", "device": "a100", "replica_scheduler": "sarathi"}
COLUMNS = (
    "request_id,replica,arrived_at,num_prefill_tokens,num_decode_tokens,prefill_completed_at,completed_at,num_restarts"
)
ROWS = ("0,0,0.5,100,3,0.52,0.54,0", "1,1,0.25,200,1,0.3,0.3,0")
KEYS = {
    *("folder", "e2e_mean_error", "e2e_p50_error", "e2e_p90_error", "e2e_p99_error", "ttft_mean_error"),
    *("ttft_p99_error", "tpot_mean_error", "restarts", "requests", "wall_s"),
}


@pytest.fixture
def folder(tmp_path: Path):
    """Writes a folder: a configuration over :data:`CONFIG`, request rows, perhaps iterations."""

    def write(rows=ROWS, columns=COLUMNS, iterations=None, **config) -> Path:
        (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "num_replicas": 2, **config}))
        (tmp_path / "requests.csv").write_text("\n".join([columns, *rows]) + "\n")
        if iterations is not None:
            (tmp_path / "iterations.csv").write_text("\n".join(iterations) + "\n")
        return tmp_path

    return write


def test_what_a_configuration_leaves_out_is_vidurs_default(folder):
    run = read_run(folder())
    # 80 GiB * 0.9 less 13.96 GB of weights without embeddings, by 4,096 * 131,072 bytes: 118 requests of 256 blocks.
    assert (run.cluster.kv_blocks, run.cluster.chunk_tokens, run.cluster.max_num_seqs) == (30_208, 512, 128)
    assert (run.router, run.cluster.gpu, run.engine.rules) == ("round-robin", "A100-80GB", "sarathi")
    assert run.requests.arrived_s == [0.25, 0.5]


@pytest.mark.parametrize(
    ("device", "model", "blocks"), [("a100", "Llama-2-7b-hf", 7_424), ("a40", "Llama-2-7b-hf", 3_584)]
)
def test_the_memory_planner_is_vidurs(folder, device, model, blocks):
    assert read_run(folder(device=device, model=model, num_blocks=None)).cluster.kv_blocks == blocks


def test_orca_takes_no_more_requests_than_the_planner_fits(folder):
    assert read_run(folder(replica_scheduler="orca")).cluster.max_num_seqs == 118


@pytest.mark.parametrize("scheduler", ["vllm", "sarathi", "orca"])
@pytest.mark.parametrize("router", ["round_robin", "lor", "random"])
@pytest.mark.parametrize(("device", "model"), [("a100", "Meta-Llama-3-8B"), ("h100", "Llama-2-7b-hf")])
def test_every_combination_is_replayed(folder, scheduler, router, device, model):
    report = report_of(folder(replica_scheduler=scheduler, global_scheduler=router, device=device, model=model))
    assert set(report) >= KEYS
    assert (report["requests"], report["finished"], report["restarts"]) == (2, 2, {"vidur": 0, "glia": 0})
    assert report["cost"] != "roofline"


def test_a_gpu_and_model_without_a_profile_get_the_roofline(folder):
    assert own_cost(read_run(folder(device="h100")).cluster).kind == "roofline"


def test_recorded_iterations_are_compared_batch_by_batch(folder):
    header = "replica,prefill_tokens,n_prefill,sum_chunk_x_midctx,sum_chunk_sq,n_decode,sum_decode_ctx,iter_ms"
    right = [header, "1,200,1,20000.0,40000,0,0,50.0", "0,100,1,5000.0,10000,0,0,20.0"]
    right += ["0,0,0,0,0,1,101,10.0", "0,0,0,0,0,1,102,10.0"]
    rows = ("0,0,0.5,100,3,0.52,0.54,0", "1,1,0.25,200,1,0.3,0.3,0")
    written = folder(rows, iterations=right, global_scheduler="random")
    recorded = report_of(written)["recorded_times"]
    assert (recorded["batches"], recorded["equal"], recorded["first_difference"]) == (4, 4, None)
    assert recorded["largest_time_difference_s"] == 0
    wrong = [*right[:4], "0,0,0,0,0,1,103,10.0"]
    difference = report_of(folder(rows, iterations=wrong, global_scheduler="random"))["recorded_times"]
    assert (difference["equal"], difference["first_difference"]["batch"]) == (3, 2)


def test_rounded_iteration_times_are_put_where_the_recorded_events_are():
    requests = Recorded([0, 0], [1.0, 3.0], [5, 5], [2, 1], [1.000_000_4, 3.1], [1.2, 3.1], [0, 0])
    record = Iterations([], [410, 199_999_000, 100_000_010])
    assert anchored(record, requests, 0).times_ns == [400, 199_999_600, 100_000_000]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"device": "v100"}, "device 'v100' can't be rebuilt; known are a100, h100, a40"),
        ({"model": None}, "model '' can't be rebuilt"),
        (
            {"replica_scheduler": "lightllm"},
            "'lightllm' can't be rebuilt; known are vllm, sarathi, orca",
        ),
        ({"global_scheduler": "llumnix"}, "global_scheduler 'llumnix' can't be rebuilt"),
        ({"tensor_parallel": 2}, "tensor_parallel 2 can't be rebuilt, only 1"),
        ({"chunk_size": "many"}, "holds a value that isn't what its key needs"),
        ({"num_replicas": 1}, "names replica 1 of 1"),
        ({"rows": ("0,0,soon,100,3,0.52,0.54,0",)}, "line 2: arrived_at must be a number, not 'soon'"),
        ({"rows": ("0,0,0.5,0,3,0.52,0.54,0",)}, "line 2: a request needs prompt and output tokens"),
        ({"rows": ()}, "lists no request"),
        ({"columns": "request_id,replica"}, "lacks the column arrived_at"),
        ({"iterations": ["replica,iter_ms", "0,1.0"]}, "iterations.csv lacks the column prefill_tokens"),
    ],
)
def test_a_folder_that_cant_be_used_is_told_in_one_sentence(folder, change, complaint):
    with pytest.raises(BadFolder, match=complaint):
        read_run(folder(**change))


def test_a_bad_folder_leaves_the_others_reported(folder, tmp_path, monkeypatch, capsys):
    good = folder()
    monkeypatch.setattr("sys.argv", ["vidur_fidelity", str(tmp_path / "nowhere"), str(good), "--json"])
    assert main() == 2
    printed = capsys.readouterr()
    assert [set(report) >= KEYS for report in json.loads(printed.out)] == [True]
    assert printed.err == f"vidur_fidelity: There is no folder {tmp_path / 'nowhere'}.\n"


def recorded_folder(name: str) -> Path:
    try:
        found = shared_folder() / "data" / "vidur" / name
    except SystemExit as reason:
        pytest.skip(str(reason))
    if not found.is_dir():
        pytest.skip(f"{found} isn't there")
    return found


@pytest.mark.parametrize("name", ["13_a100_l3-8b_conv_vllm_r1_memtight", "14_a100_l3-8b_conv_sarathi512_r1_memtight"])
def test_under_recorded_times_every_batch_and_restart_is_vidurs(name):
    recorded = report_of(recorded_folder(name))["recorded_times"]
    assert recorded["first_difference"] is None
    assert recorded["equal"] == recorded["batches"]
    assert recorded["requests_with_other_restarts"] == 0
    assert recorded["largest_time_difference_s"] <= 1e-9


@pytest.mark.parametrize(
    "name", ["22_a100_l2-7b_conv_sarathi512_r1", "25_a40_l2-7b_conv_vllm_r1", "27_a100_l3-8b_conv_vllm_r4_40pct_rr"]
)
def test_the_own_cost_is_within_the_targets_at_moderate_load(name):
    report = report_of(recorded_folder(name))
    assert abs(report["e2e_mean_error"]) < 0.03
    assert abs(report["e2e_p99_error"]) < 0.05
    assert abs(report["ttft_mean_error"]) < 0.10
