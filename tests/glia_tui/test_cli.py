"""The command line as scripts use it: stdout is data, stderr is narration, exit codes are API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sessions.figures import figure


def glia(*arguments: str, workspace: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    if workspace is not None:
        env["GLIA_WORKSPACE"] = str(workspace)
    return subprocess.run(
        [sys.executable, "-m", "glia_tui", *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What went wrong, said once and without a traceback."""
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["simulat"], "simulate"),
        (["simulate", "paper-rooting"], "paper-routing"),
        (["simulate", "smoke", "--router", "lql"], "llq"),
        (["simulate", "smoke", "--router", "missing.py"], "missing.py"),
        (["simulate", "smoke", "--set", "cluster.kv_block=12"], "kv_blocks"),
        (["simulate", "smoke", "--set", "kv_blocks"], "KEY=VALUE"),
        (["simulate", "smoke", "--set", "cluster.kv_blocks=-3"], "kv_blocks"),
        (["simulate", "smoke", "--seeds", "0"], "seeds"),
        (["simulate", "smoke", "--hlep"], "--hlep"),
        (["simulate", "smoke", "--seed", "99999999999999999999"], "--seed"),
        (["simulate", "smoke", "--set", "cluster.kv_blocks=" + "9" * 5000], "kv_blocks"),
        (["run", "smoke", "--max-minutes", "inf"], "--max-minutes"),
        (["run", "smoke", "--max-minutes", "nan"], "--max-minutes"),
        (["run", "smoke", "--gate", "trustd"], "trusted"),
        (["run", "smoke", "--slot", "routr"], "router"),
        (["run", "nowhere.toml"], "nowhere.toml"),
        (["scenarios", "show", "smok"], "smoke"),
        (["policies", "show", "hraa"], "hra"),
        (["sessions", "resume", "nothing", "--headless"], "nothing"),
        (["designs", "show", "nothing"], "no workspace"),
    ],
)
def test_an_unusable_argument_is_one_sentence_that_names_the_way_out(
    arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    done = glia(*arguments, workspace=tmp_path / "ws")
    assert done.returncode == 2
    assert sentence in one_sentence(done)
    assert not (tmp_path / "ws").exists()


def test_without_a_terminal_the_app_names_the_headless_command() -> None:
    done = glia()
    assert done.returncode == 2
    assert "glia run paper-routing-family" in one_sentence(done)


def test_a_back_end_that_is_not_there_has_its_own_exit_code(tmp_path: Path) -> None:
    done = glia("run", "smoke", "--backend", "anthropic", workspace=tmp_path)
    assert done.returncode == 5
    assert "offline" in one_sentence(done)


@pytest.mark.parametrize("place", ["/proc/glia", "/dev/null/glia"])
def test_an_unwritable_workspace_is_one_sentence(place: str) -> None:
    done = glia("run", "smoke", "--workspace", place)
    assert done.returncode == 2
    assert place in one_sentence(done)


def test_simulate_prints_one_json_document_with_every_run_and_the_pooled_figures() -> None:
    done = glia("simulate", "smoke", "--router", "hra", "--seeds", "3", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["policies"] == {"router": "hra", "scheduler": "vllm-fcfs", "autoscaler": "fixed"}
    assert [run["seed"] for run in document["runs"]] == [1, 2, 3]
    means = [figure(run, "e2e_s.mean") for run in document["runs"]]
    assert figure(document, "e2e_s.mean") == pytest.approx(sum(means) / 3)
    assert document["seed"] == 1
    assert document["requests_per_wall_s"] * document["wall_s"] == pytest.approx(
        sum(run["requests"]["arrived"] for run in document["runs"]), rel=0.01
    )
    low, high = document["e2e_s"]["mean_ci95"]
    assert low < sum(means) / 3 < high
    for run in document["runs"]:
        requests = run["requests"]
        assert requests["arrived"] == requests["finished"] + requests["rejected"] + requests["unfinished"]
        assert len(run["decisions_sha256"]) == 64


def test_a_shipped_router_given_as_a_file_runs_sealed_and_decides_the_same(tmp_path: Path) -> None:
    source = glia("policies", "show", "hra").stdout
    path = tmp_path / "mine.py"
    path.write_text(source)
    runs = [
        json.loads(glia("simulate", "smoke", "--router", router, "--json").stdout)["runs"][0]
        for router in ("hra", str(path))
    ]
    assert runs[0]["decisions_sha256"] == runs[1]["decisions_sha256"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def route(:\n", "syntax"),
        ("x = 1\n", "interface"),
        ("def pick(request, cluster):\n    return cluster.replicas[9]\n", "exception"),
        ("def pick(request, cluster):\n    while True:\n        pass\n", "timeout"),
    ],
)
def test_a_design_file_that_fails_ends_with_its_outcome_and_exit_code_3(
    tmp_path: Path, source: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bad.py"
    path.write_text(source)
    done = glia("simulate", "smoke", "--router", str(path), "--json", "--deadline", "2")
    assert done.returncode == 3
    assert words in one_sentence(done)


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "empty"), (b"\xff\xfe\x00", "UTF-8"), (b"#" * 10_000_000, "bytes"), (None, "a file")]
)
def test_a_file_that_can_not_be_a_design_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "design.py"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    done = glia("simulate", "smoke", "--router", str(path))
    assert done.returncode == 2
    assert words in one_sentence(done)


def test_a_headless_study_accepts_a_design_and_the_log_shows_it(tmp_path: Path) -> None:
    done = glia("run", "smoke", "--gate", "autonomous", "--max-experiments", "3", "--json", workspace=tmp_path)
    assert done.returncode == 0, done.stderr
    study = json.loads(done.stdout)
    assert study["stopped_because"] == "finished"
    assert [e["id"] for e in study["experiments"]] == ["exp-1", "exp-2", "exp-3"]
    assert {"id", "hypothesis", "prediction", "outcome", "metrics", "verdict", "wall_s"} <= set(study["experiments"][0])
    [accepted] = study["accepted"]
    assert accepted["held_out"]["comparison"]["verdict"] == "better"
    log = json.loads(glia("designs", "log", "--json", workspace=tmp_path).stdout)
    assert [entry["commit"] for entry in log] == [accepted["commit"]]
    assert (tmp_path / "designs" / "router" / accepted["design"] / "policy.py").is_file()
    shown = json.loads(glia("designs", "show", accepted["design"], "--json", workspace=tmp_path).stdout)
    assert shown["evidence"]["held_out"]["comparison"] == accepted["held_out"]["comparison"]
    listed = json.loads(glia("sessions", "list", "--json", workspace=tmp_path).stdout)
    assert [(s["session"], s["status"]) for s in listed] == [(study["session"], "finished")]


def test_a_headless_study_that_needs_an_approval_stops_and_says_how_to_go_on(tmp_path: Path) -> None:
    done = glia("run", "smoke", "--gate", "supervised", "--json", workspace=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["stopped_because"] == "approval"
    assert "glia sessions resume" in done.stderr


def test_a_time_budget_stops_a_study_with_its_own_exit_code(tmp_path: Path) -> None:
    done = glia("run", "paper-routing-family", "--max-minutes", "0.02", "--json", workspace=tmp_path)
    assert done.returncode == 4, done.stderr
    assert json.loads(done.stdout)["stopped_because"] == "budget"


def test_ctrl_c_saves_says_how_to_go_on_and_loses_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "GLIA_WORKSPACE": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "glia_tui", "run", "paper-routing-family", "--max-experiments", "2"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "[proposal]" in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        _, rest = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "glia sessions resume" in rest
    assert "Traceback" not in rest
    [listed] = json.loads(glia("sessions", "list", "--json", workspace=tmp_path).stdout)
    assert listed["status"] == "open"


@pytest.mark.parametrize("command", ["scenarios", "policies"])
def test_what_ships_is_listed_for_people_and_for_programs(command: str) -> None:
    names = {entry["name"] for entry in json.loads(glia(command, "--json").stdout)}
    text = glia(command).stdout
    assert names
    assert all(name in text for name in names)


def test_a_closed_pipe_is_not_an_error() -> None:
    for command in (["policies", "show", "hra"], ["scenarios", "--json"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [sys.executable, "-m", "glia_tui", *command], stdout=writer, stderr=subprocess.PIPE, text=True
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_leaves_in_the_middle_is_not_an_error() -> None:
    command = [sys.executable, "-u", "-m", "glia_tui", "simulate", "smoke", "--seeds", "3", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize("command", [["scenarios"], ["policies", "show", "hra", "--json"]])
def test_a_terminal_without_unicode_gets_what_it_can_show(command: list[str]) -> None:
    done = glia(*command, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()


def test_a_scenario_whose_requests_have_one_token_shows_tpot_as_undefined(tmp_path: Path) -> None:
    setting = ["--set", "workload.max_output_tokens=1"]
    done = glia("simulate", "smoke", *setting)
    assert done.returncode == 0, done.stderr
    [row] = [line for line in done.stdout.splitlines() if "per output token" in line]
    assert "n/a" in row
    document = json.loads(glia("simulate", "smoke", *setting, "--json", "--seeds", "2").stdout)
    assert document["tpot_s"]["mean"] is None


@pytest.mark.parametrize("change", [("metric", "ttft_s.p50"), ("max_output_tokens", 1)])
def test_a_study_runs_on_any_scenario_that_passes_the_check(tmp_path: Path, change: tuple[str, object]) -> None:
    text = json.loads(glia("scenarios", "show", "smoke", "--json").stdout)["source"]
    key, value = change
    lines = [f"{key} = {json.dumps(value)}" if line.startswith(f"{key} =") else line for line in text.splitlines()]
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(lines))
    assert path.read_text().count(json.dumps(value)) >= 1
    done = glia("run", str(path), "--max-experiments", "3", "--json", workspace=tmp_path / "ws")
    assert done.returncode in (0, 4), done.stderr
    study = json.loads(done.stdout)
    assert [e["outcome"] for e in study["experiments"]] == ["ok"] * len(study["experiments"])
    assert study["experiments"]


def test_an_escape_sequence_in_a_file_does_not_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('["x\\u001b]0;pwned\\u0007"]\na = 1\n')
    done = glia("simulate", str(path))
    assert done.returncode == 2
    assert one_sentence(done).isprintable()
