"""``glia policies``: what ships for every slot, each with its rule, and which are oracles."""

from __future__ import annotations

import json

import pytest

from glia_tui.commands.catalogue import list_policies, list_scenarios, show_policy
from sessions.errors import UnknownName


def test_policies_lists_routers_and_marks_oracles(capsys: pytest.CaptureFixture[str]) -> None:
    list_policies(None, as_json=True)
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert {"random", "round-robin", "least-outstanding", "llq", "power-of-two", "least-kv"} <= listed.keys()
    assert {"expert", "hra", "funsearch", "srpt-oracle"} <= listed.keys()
    assert [name for name, entry in listed.items() if entry["oracle"]] == ["srpt-oracle"]
    list_policies(None, as_json=False)
    [line] = [line for line in capsys.readouterr().out.splitlines() if "srpt-oracle" in line]
    assert "Oracle (knows output lengths, no design)" in line


def test_the_source_of_an_oracle_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    show_policy("srpt-oracle", None, as_json=False)
    assert capsys.readouterr().out.startswith('"""Oracle (knows output lengths, no design)')
    show_policy("srpt-oracle", None, as_json=True)
    assert json.loads(capsys.readouterr().out)["oracle"] is True


def test_policies_of_one_slot_can_be_listed_and_an_unknown_slot_gets_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    list_policies(None, as_json=False)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert {line.split()[0] for line in lines} == {"router", "scheduler", "autoscaler"}
    list_policies("scheduler", as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in listed][-1] == "vllm-priority"
    assert {entry["slot"] for entry in listed} == {"scheduler"}
    with pytest.raises(UnknownName, match="did you mean 'scheduler'"):
        list_policies("schedular", as_json=True)


def test_the_source_of_a_policy_of_any_slot_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    for slot, name, words in (
        ("scheduler", "sarathi", "TOKEN_BUDGET = 512"),
        ("autoscaler", "hpa", "HPA"),
        ("router", "kv-cost", "Dynamo"),
    ):
        show_policy(name, None, as_json=True)
        shown = json.loads(capsys.readouterr().out)
        assert (shown["slot"], words in shown["source"]) == (slot, True)
    with pytest.raises(UnknownName):
        show_policy("sarathi", "router", as_json=False)


def test_a_scenario_says_what_it_designs(capsys: pytest.CaptureFixture[str]) -> None:
    list_scenarios(as_json=False)
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["scenario", "designs"]
    assert any(line.split()[:2] == ["smoke", "router"] for line in lines)
