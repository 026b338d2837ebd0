"""``glia scenarios`` and ``glia policies``: what ships."""

from __future__ import annotations

import inspect
import sys

from glia_tui.commands.output import print_json, print_table
from sessions.errors import UnknownName
from sessions.playground import find_playground

SLOTS = ("router",)


def list_scenarios(*, as_json: bool) -> None:
    playground = find_playground()
    cards = [playground.scenario(name) for name in playground.scenario_names()]
    if as_json:
        print_json(
            [
                {
                    "name": c.name,
                    "title": c.title,
                    "hardware": c.hardware,
                    "slots": list(c.slots),
                    "baseline": c.baseline,
                    "metric": c.metric,
                    "digest": c.digest,
                    "why": c.why,
                }
                for c in cards
            ]
        )
        return
    print_table(("scenario", "cluster", "baseline", "what"), [(c.name, c.hardware, c.baseline, c.title) for c in cards])


def show_scenario(name: str, *, as_json: bool) -> None:
    card = find_playground().scenario(name)
    if as_json:
        print_json({"name": card.name, "digest": card.digest, "source": card.source})
    else:
        sys.stdout.write(card.source.rstrip() + "\n")


def list_policies(*, as_json: bool) -> None:
    playground = find_playground()
    rows = [
        (slot, name, _summary(playground.shipped_source(slot, name)))
        for slot in SLOTS
        for name in playground.shipped(slot)
    ]
    if as_json:
        print_json([{"slot": slot, "name": name, "summary": summary} for slot, name, summary in rows])
    else:
        print_table(("slot", "policy", "rule"), rows)


def show_policy(name: str, *, as_json: bool) -> None:
    playground = find_playground()
    for slot in SLOTS:
        if name in playground.shipped(slot):
            source = playground.shipped_source(slot, name)
            if as_json:
                print_json({"slot": slot, "name": name, "summary": _summary(source), "source": source})
            else:
                sys.stdout.write(source.rstrip() + "\n")
            return
    raise UnknownName("policy", name, [known for slot in SLOTS for known in playground.shipped(slot)])


def _summary(source: str) -> str:
    """First line of a policy file's docstring."""
    import ast

    doc = inspect.cleandoc(ast.get_docstring(ast.parse(source)) or "")
    return doc.partition("\n")[0]
