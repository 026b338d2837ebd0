"""One sentence for what a checker found in a scenario file: the file, the field, and what to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic_core import ErrorDetails

from sim.names import hint
from sim.scenario_text import LISTS, heading
from sim.workload.tables import CHOICES


def complaint(where: str, detail: ErrorDetails, keys: Mapping[str, Sequence[str]]) -> str:
    """``keys``: those that each section may have."""
    path = [str(part) for part in detail["loc"]]
    where = _shortened(path, where)
    field, section = ".".join(path), _section(path, keys)
    match detail["type"]:
        case "extra_forbidden" if len(path) == 1:
            return f"{where}: unknown section [{field}]; {hint(path[0], [key for key in keys if '.' not in key])}"
        case "extra_forbidden" if path[-1] in keys[section]:
            return f"{where}: {field} doesn't belong to this kind of {section}; remove it."
        case "extra_forbidden":
            return f"{where}: unknown key {field!r}; {hint(path[-1], keys[section])}"
        case "model_type" | "model_attributes_type" | "dict_type" if field in keys:
            return f"{where}: {field} must be a section: write {heading(field)} and its keys below."
        case "list_type" if field in LISTS:
            return f"{where}: {field} must be a list of sections: write {heading(field)} and its keys below."
        case "too_short" | "too_long" if field == "scenario.slots":
            return f'{where}: {field}: must have one to three entries, for example ["router"].'
        case "missing":
            return f"{where}: {field} is missing."
        case "union_tag_not_found":
            return f"{where}: {_chooser(field)} is missing; {hint('', CHOICES[_chooser(field)])}"
        case "union_tag_invalid":
            known = CHOICES[_chooser(field)]
            tag = str(detail.get("ctx", {}).get("tag", ""))
            return f"{where}: {_chooser(field)} can't be {_short(tag)}; {hint(tag, known)}"
        case _:
            message = detail["msg"][0].lower() + detail["msg"][1:]
            return f"{where}: {field}: {message}, not {_short(detail['input'])}."


def _shortened(path: list[str], where: str) -> str:
    """Takes out of ``path`` what no file has: the tag of the kind chosen, the number of a list's section (which goes
    behind ``where``)."""
    for depth in (1, 2):
        chooser = _chooser(".".join(path[:depth]))
        if len(path) > depth and path[depth] in CHOICES.get(chooser, ()):
            del path[depth]
    for depth in (1, 2):
        section = ".".join(path[:depth])
        if section in LISTS and len(path) > depth:
            where = f"{where}: [[{section}]] number {int(path.pop(depth)) + 1}"
            if section == "pool" and path[depth : depth + 1] == ["cluster"]:
                del path[depth]
    return where


def _chooser(section: str) -> str:
    """The key that decides which kind of section it is."""
    return f"{section}.process" if section == "workload.arrivals" else f"{section}.kind"


def _section(path: Sequence[str], keys: Mapping[str, Sequence[str]]) -> str:
    """The section that the path's last key is of."""
    if list(path[:2]) == ["pool", "cost"]:
        return "cost"
    longest = ".".join(path[:2])
    return longest if longest in keys and len(path) > 2 else path[0]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
