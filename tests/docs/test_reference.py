"""The tables of docs/ against what they describe: a key, an outcome or a rule that changes makes its page fail."""

from __future__ import annotations

import dataclasses
import re
from typing import get_args

import pytest

from glia_tui.actions import COMMANDS, EDITING
from sessions import events as ev
from sessions.designs import DesignRepository
from sessions.designs.model import BRANCH, GUEST_BRANCH
from sessions.doctor import NOT_STOPPED
from sessions.experiments.design_source import ALLOWED_IMPORTS
from sessions.gate import PRESETS
from sessions.models.offline import steering
from sessions.models.offline.mechanisms import MECHANISMS
from sessions.settings import KEYS, Settings
from sessions.settings_file import WANTED
from sim import api
from sim.metrics import METRIC_UNITS
from sim.policies import oracle_names, router_names
from sim.scenario import scenario_names
from sim.scenario_file import _SECTIONS
from tests.docs.blocks import DOCUMENTS, ROOT, quoted, read, table

PLANNED_OUTCOMES = {"escape", "nondeterministic"}
"""Outcomes that the record knows and nothing reports yet."""


def first_column(document: str, title: str) -> list[str]:
    return [quoted(row[0])[0] for row in table(document, title)]


def members(kind: type) -> list[str]:
    """Fields of a dataclass or members of a protocol, and the public properties of either."""
    named = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
    properties = [name for name, value in vars(kind).items() if isinstance(value, property)]
    return [*named, *properties]


# -- scenarios.md


def scenario_keys() -> dict[str, object]:
    """Every key of a scenario file with its default, ``...`` where there is none; a section is no key."""
    return {
        f"{section}.{key}": ... if field.is_required() else field.default
        for section, kinds in _SECTIONS.items()
        for kind in kinds
        for key, field in kind.model_fields.items()
        if f"{section}.{key}" not in _SECTIONS or field.annotation is str
    }


def test_every_key_of_a_scenario_file_is_described_and_no_other() -> None:
    assert sorted(first_column("docs/scenarios.md", "key")) == sorted(scenario_keys())


def test_the_defaults_of_a_scenario_file_are_those_described() -> None:
    in_words: dict[object, set[str]] = {
        None: {
            "this scenario",
            "no limit",
            "none",
            "from memory",
            "from the catalogue",
            "the profile's",
            "the GPU's",
            "guessed",
        },
        ...: {"–"},
    }
    for name, _kind, _unit, default, *_ in table("docs/scenarios.md", "key"):
        value = scenario_keys()[quoted(name)[0]]
        assert default in (in_words[value] if value in (None, ...) else {str(value)}), name


def test_a_key_with_a_unit_in_its_name_is_described_in_that_unit() -> None:
    units = {"_s": "s", "_rps": "requests/s", "_ns_per_token": "ns", "_ps_per_pair": "ps", "_usd": "USD"}
    for name, _kind, unit, *_ in table("docs/scenarios.md", "key"):
        for ending, wanted in units.items():
            if quoted(name)[0].endswith(ending):
                assert unit == wanted, name


def test_the_scenarios_that_ship_are_described() -> None:
    assert sorted(first_column("docs/scenarios.md", "scenario")) == scenario_names()


# -- settings.md


def test_every_setting_is_described_in_order_with_its_default() -> None:
    defaults = Settings()
    rows = {quoted(row[0])[0]: row[2] for row in table("docs/settings.md", "key")}
    assert tuple(rows) == KEYS
    for key, told in rows.items():
        value: object = getattr(defaults, key)
        assert told == ("not set" if value in (None, "") else f"`{value}`"), key


def test_a_setting_is_described_as_its_error_message_does() -> None:
    for key, wanted, *_ in table("docs/settings.md", "key"):
        assert wanted.replace("`", "") == WANTED[quoted(key)[0]], key


def test_the_gates_are_described_as_they_are() -> None:
    rows = {quoted(row[0])[0]: row[1:] for row in table("docs/settings.md", "gate")}
    assert list(rows) == list(PRESETS)
    for gate, rules in PRESETS.items():
        asks = [words == "asks" for words in rows[gate]]
        assert asks == [rules["experiment"] == "ask", rules["acceptance"] == "ask"], gate


# -- write-a-router.md


@pytest.mark.parametrize("kind", [api.HeldRequest, api.Cluster, api.Replica, api.ReplicaRequest])
def test_what_a_router_sees_is_described_completely(kind: type) -> None:
    assert sorted(first_column("docs/write-a-router.md", f"attribute of `{kind.__name__}`")) == sorted(members(kind))


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ("docs/write-a-router.md", api.Hardware),
        ("docs/write-a-scheduler.md", api.Engine),
        ("docs/write-an-autoscaler.md", api.Fleet),
        ("docs/write-an-autoscaler.md", api.Pool),
        ("docs/write-an-autoscaler.md", api.FleetSample),
    ],
)
def test_what_the_other_slots_see_is_described_completely(document: str, kind: type) -> None:
    assert sorted(first_column(document, f"attribute of `{kind.__name__}`")) == sorted(members(kind))


def test_every_outcome_is_described_but_those_that_nothing_reports_yet() -> None:
    assert set(first_column("docs/write-a-router.md", "outcome")) == set(get_args(ev.Outcome)) - PLANNED_OUTCOMES


def test_the_allowed_imports_are_those_described() -> None:
    text = " ".join(read("docs/write-a-router.md").split())
    assert "from the standard library: " + ", ".join(f"`{name}`" for name in ALLOWED_IMPORTS) + "." in text


def test_the_example_of_the_tutorial_is_that_of_the_reference() -> None:
    example = "class BoundedBatch"
    parts = [read(f"docs/{name}.md").split("```python my_router.py\n")[1] for name in ("tutorial", "write-a-router")]
    first, second = (part.split("```")[0] for part in parts)
    assert example in first
    assert first == second


# -- steering.md


def test_the_grammar_is_the_one_that_is_shown_to_the_engineer() -> None:
    assert f"```\n{steering.HELP}\n```" in read("docs/steering.md")


def in_words(directive: steering.Directive) -> str:
    value = "" if directive.value is None else f" {directive.value:g}"
    return f"{directive.action} {directive.what}".rstrip() + value


def test_every_example_is_understood_as_described() -> None:
    rows = table("docs/steering.md", "you type")
    for typed, understood in rows:
        said = steering.parse(quoted(typed)[0])
        assert [in_words(directive) for directive in said.directives] == quoted(understood), typed
        assert bool(said.unknown) == (understood == "not understood"), typed
    shown = {directive.action for typed, _ in rows for directive in steering.parse(quoted(typed)[0]).directives}
    assert shown | {"stop"} == set(get_args(steering.Action))


def test_every_word_for_a_figure_is_described() -> None:
    rows = table("docs/steering.md", "word")
    assert {word: quoted(figure)[0] for words, figure in rows for word in quoted(words)} == steering.FIGURE_WORDS


def test_the_mechanisms_are_described_as_they_describe_themselves() -> None:
    rows = table("docs/steering.md", "mechanism")
    assert {quoted(name)[0]: words for name, words, _value in rows} == MECHANISMS


# -- designs-in-git.md, sessions.md, simulator.md


def test_the_branches_are_those_described() -> None:
    branches = [row[2] for row in table("docs/designs-in-git.md", "the workspace's folder is")]
    assert branches == [f"`{BRANCH}`", f"`{GUEST_BRANCH}`", ""]


def test_files_and_trailers_of_an_accepted_design_are_those_described(accepted: DesignRepository) -> None:
    commit = accepted.show("accepted/router/0001")
    assert first_column("docs/designs-in-git.md", "trailer") == [key for key, _ in commit.trailers]
    assert sorted(first_column("docs/designs-in-git.md", "file")) == sorted(commit.files)


def test_the_ends_of_a_study_are_described_but_those_that_nothing_records_yet() -> None:
    reasons = set(get_args(ev.SessionStopped.model_fields["reason"].annotation))
    waiting = {"open", "waits for an answer"}
    assert set(first_column("docs/sessions.md", "status")) == reasons - {"engineer"} | waiting


def test_every_figure_of_a_run_is_described() -> None:
    figures = {name.partition(".")[0] for name in METRIC_UNITS}
    assert sorted(first_column("docs/simulator.md", "figure")) == sorted(figures)


def test_oracles_are_named_as_such() -> None:
    assert all(f"`{name}` is told output lengths" in read("docs/simulator.md") for name in oracle_names())


def test_the_isolation_level_is_named_as_the_doctor_names_it() -> None:
    assert all(f"isolation level `{level}`" in read("docs/designs-in-git.md") for level in NOT_STOPPED)


def test_no_document_names_a_router_that_does_not_ship() -> None:
    known = {*router_names(), *oracle_names()}
    rows = table("docs/paper-table.md", "router")
    assert {name for row in rows for name in quoted(row[0])} <= known


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_key_that_is_named_is_one_of_the_app(document: str) -> None:
    known = {command.shown_key for command in (*COMMANDS, *EDITING)} | {"^p"}
    named = re.findall(r"(?:<kbd>(Ctrl)</kbd>\+)?<kbd>([A-Za-z?])</kbd>", read(document))
    assert {f"^{key.lower()}" if ctrl else key for ctrl, key in named} <= known


def test_every_document_is_reachable_from_the_tutorial_and_every_link_leads_somewhere() -> None:
    links = {document: re.findall(r"\]\(([^)#]+)\)", read(document)) for document in DOCUMENTS}
    local = {document: [link for link in found if "://" not in link] for document, found in links.items()}
    for document, found in local.items():
        missing = [link for link in found if not (ROOT / document).parent.joinpath(link).exists()]
        assert missing == [], document
    reached = {f"docs/{link}" for link in local["docs/tutorial.md"]}
    assert set(DOCUMENTS) - {"README.md", "docs/tutorial.md"} <= reached
