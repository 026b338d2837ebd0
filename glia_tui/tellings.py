"""Rows for single happenings of a study: answers, tool calls, the Supervisor's words, the system's sentences."""

from __future__ import annotations

import json

from pydantic import JsonValue

from glia_tui import wording
from glia_tui.lines import BLANK, Role, Row, clean, elide, one_line, row
from glia_tui.prose import prose
from sessions import events as ev
from sessions.state import Experiment, StudyState

_CALL_LINES = 200


def answer_words(state: StudyState, approval: str) -> str:
    found = state.approvals.get(approval)
    answer = found.answer if found else None
    if answer is None:
        return "◇ waits for your answer"
    if answer.rule:
        return f"✓ approved without asking ({answer.rule})"
    return {
        "approve": "✓ approved by you",
        "approve_kind": "✓ approved by you, and this kind from now on",
        "edit": f"✓ approved with your edit: {answer.design}",
        "redirect": "↩ redirected by you",
        "reject": "✕ rejected by you",
    }[answer.verb]


def proposal_status(state: StudyState, experiment: Experiment, reason: str) -> tuple[str, Role]:
    words = answer_words(state, experiment.approval)
    match experiment.status:
        case "proposed":
            return "◇ waits for your answer", "accent"
        case "running":
            return f"{words}; ▶ runs now", "muted"
        case "cancelled":
            return f"{words}; cancelled{': ' + one_line(reason) if reason else ''}", "warn"
        case _:
            return words, "muted"


def supervisor_rows(spoke: ev.SupervisorSpoke) -> tuple[Row, ...]:
    verdicts: dict[str, tuple[str, Role]] = {
        "continue": ("asks to continue", "muted"),
        "revise": ("asks to revise", "warn"),
        "finish": ("asks to finish", "accent"),
    }
    triggers = {"cadence": "a regular review", "stall": "no progress lately", "acceptance": "before an acceptance"}
    words, role = verdicts[spoke.verdict]
    return (*prose(spoke.text), row((words, role), (f" · {triggers[spoke.trigger]}", "muted")))


def call_row(call: ev.ToolCall, returned: ev.ToolReturned | None) -> Row:
    """A tool call on one line: its name, its main argument, and its error if it failed."""
    main = next((str(value) for value in call.arguments.values() if isinstance(value, str | int | float)), "")
    parts: list[str | tuple[str, Role]] = [(one_line(call.name), "muted"), (f" {elide(one_line(main), 60)}", "text")]
    if returned is None:
        parts.append((" …", "muted"))
    elif returned.is_error:
        parts.append((f"  {_error_of(returned)}", "bad"))
    return row(*parts, hang=2)


def call_rows(call: ev.ToolCall, returned: ev.ToolReturned | None) -> list[Row]:
    """All of a tool call's arguments and of its result."""
    rows = _json_rows("arguments", dict(call.arguments))
    if returned is not None:
        rows += [BLANK, *_json_rows("result", returned.content)]
    return rows


def _error_of(returned: ev.ToolReturned) -> str:
    message = returned.content.get("error") or returned.content.get("message") or "failed"
    return one_line(str(message))


def _json_rows(title: str, content: dict[str, JsonValue]) -> list[Row]:
    """Strings with line breaks are shown as the text they are, the rest as JSON."""
    rows = [row((title, "muted"))]
    for name, value in content.items():
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        lines = clean(text).split("\n")
        if len(lines) == 1:
            rows.append(row((f"{name}  ", "key"), lines[0], indent=2, hang=len(name) + 2))
            continue
        rows.append(row((name, "key"), indent=2))
        rows += [row((text, "code"), indent=4, hang=2) for text in lines[:_CALL_LINES]]
        if len(lines) > _CALL_LINES:
            rows.append(row((f"… {len(lines) - _CALL_LINES} more lines", "muted"), indent=4))
    return rows


def system_rows(data: ev.Payload, state: StudyState, about: tuple[str, ...]) -> tuple[Row, ...]:
    """Sentences of the system; empty for events that another entry shows."""
    match data:
        case ev.SessionStarted() as started:
            title = row(("Study of ", "muted"), (started.scenario, "strong"), (f"  {started.session}", "muted"))
            return (title, *(row((one_line(sentence), "muted"), hang=2) for sentence in about))
        case ev.SessionResumed(torn_bytes=torn):
            cut = f" An unfinished last line of {torn} bytes was cut off." if torn else ""
            return (row((f"Study resumed.{cut}", "muted")),)
        case ev.GateChanged():
            return (row((f"Gate: {wording.gate_words(state)}.", "muted")),)
        case ev.BudgetChanged(max_experiments=most):
            return (row((f"Budget: {'no limit' if most is None else f'{most} experiments'}.", "muted")),)
        case ev.BudgetReached(text=text):
            return (row((one_line(text), "warn")),)
        case ev.Notice(level=level, text=text):
            roles: dict[str, Role] = {"info": "muted", "warning": "warn", "error": "bad"}
            return (row((one_line(text), roles[level]), hang=2),)
        case ev.SessionStopped() as stopped:
            why = one_line(stopped.text) or stopped.reason
            return (row((f"Study stopped: {why}", "strong"), hang=2),)
        case _:
            return ()
