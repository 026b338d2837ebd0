"""``glia doctor``: what is in force here, with the terminal and the editor. Problems are marked in words."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pydantic import JsonValue

from glia_tui.commands.output import Exit, print_json, terminal_safe
from glia_tui.commands.run import make_backend
from glia_tui.editor import EditorError, editor_command
from sessions import settings as settings_files
from sessions.doctor import Finding
from sessions.doctor import examine as examine_study
from sessions.settings import InForce

SMALLEST = (60, 15)
"""Columns and rows below which the app can't show a study."""
_MARKS = {"ok": "ok", "note": "note", "problem": "PROBLEM"}


def doctor(workspace: Path | None, *, as_json: bool) -> Exit:
    """Prints every finding; :attr:`Exit.ANSWER_IS_NO` if something needed is broken."""
    found = settings_files.examine(workspace)
    findings = [*examine_study(found, os.environ, make_backend), terminal(found, os.environ), editor(found, os.environ)]
    problems = [finding.topic for finding in findings if finding.status == "problem"]
    if as_json:
        print_json({"usable": not problems, "problems": problems, "findings": [asdict(f) for f in findings]})
    else:
        _print(found, findings, problems)
    return Exit.ANSWER_IS_NO if problems else Exit.DONE


def terminal(found: InForce, environment: Mapping[str, str]) -> Finding:
    """Size, colours, and what the app makes of them; ``glia run`` needs none of it."""
    from textual.theme import BUILTIN_THEMES

    from sessions.errors import nearest

    size = shutil.get_terminal_size()
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    facts: dict[str, JsonValue] = {
        "is_terminal": is_terminal,
        "columns": size.columns,
        "rows": size.lines,
        "colours": _colours(environment),
        "TERM": environment.get("TERM"),
        "NO_COLOR": bool(environment.get("NO_COLOR")),
    }
    theme = found.values.theme
    if theme and theme not in BUILTIN_THEMES:
        text = f"There is no theme {theme!r}; {nearest(theme, BUILTIN_THEMES)}"
        return Finding("terminal", "problem", text, f"Correct `theme` in {found.sources['theme']}.", facts)
    if environment.get("TERM") == "dumb" or not is_terminal:
        text = "TERM is dumb." if is_terminal else "This isn't a terminal."
        return Finding("terminal", "note", text, "The app needs one; `glia run` doesn't.", facts)
    words = f"{size.columns} × {size.lines}, {facts['colours']}, TERM={environment.get('TERM', '')}."
    if size.columns < SMALLEST[0] or size.lines < SMALLEST[1]:
        todo = f"Make it at least {SMALLEST[0]} × {SMALLEST[1]} for the app."
        return Finding("terminal", "note", words, todo, facts)
    return Finding("terminal", "ok", words, "", facts)


def _colours(environment: Mapping[str, str]) -> str:
    """What the environment promises, in words."""
    if environment.get("NO_COLOR"):
        return "no colours (NO_COLOR)"
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "16 million colours"
    kind = environment.get("TERM", "")
    if kind in ("", "dumb"):
        return "no colours"
    return "256 colours" if kind.endswith("256color") else "16 colours"


def editor(found: InForce, environment: Mapping[str, str]) -> Finding:
    """What `edit` opens; the rest works without."""
    named = found.values.editor
    variables = dict(environment) | ({"VISUAL": named} if named else {})
    source = found.sources["editor"]
    if not named:
        source = next((f"${name}" for name in ("VISUAL", "EDITOR") if environment.get(name, "").strip()), "installed")
    facts: dict[str, JsonValue] = {"from": source, "command": None}
    try:
        command = editor_command(variables)
    except EditorError as error:
        words = str(error).replace("$VISUAL", f"`editor` in {source}") if named else str(error)
        return Finding("editor", "note", words, "Designs can be approved and redirected, but not edited.", facts)
    return Finding("editor", "ok", f"{' '.join(command)} ({source}).", "", {**facts, "command": list(command)})


def _print(found: InForce, findings: list[Finding], problems: list[str]) -> None:
    width = min(max(shutil.get_terminal_size().columns, 60), 110)
    lines: list[str] = []
    for f in findings:
        body = f.text + (f" → {f.todo}" if f.todo else "")
        indent = " " * 21
        lines += textwrap.wrap(
            body,
            width,
            initial_indent=f"{_MARKS[f.status]:8} {f.topic:11} ",
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        if f.topic == "settings":
            lines += [f"{indent}{key} = {_value(found, key)}  ({found.sources[key]})" for key in settings_files.KEYS]
    end = f"Broken: {', '.join(problems)}." if problems else "Everything that a study needs is there."
    sys.stdout.write(terminal_safe("\n".join([*lines, "", end])) + "\n")


def _value(found: InForce, key: str) -> str:
    value: object = getattr(found.values, key)
    return "not set" if value in ("", None) else str(value)
