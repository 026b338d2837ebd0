"""``glia scenarios`` and ``glia policies``: what ships."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence

from glia_tui.commands.complete import SLOTS
from glia_tui.commands.output import print_json, print_table
from sessions.errors import UnknownName
from sessions.playground import Playground, find_playground


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
    rows = [(c.name, ", ".join(c.slots), c.hardware, c.baseline, c.title) for c in cards]
    print_table(("scenario", "designs", "cluster", "baseline", "what"), rows)


def show_scenario(name: str, *, as_json: bool) -> None:
    card = find_playground().scenario(name)
    if as_json:
        print_json({"name": card.name, "digest": card.digest, "source": card.source})
    else:
        sys.stdout.write(card.source.rstrip() + "\n")


def list_policies(only: str | None, *, as_json: bool) -> None:
    playground = find_playground()
    slots = _slots(only)
    listed = _policies(playground, slots)
    rows = [(slot, name, _summary(playground.shipped_source(slot, name))) for slot, name in listed]
    if as_json:
        oracles = {slot: playground.oracles(slot) for slot in slots}
        print_json([{"slot": s, "name": n, "oracle": n in oracles[s], "summary": text} for s, n, text in rows])
    else:
        print_table(("slot", "policy", "rule"), rows)


def show_policy(name: str, only: str | None, *, as_json: bool) -> None:
    playground = find_playground()
    listed = _policies(playground, _slots(only))
    for slot, known in listed:
        if name == known:
            source = playground.shipped_source(slot, name)
            if as_json:
                oracle = name in playground.oracles(slot)
                summary = _summary(source)
                print_json({"slot": slot, "name": name, "oracle": oracle, "summary": summary, "source": source})
            else:
                sys.stdout.write(source.rstrip() + "\n")
            return
    raise UnknownName("policy", name, [known for _, known in listed])


def _slots(only: str | None) -> Sequence[str]:
    """The slots to look at: all, or the one that was named."""
    if only is not None and only not in SLOTS:
        raise UnknownName("slot", only, SLOTS)
    return SLOTS if only is None else (only,)


def _policies(playground: Playground, slots: Sequence[str]) -> list[tuple[str, str]]:
    """Slot and name of all that ships, the oracles of a slot last."""
    return [(slot, name) for slot in slots for name in (*playground.shipped(slot), *playground.oracles(slot))]


def _summary(source: str) -> str:
    """First line of a policy file's docstring."""
    import ast

    doc = inspect.cleandoc(ast.get_docstring(ast.parse(source)) or "")
    return doc.partition("\n")[0]
