"""``glia policies``: the routers and the oracles, each with its rule, and which is which."""

from __future__ import annotations

import json

import pytest

from glia_tui.commands.catalogue import list_policies, show_policy


def test_policies_lists_routers_and_marks_oracles(capsys: pytest.CaptureFixture[str]) -> None:
    list_policies(as_json=True)
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert {"random", "round-robin", "least-outstanding", "llq", "power-of-two", "least-kv"} <= listed.keys()
    assert {"expert", "hra", "funsearch", "srpt-oracle"} <= listed.keys()
    assert [name for name, entry in listed.items() if entry["oracle"]] == ["srpt-oracle"]
    list_policies(as_json=False)
    [line] = [line for line in capsys.readouterr().out.splitlines() if "srpt-oracle" in line]
    assert "Oracle (knows output lengths, no design)" in line


def test_the_source_of_an_oracle_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    show_policy("srpt-oracle", as_json=False)
    assert capsys.readouterr().out.startswith('"""Oracle (knows output lengths, no design)')
    show_policy("srpt-oracle", as_json=True)
    assert json.loads(capsys.readouterr().out)["oracle"] is True
