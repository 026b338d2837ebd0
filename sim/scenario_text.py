"""A scenario's text before it is checked: single values set by dotted keys, and a table of sections written as TOML."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from sim.errors import ScenarioError
from sim.names import hint

Toml: TypeAlias = "str | int | float | bool | list[Toml] | dict[str, Toml]"

LISTS = ("pool", "fault", "workload.tier")
"""Sections that there may be several of: ``[[pool]]``."""


def heading(section: str) -> str:
    return f"[[{section}]]" if section in LISTS else f"[{section}]"


def override(table: dict[str, Toml], keys: Mapping[str, Sequence[str]], key: str, value: str) -> None:
    """Sets the dotted ``key``; a value that isn't TOML by itself is taken as a string.

    ``keys``: those that each section may have. One of several sections goes by its name or its number from 1 up
    (``pool.h100.replicas``, ``fault.1.at_s``). A whole section is set by a table: ``workload={kind = …}``. Raises
    ScenarioError with the nearest key that there is.
    """
    *parts, name = key.split(".")
    if len(parts) > 1 and ".".join(parts[:-1]) in LISTS:
        _member(table, parts[:-1], parts[-1], key)[name] = _value(value)
        return
    known = [f"{section}.{name}" for section, names in keys.items() if section not in LISTS for name in names]
    whole = key in keys and key not in LISTS and isinstance(_value(value), dict)
    if key not in known and not whole:
        same_name = [dotted for dotted in known if dotted.split(".")[-1] == key]
        raise ScenarioError(f"There is no scenario key {key!r}; {hint(key, same_name or known)}")
    target: Toml = table
    for part in parts:
        if isinstance(target, dict):
            target = target.setdefault(part, {})
    if isinstance(target, dict):
        target[name] = _value(value)


def _member(table: Mapping[str, Toml], parts: Sequence[str], which: str, key: str) -> dict[str, Toml]:
    entries: Toml = dict(table)
    for part in parts:
        entries = entries.get(part, []) if isinstance(entries, dict) else []
    members = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    names = [str(entry.get("name", place)) for place, entry in enumerate(members, 1)]
    if which not in names and which in map(str, range(1, len(members) + 1)):
        return members[int(which) - 1]
    if which not in names:
        raise ScenarioError(f"There is no [[{'.'.join(parts)}]] {which!r} for {key!r}; {hint(which, names)}")
    return members[names.index(which)]


def _value(text: str) -> Toml:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    value: Toml = parsed["value"]
    return value if len(parsed) == 1 else text


def dump(table: Mapping[str, Toml]) -> str:
    """TOML of a checked table of sections; JSON's strings, numbers and lists are TOML's."""
    lines: list[str] = []
    for section, content in table.items():
        for entry in content if isinstance(content, list) else [content]:
            lines.append(heading(section))
            if isinstance(entry, dict):
                lines.extend(_lines(section, entry))
            lines.append("")
    return "\n".join(lines)


def _lines(section: str, content: Mapping[str, Toml]) -> list[str]:
    """Plain values first: what follows a section of a section would belong to that."""
    lines: list[str] = []
    for key, value in sorted(content.items(), key=lambda item: bool(_tables(item[1]))):
        inner = f"{section}.{key}"
        for entry in _tables(value):
            lines += ["", heading(inner), *_lines(inner, entry)]
        if not _tables(value):
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    return lines


def _tables(value: Toml) -> list[Mapping[str, Toml]]:
    """What is written as a section, or as several."""
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, dict)]
