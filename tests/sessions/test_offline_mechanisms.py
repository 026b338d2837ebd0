"""Composed designs are sources a person would sign: they parse, are formatted, and do what their spec says."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sessions.models.offline.mechanisms import RouterSpec, compose
from sessions.models.offline.words import design_name
from sim.api import NS_PER_S, HeldRequest

SPECS = [
    RouterSpec(headroom, 128 if headroom else 0, 0.05 if headroom else 0.0, order, placement, bound)  # type: ignore[arg-type]
    for headroom, order, placement, bound in itertools.product(
        (False, True), ("arrival", "shortest-prompt"), ("fewest-requests", "least-kv"), (0.0, 30.0)
    )
]


def replica(number: int, used: int = 0, total: int = 100, running: int = 0) -> SimpleNamespace:
    return SimpleNamespace(
        id=number,
        accepts=True,
        num_waiting=0,
        num_running=running,
        kv_blocks_used=used,
        kv_blocks_total=total,
        waiting=(),
        running=(),
    )


def route(
    spec: RouterSpec, prompts: list[int], replicas: list[SimpleNamespace], now_s: float = 1.0
) -> list[tuple[int, int]]:
    namespace: dict[str, object] = {}
    exec(compose("a-design", spec, "llq"), namespace)
    queue = [HeldRequest(i, i, tokens) for i, tokens in enumerate(prompts)]
    cluster = SimpleNamespace(now_ns=int(now_s * NS_PER_S), now_s=now_s, block_tokens=16, replicas=replicas)
    router = namespace["Router"]()  # type: ignore[operator]
    return [(request.id, chosen.id) for request, chosen in router.route(queue, cluster)]


@pytest.mark.parametrize("spec", SPECS, ids=design_name)
def test_every_composition_routes_to_replicas_that_exist(spec: RouterSpec) -> None:
    pairs = route(spec, [100, 20, 300], [replica(0), replica(1)])
    assert {request for request, _ in pairs} <= {0, 1, 2}
    assert len(pairs) == len({request for request, _ in pairs})
    assert pairs


def test_sources_are_formatted_as_the_linter_wants(tmp_path: Path) -> None:
    for number, spec in enumerate(SPECS):
        (tmp_path / f"design_{number}.py").write_text(compose("a-design", spec, "llq"))
    command = [sys.executable, "-m", "ruff"]
    done = subprocess.run(
        [*command, "format", "--diff", "--line-length", "120", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    linted = subprocess.run(
        [*command, "check", "--isolated", "--line-length", "120", str(tmp_path)], capture_output=True
    )
    assert linted.returncode == 0, linted.stdout


def test_without_head_room_everything_is_sent_at_once_to_the_emptier_replica() -> None:
    spec = RouterSpec()
    assert route(spec, [5000, 10], [replica(0, running=3), replica(1, running=1)]) == [(0, 1), (1, 1)]


def test_head_room_holds_what_does_not_fit_and_what_stands_behind_it() -> None:
    spec = RouterSpec(headroom=True, reserve_tokens=160, margin=0.0)
    # 10 blocks of output allowance + 20 of prompt fit in 40 free blocks once, and block the small one behind.
    assert route(spec, [320, 320, 16], [replica(0, used=60)]) == [(0, 0)]


def test_an_empty_replica_takes_a_request_that_would_never_fit() -> None:
    spec = RouterSpec(headroom=True, reserve_tokens=5000, margin=0.1)
    assert route(spec, [16], [replica(0, used=0)]) == [(0, 0)]


def test_shortest_prompt_goes_first() -> None:
    spec = RouterSpec(headroom=True, reserve_tokens=0, margin=0.0, order="shortest-prompt")
    assert [r for r, _ in route(spec, [300, 20, 100], [replica(0)])] == [1, 2, 0]


def test_a_request_past_the_waiting_bound_goes_before_shorter_ones() -> None:
    spec = RouterSpec(True, 0, 0.0, "shortest-prompt", wait_bound_s=30.0)
    assert [r for r, _ in route(spec, [300, 20], [replica(0)], now_s=29.0)] == [1, 0]
    assert [r for r, _ in route(spec, [300, 20], [replica(0)], now_s=31.0)] == [0, 1]


def test_least_kv_prefers_free_memory_over_fewer_requests() -> None:
    replicas = [replica(0, used=50, running=1), replica(1, used=10, running=5)]
    assert route(RouterSpec(), [16], replicas) == [(0, 0)]
    assert route(RouterSpec(placement="least-kv"), [16], replicas) == [(0, 1)]


def test_a_spec_survives_its_settings() -> None:
    for spec in SPECS:
        assert RouterSpec.from_json(spec.to_json()) == spec
    assert RouterSpec.from_json({"order": "arrival"}) is None


@pytest.mark.parametrize("mechanism", ["head-room", "shortest-prompt", "least-kv", "waiting-bound"])
def test_an_ablation_takes_out_one_mechanism(mechanism: str) -> None:
    full = RouterSpec(True, 128, 0.05, "shortest-prompt", "least-kv", 30.0)
    rest = full.without(mechanism)
    assert rest != full
    if mechanism == "head-room":
        assert (rest.headroom, rest.reserve_tokens, rest.margin) == (True, 0, 0.0)
    else:
        assert mechanism not in rest.mechanisms
