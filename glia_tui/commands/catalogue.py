"""``glia scenarios`` and ``glia policies``: what ships."""

from __future__ import annotations

import inspect
import sys

from glia_tui.commands.output import print_json, print_table
from sessions.errors import UnknownName
from sessions.playground import Playground, find_playground

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
    rows = [(slot, name, _summary(playground.shipped_source(slot, name))) for slot, name in _policies(playground)]
    if as_json:
        oracles = {slot: playground.oracles(slot) for slot in SLOTS}
        print_json([{"slot": s, "name": n, "oracle": n in oracles[s], "summary": text} for s, n, text in rows])
    else:
        print_table(("slot", "policy", "rule"), rows)


def show_policy(name: str, *, as_json: bool) -> None:
    playground = find_playground()
    for slot, known in _policies(playground):
        if name == known:
            source = playground.shipped_source(slot, name)
            if as_json:
                oracle = name in playground.oracles(slot)
                summary = _summary(source)
                print_json({"slot": slot, "name": name, "oracle": oracle, "summary": summary, "source": source})
            else:
                sys.stdout.write(source.rstrip() + "\n")
            return
    raise UnknownName("policy", name, [known for _, known in _policies(playground)])


def _policies(playground: Playground) -> list[tuple[str, str]]:
    """Slot and name of all that ships, the oracles last."""
    return [(slot, name) for slot in SLOTS for name in (*playground.shipped(slot), *playground.oracles(slot))]


def _summary(source: str) -> str:
    """First line of a policy file's docstring."""
    import ast

    doc = inspect.cleandoc(ast.get_docstring(ast.parse(source)) or "")
    return doc.partition("\n")[0]
