"""Scenario files that can't be simulated: each is one sentence with the file, the field and what to write."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import pytest

from tests.bad_input.conftest import Ask

SMOKE = files("sim").joinpath("scenarios", "smoke.toml").read_text("utf-8")

VALUES = [
    ("telemetry_interval_s = 1.0", 'telemetry_interval_s = "1s"', "scenario.telemetry_interval_s", "number"),
    ("rate_rps = 4.0", "rate_rps = -4.0", "workload.rate_rps", "-4.0"),
    ("rate_rps = 4.0", "rate_rps = nan", "workload.rate_rps", "nan"),
    ("rate_rps = 4.0", "rate_rps = 1e300", "workload.rate_rps", "1e+300"),
    ("rate_rps = 4.0", "rate_rps = 1e-300", "workload.rate_rps", "1e-300"),
    ("rate_rps = 4.0", "rate_rps = 1e5", "workload.duration_s", "lower", "duration_s = 20.0", "duration_s = 1e4"),
    ("duration_s = 20.0", "duration_s = inf", "workload.duration_s", "finite"),
    ("duration_s = 20.0", "duration_s = 1e300", "workload.duration_s", "less than"),
    ("replicas = 2", "replicas = 0", "cluster.replicas", "greater than 0"),
    ("replicas = 2", "replicas = 100000000", "cluster.replicas", "4096"),
    ("replicas = 2", "replicas = 2.5", "cluster.replicas", "integer"),
    ("replicas = 2", "replicas = true", "cluster.replicas", "integer"),
    ("replicas = 2", 'replicas = "two"', "cluster.replicas", "integer"),
    ("replicas = 2", f'replicas = "{"x" * 5000}"', "cluster.replicas", "…"),
    ("chunk_tokens = 512", "chunk_tokens = 0", "cluster.chunk_tokens", "greater than 0"),
    ("kv_blocks = 128 ", f"kv_blocks = {10**30} ", "cluster.kv_blocks", "less than"),
    ("watermark_fraction = 0.01", "watermark_fraction = 1.0", "cluster.watermark_fraction", "less than 1"),
    (
        "watermark_fraction = 0.01",
        "watermark_fraction = 0.999",
        "cluster.watermark_fraction",
        "raise cluster.kv_blocks",
    ),
    ("decode_attention_ns_per_token = 380", f"decode_attention_ns_per_token = {10**20}", "cost.decode", "less than"),
    ("usd_per_gpu_hour = 1.0", "usd_per_gpu_hour = -1.0", "cluster.usd_per_gpu_hour", "-1.0"),
    ('gpu = "A10"', 'gpu = "A11"', "A11", "A10"),
    ('baseline = "llq"', 'baseline = "lql"', "scenario.baseline", "llq"),
    ('baseline = "llq"', 'baseline = "\\u001b[31mllq"', "scenario.baseline", "llq"),
    ('metric = "e2e_s.mean"', 'metric = "e2e.mean"', "scenario.metric", "e2e_s.mean"),
    ('lengths = "sharegpt-7.5"', 'lengths = "sharegpt"', "sharegpt", "sharegpt-7.5"),
    ('slots = ["router"]', "slots = []", "scenario.slots", "one to three entries"),
    ('slots = ["router"]', 'slots = ["oracle"]', "scenario.slots", "router"),
    ('name = "smoke"', 'name = "\\u001b[31m"', "scenario.name", "pattern"),
    ('name = "smoke"', f'name = "{"a" * 2000}"', "scenario.name", "64"),
    ('kind = "lognormal"', 'kind = "trace"', "workload", "remove it"),
    ('kind = "lognormal"', 'kind = "lognormall"', "workload.kind", "lognormal"),
    ("replicas = 2", "replica = 2", "cluster.replica", "replicas"),
    ("[cluster]", "[clutser]", "clutser", "cluster"),
    ("replicas = 2", "replicas = 2\nreplicas = 3", "TOML", "line"),
    ("[slo]", "[[slo]]", "slo", "[slo]"),
]


@pytest.mark.parametrize("fault", VALUES, ids=[f"{fault[1][:50]}" for fault in VALUES])
def test_a_value_that_can_not_be_is_named_with_its_field(fault: tuple[str, ...], ask: Ask, tmp_path: Path) -> None:
    old, new, field, hint, *more = fault
    assert old in SMOKE
    text = SMOKE.replace(old, new, 1)
    text = text.replace(more[0], more[1]) if more else text
    path = tmp_path / "mine.toml"
    path.write_text(text)
    answer = ask("simulate", str(path))
    assert answer.code == 2
    for part in (str(path), field, hint):
        assert part in answer.sentence


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "missing"),
        (b"\x00\x01\x02", "TOML"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"scenario = 3\n", "[scenario]"),
        (b"a = " + b"[" * 100_000, "nested"),
        (SMOKE.encode() + b"# filler\n" * 1_200_000, "bytes"),
        (SMOKE.encode("utf-16"), "UTF-8"),
    ],
    ids=["empty", "binary", "not utf-8", "no section", "deeply nested", "10 MB", "utf-16"],
)
def test_a_file_that_is_no_scenario_is_named(content: bytes, words: str, ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    answer = ask("simulate", str(path))
    assert answer.code == 2
    assert str(path) in answer.sentence
    assert words in answer.sentence


def test_a_byte_order_mark_is_no_fault(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SMOKE.encode())
    assert ask("simulate", str(path)).code == 0


@pytest.mark.parametrize("what", ["folder", "pipe", "missing", "device"])
def test_what_is_not_a_file_is_not_read(what: str, ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    answer = ask("simulate", str(path))
    assert answer.code == 2
    assert str(path) in answer.sentence
    assert "glia scenarios" in answer.sentence


def test_a_cluster_that_no_request_fits_is_named_with_the_key_to_raise(ask: Ask) -> None:
    answer = ask("simulate", "smoke", "--set", "cluster.kv_blocks=2", "--set", "cluster.block_tokens=1", "--json")
    assert answer.code == 2
    assert "raise cluster.kv_blocks" in answer.sentence
