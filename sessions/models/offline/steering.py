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
continue | stop                      go on with the plan | propose nothing more until you say so
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
        match = re.match("(?:please )?" + pattern, part, re.IGNORECASE | re.ASCII)
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


_NUMBER = r"\d{1,6}(?:\.\d{1,3})?"
_VALUE = rf"(?:[ =]+(?P<value>{_NUMBER}))?(?: ?s| tokens| seconds)?"
_OF = r"(?: (?:of|than) (?:the )?\w+)?"
_THE = r"(?:the |a )?"
_SOON = r"(?: (?:next|first|now|instead|please|from now on))?$"
_LATENCY = rf"(?P<figure>(?!kv|memory)(?:{_FIGURE}))"
_RULES: tuple[tuple[str, Callable[[re.Match[str]], Directive]], ...] = (
    (
        rf"keep {_THE}{_LATENCY} within (?P<value>{_NUMBER}) ?%{_OF}$",
        lambda m: Directive("keep", _figure(m), _number(m)),
    ),
    (rf"(?:keep )?{_THE}{_LATENCY} no worse{_OF}$", lambda m: Directive("keep", _figure(m), 0.0)),
    (rf"(?:focus|concentrate) on {_THE}{_LATENCY}{_SOON}", lambda m: Directive("focus", _figure(m))),
    (
        rf"(?:avoid|don'?t use|no|without|leave out) {_THE}(?:{_MECHANISM}){_SOON}",
        lambda m: Directive("avoid", _mechanism(m)),
    ),
    (
        rf"(?:try|use|add) {_THE}(?:{_MECHANISM})(?: of)?{_VALUE}{_SOON}",
        lambda m: Directive("try", _mechanism(m), _number(m)),
    ),
    (rf"ablate(?: {_THE}(?:{_MECHANISM}))?{_SOON}", lambda m: Directive("ablate", _mechanism(m))),
    (
        rf"(?:explain|why|what|how)\b.*?\b(?P<figure>{_FIGURE})\b",
        lambda m: Directive("explain", _figure(m)),
    ),
    (
        r"(?:status|summary|what have you (?:learned|tried|found)|where (?:do|are) we|(?:show me|what is) the best)\b",
        lambda m: Directive("status"),
    ),
    (
        r"accept(?: (?:the )?(?:design )?(?P<design>[a-z][a-z0-9-]*))?$",
        lambda m: Directive("accept", (m["design"] or "").lower()),
    ),
    (rf"(?:continue|go on|carry on|proceed){_SOON}", lambda m: Directive("continue")),
    (rf"(?:stop|finish|end|enough){_SOON}", lambda m: Directive("stop")),
)
"""Pattern and meaning of one instruction, matched at its beginning after an optional *please*."""
