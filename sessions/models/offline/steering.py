"""The grammar of steering that the offline researcher understands.

One instruction a line or sentence. Anything else is answered with "I can't act on that" and this list, never
guessed at. Free questions are understood when they name a figure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sessions.models.offline.mechanisms import MECHANISMS

HELP = """\
focus on mean | P99 | max | TTFT     what a better design is judged by
keep P99 within 5% of baseline       a constraint (also: mean, max, TTFT)
try MECHANISM [VALUE]                e.g. try waiting-bound 60, try least-kv
avoid MECHANISM                      leave it out from now on
ablate [MECHANISM]                   take a mechanism out of the best design and measure
explain FIGURE                       mean, P99, max, TTFT, preemptions, KV usage (or: why is P99 so bad?)
status                               what was tried and what stands
accept [DESIGN]                      propose a design for acceptance
continue | stop                      go on with the plan | end the study
Mechanisms: """ + ", ".join(MECHANISMS)

FIGURE_WORDS: dict[str, str] = {
    "mean": "e2e_s.mean",
    "average": "e2e_s.mean",
    "completion time": "e2e_s.mean",
    "median": "e2e_s.p50",
    "p50": "e2e_s.p50",
    "p90": "e2e_s.p90",
    "p99": "e2e_s.p99",
    "tail": "e2e_s.p99",
    "max": "e2e_s.max",
    "maximum": "e2e_s.max",
    "ttft": "ttft_s.mean",
    "first token": "ttft_s.mean",
    "preemption": "preempted_share",
    "preemptions": "preempted_share",
    "preempted": "preempted_share",
    "restart": "preempted_share",
    "restarts": "preempted_share",
    "kv": "kv_usage_mean",
    "kv usage": "kv_usage_mean",
    "memory": "kv_usage_mean",
}

_SPELLINGS = {
    "head-room": r"head[- ]?room|admission",
    "shortest-prompt": r"shortest[- ]prompt(?:[- ]first)?|shortest[- ]first|spf|sjf|order(?:ing)?",
    "least-kv": r"least[- ]kv|placement",
    "waiting-bound": r"wait(?:ing)?[- ]bound|aging|ageing",
}
_MECHANISM = "|".join(f"(?P<m{i}>{pattern})" for i, pattern in enumerate(_SPELLINGS.values()))
_FIGURE = "|".join(sorted((re.escape(word) for word in FIGURE_WORDS), key=len, reverse=True))

Action = Literal["focus", "keep", "try", "avoid", "ablate", "explain", "status", "accept", "continue", "stop"]


@dataclass(frozen=True, slots=True)
class Directive:
    """One understood instruction. ``what``: a figure, mechanism or design; ``value``: its number, if any."""

    action: Action
    what: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Steering:
    """What a text asks for, in order, and the parts that weren't understood."""

    directives: tuple[Directive, ...]
    unknown: tuple[str, ...]


def parse(text: str) -> Steering:
    """Reads the engineer's words."""
    directives: list[Directive] = []
    unknown: list[str] = []
    for part in re.split(r"[\n;!]+|\.(?=\s|$)|,? and (?=try|avoid|keep|focus|ablate|explain|accept)", text):
        part = part.strip()
        if not part:
            continue
        directive = _directive(part)
        if directive is None:
            unknown.append(part)
        else:
            directives.append(directive)
    return Steering(tuple(directives), tuple(unknown))


def _directive(part: str) -> Directive | None:
    for pattern, read in _RULES:
        match = re.search(pattern, part, re.IGNORECASE)
        if match:
            return read(match)
    return None


def _mechanism(match: re.Match[str]) -> str:
    for index, name in enumerate(_SPELLINGS):
        if match[f"m{index}"]:
            return name
    return ""


def _number(match: re.Match[str]) -> float | None:
    return float(match["value"]) if match["value"] else None


def _figure(match: re.Match[str]) -> str:
    return FIGURE_WORDS[match["figure"].lower()]


_VALUE = r"(?:[ =]*(?P<value>\d+(?:\.\d+)?))?"
_RULES: tuple[tuple[str, Callable[[re.Match[str]], Directive]], ...] = (
    (
        rf"^(?:please )?keep (?:the )?(?P<figure>{_FIGURE})\b.*?(?P<value>\d+(?:\.\d+)?) ?%",
        lambda m: Directive("keep", _figure(m), _number(m)),
    ),
    (
        rf"^(?:please )?(?:keep )?(?:the )?(?P<figure>{_FIGURE}) (?:must (?:be )?)?no worse\b(?P<value>)",
        lambda m: Directive("keep", _figure(m), 0.0),
    ),
    (
        rf"^(?:please )?(?:focus|concentrate) on (?:the )?(?P<figure>{_FIGURE})\b",
        lambda m: Directive("focus", _figure(m)),
    ),
    (
        rf"^(?:please )?(?:avoid|don'?t use|no|without|leave out) (?:the )?(?:{_MECHANISM})\b",
        lambda m: Directive("avoid", _mechanism(m)),
    ),
    (
        rf"^(?:please )?(?:try|use|add) (?:the |a )?(?:{_MECHANISM})\b(?: of)?{_VALUE}",
        lambda m: Directive("try", _mechanism(m), _number(m)),
    ),
    (rf"^(?:please )?ablate(?: (?:the )?(?:{_MECHANISM})\b)?", lambda m: Directive("ablate", _mechanism(m))),
    (
        rf"^(?:explain|why|what|how)\b.*?\b(?P<figure>{_FIGURE})\b",
        lambda m: Directive("explain", _figure(m)),
    ),
    (
        r"^(?:status|summary|what have you (?:learned|tried|found)|where (?:do|are) we)\b",
        lambda m: Directive("status"),
    ),
    (
        r"^(?:please )?accept(?: (?:the )?(?:design )?(?P<design>[a-z][a-z0-9-]*))?$",
        lambda m: Directive("accept", (m["design"] or "").lower()),
    ),
    (r"^(?:please )?(?:continue|go on|carry on|proceed)\b", lambda m: Directive("continue")),
    (r"^(?:please )?(?:stop|finish|end|enough)\b", lambda m: Directive("stop")),
)
