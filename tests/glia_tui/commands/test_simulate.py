"""``glia simulate``: policies of every slot, traces in, tables out, progress and an interruption."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from glia_tui.commands.output import CommandError
from glia_tui.commands.run_progress import RunsProgress, duration
from glia_tui.commands.simulate import Simulation, simulate
from sessions.errors import SessionError

FLEET = (
    "autoscaler.interval_s=2.0",
    "autoscaler.cold_start_s=1.0",
    "autoscaler.min_replicas=1",
    "autoscaler.max_replicas=4",
)
FCFS = """
    class Fcfs:
        def admit(self, waiting, engine):
            return waiting
"""
AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2023-11-16 18:15:48.2224670,879,55
2023-11-16 18:15:51.0000000,50000,5
"""


def document(capsys: pytest.CaptureFixture[str], asked: Simulation) -> dict[str, object]:
    simulate(asked)
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_every_slot_takes_a_shipped_policy_or_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text(textwrap.dedent(FCFS))
    scaler = tmp_path / "two.py"
    scaler.write_text("def scale(fleet, history):\n    return 2\n")
    policies = {"router": "least-kv", "scheduler": str(file), "autoscaler": str(scaler)}
    sealed = document(capsys, Simulation("smoke", policies, overrides=FLEET, as_json=True))
    assert sealed["policies"] == {"router": "least-kv", "scheduler": "mine", "autoscaler": "two"}
    shipped = {"router": "least-kv", "scheduler": "vllm-fcfs", "autoscaler": "fixed"}
    native = document(capsys, Simulation("smoke", shipped, overrides=FLEET, as_json=True))
    assert native["policies"] == shipped
    assert native["decisions_sha256"] == sealed["decisions_sha256"]


def test_the_table_shows_the_policies_and_what_a_changing_fleet_costs(capsys: pytest.CaptureFixture[str]) -> None:
    simulate(Simulation("smoke", {"autoscaler": "hpa"}, overrides=FLEET))
    shown = capsys.readouterr()
    assert "smoke · router llq · scheduler vllm-fcfs · autoscaler hpa · 1 seed" in shown.err
    assert "GPU-hours" in shown.out
    simulate(Simulation("smoke"))
    assert "GPU-hours" not in capsys.readouterr().out


def test_requests_and_telemetry_of_several_seeds_go_to_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    requests, telemetry = tmp_path / "requests.csv", tmp_path / "telemetry.csv"
    asked = Simulation("smoke", seeds=2, requests_out=requests, telemetry_out=telemetry, as_json=True)
    found = document(capsys, asked)
    rows = list(csv.DictReader(requests.open()))
    assert list(rows[0])[:4] == ["seed", "id", "arrival_s", "routed_s"]
    runs = found["runs"]
    assert isinstance(runs, list)
    for run in runs:
        own = [row for row in rows if row["seed"] == str(run["seed"])]
        assert len(own) == run["requests"]["arrived"]
        done = [float(row["e2e_s"]) for row in own if row["outcome"] == "finished"]
        assert sum(done) / len(done) == pytest.approx(run["e2e_s"]["mean"])
        assert sum(int(row["preemptions"]) for row in own) == run["preemptions"]
        assert {row["pool"] for row in own} == {"main"}
    samples = list(csv.DictReader(telemetry.open()))
    assert {row["seed"] for row in samples} == {"1", "2"}
    assert "vllm:num_requests_running{replica=1} [requests]" in samples[0]
    assert [float(row["t_s"]) for row in samples[:3]] == [0.0, 1.0, 2.0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["requests.csv", "telemetry.csv"]


def test_telemetry_of_one_seed_is_json_without_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulate(Simulation("smoke", telemetry_out=tmp_path / "t.json"))
    capsys.readouterr()
    recorded = json.loads((tmp_path / "t.json").read_text())
    assert (recorded["seed"], recorded["t_s"][:2]) == (1, [0.0, 1.0])
    assert "vllm:kv_cache_usage_perc" in recorded["series"]


def test_requests_go_to_parquet_where_pyarrow_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow isn't installed")
    simulate(Simulation("smoke", requests_out=tmp_path / "r.parquet"))
    assert parquet.read_table(tmp_path / "r.parquet").num_rows == 82


def test_without_pyarrow_parquet_is_one_sentence_that_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glia_tui.commands.result_files.find_spec", lambda name: None)
    with pytest.raises(CommandError, match="pip install pyarrow"):
        simulate(Simulation("smoke", requests_out=tmp_path / "r.parquet"))


def test_a_trace_replaces_the_scenarios_requests_and_what_was_done_to_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "azure.csv"
    trace.write_text(AZURE)
    simulate(Simulation("smoke", trace=(str(trace), "azure"), requests_out=tmp_path / "r.csv", as_json=True))
    shown = capsys.readouterr()
    assert "sorted 1 arrival" in shown.err
    found = json.loads(shown.out)
    assert found["requests"] == {"arrived": 4, "finished": 3, "rejected": 1, "unfinished": 0}
    assert found["trace"] == {"file": str(trace), "format": "azure"}
    rows = list(csv.DictReader((tmp_path / "r.csv").open()))
    assert [row["prompt_tokens"] for row in rows] == ["374", "879", "396", "50000"]
    assert (rows[-1]["outcome"], rows[-1]["e2e_s"], rows[-1]["replica"]) == ("rejected", "", "")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Simulation("smoke", {"scheduler": "sarati"}), "did you mean 'sarathi'"),
        (Simulation("smoke", {"autoscaler": "hpa"}), "no [autoscaler] section"),
        (Simulation("smoke", {"autoscaler": "hpo"}), "did you mean 'hpa'"),
        (Simulation("smoke", trace=("nowhere.csv", "azure")), "nowhere.csv"),
        (Simulation("smoke", requests_out=Path("requests.txt")), "must end in .csv or .parquet"),
        (Simulation("smoke", requests_out=Path("/nowhere/r.csv")), "there is no folder /nowhere"),
        (Simulation("smoke", telemetry_out=Path("t.csv"), sampled=False), "--no-telemetry"),
    ],
)
def test_what_can_not_be_is_one_sentence(asked: Simulation, words: str) -> None:
    with pytest.raises(SessionError) as error:
        simulate(asked)
    assert words in str(error.value)
    assert getattr(error.value, "code", 2) == 2


def test_an_unknown_format_or_a_format_without_a_trace_is_one_sentence(tmp_path: Path) -> None:
    trace = tmp_path / "azure.csv"
    trace.write_text(AZURE)
    for arguments, words in (
        (["--trace", str(trace), "--format", "azur"], "did you mean 'azure'"),
        (["--format", "azure"], "--trace"),
    ):
        command = [sys.executable, "-m", "glia_tui", "simulate", "smoke", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr


def test_an_interruption_ends_with_130_and_leaves_no_file_and_no_part_of_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "glia_tui", "simulate", "paper-routing-family", "--seeds", "200"]
    command += ["--requests-out", str(tmp_path / "r.csv")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    )
    try:
        while not any(folder.is_dir() and any(folder.iterdir()) for folder in tmp_path.iterdir()):
            assert process.poll() is None
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    assert "no figures" in err
    assert list(tmp_path.iterdir()) == []


def test_progress_is_a_share_of_all_runs_with_an_estimate() -> None:
    progress = RunsProgress(4)
    progress.finished(0)
    progress.reached(1, 50.0, 100.0)
    assert progress.text(0.5) == "1/4 runs · 38%"
    assert progress.text(30.0) == "1/4 runs · 38% · about 50 s left"
    progress.reached(1, 500.0, 100.0)  # past the last arrival it is nearly done
    assert progress.text(0.5) == "1/4 runs · 50%"
    single = RunsProgress(1)
    single.reached(0, 1.0, 4.0)
    assert single.text(100.0) == "25% · about 5 min left"
    assert (duration(0.2), duration(7200)) == ("1 s", "2.0 h")


def test_a_file_named_twice_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n0.0,10,5\n")
    before = trace.read_bytes()
    again = tmp_path / "." / "trace.csv"
    with pytest.raises(CommandError, match="--trace and --requests-out name one file"):
        simulate(Simulation("smoke", trace=(str(trace), "vidur"), requests_out=again))
    with pytest.raises(CommandError, match="--requests-out and --telemetry-out name one file"):
        simulate(Simulation("smoke", requests_out=tmp_path / "o.csv", telemetry_out=tmp_path / "o.csv"))
    assert trace.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trace.csv"]
