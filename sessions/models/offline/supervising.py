"""The offline Supervisor's rules. Each asks about something that stands in the ledger, and asks it once.

1. A design is to be accepted but none of its mechanisms was ever taken out: *revise* (if there is budget).
2. The newest prediction was refuted: what does that say about the mechanism?
3. The best design's tail is worse than the baseline's: who pays for the mean?
4. Requests still start over: why do restarts persist?
5. Experiments go by without an improvement: *revise*, and the second time *finish*.
6. Otherwise: what would prove you wrong?
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from sessions.figures import FIGURES, show
from sessions.models.base import ModelRequest, Reply, UserText
from sessions.models.offline.knowledge import JsonDict, as_dict, as_float


@dataclass(frozen=True, slots=True)
class Question:
    """``mark``: a part of the text by which the question is recognised as asked before."""

    text: str
    mark: str
    verdict: str = "continue"


def reply(request: ModelRequest) -> Reply:
    """At most two questions and a verdict."""
    task = request.messages[-1]
    assert isinstance(task, UserText)
    view: JsonDict = json.loads(task.text)
    asked = "\n".join(str(text) for text in _list(view, "asked_before"))
    questions = [q for q in _questions(view, asked) if q.mark not in asked][:2]
    order = ("finish", "revise", "continue")
    verdict = min((q.verdict for q in questions), key=order.index, default="continue")
    text = " ".join(q.text for q in questions) or "The record is in order. Go on."
    return Reply(f"{text}\nVERDICT: {verdict}", (), "end_turn")


def _questions(view: JsonDict, asked: str) -> Iterator[Question]:
    done = [as_dict(row) for row in _list(view, "experiments") if "candidate" in as_dict(row)]
    if view.get("trigger") == "acceptance":
        yield from _before_acceptance(view, done)
    if view.get("trigger") == "stall":
        yield from _stalled(asked)
    if done:
        yield from _refuted(done[-1])
        yield from _tail(done)
        yield from _restarts(done[-1])
    yield Question(
        "What is the simplest experiment that could prove your current explanation wrong?",
        "prove your current explanation wrong",
    )


def _before_acceptance(view: JsonDict, done: list[JsonDict]) -> Iterator[Question]:
    design = str(as_dict(view.get("acceptance")).get("design"))
    ablated = any("ablation" in str(row.get("title")) and row.get("against") == design for row in done)
    left = view.get("experiments_left")
    may_experiment = left is None or as_float(left) > 0
    if not ablated:
        yield Question(
            f"You want to accept {design}. Which of its mechanisms brings the gain: what is lost without each?",
            f"accept {design}. Which",
            "revise" if may_experiment else "continue",
        )


def _stalled(asked: str) -> Iterator[Question]:
    if "without an improvement" in asked:
        yield Question(
            "Again nothing improved. Time to conclude: what stands, and what does it cost?",
            "Time to conclude",
            "finish",
        )
    yield Question(
        "Several experiments went by without an improvement. Which earlier finding haven't you used yet?",
        "without an improvement",
        "revise",
    )


def _refuted(row: JsonDict) -> Iterator[Question]:
    if row.get("prediction_was") != "refuted":
        return
    prediction = as_dict(row.get("prediction"))
    metric = str(prediction.get("metric"))
    unit = "%" if prediction.get("kind") == "relative" else ""
    yield Question(
        f"{row['id']} refuted your prediction ({FIGURES[metric].title} {as_float(prediction.get('low')):g} to "
        f"{as_float(prediction.get('high')):g}{unit}). Is the mechanism wrong, or does it act where no time is spent?",
        f"{row['id']} refuted",
    )


def _tail(done: list[JsonDict]) -> Iterator[Question]:
    base, best = done[0], min(done, key=lambda row: as_float(as_dict(row["candidate"]).get("e2e_s.mean")))
    for name in ("e2e_s.p99", "e2e_s.max"):
        before = as_float(as_dict(base["candidate"]).get(name))
        after = as_float(as_dict(best["candidate"]).get(name))
        if after > 1.02 * before:
            yield Question(
                f"The mean improved, but the {FIGURES[name].title} went from {show(name, before)} to "
                f"{show(name, after)} under {best['design']}. What happens to a long prompt that arrives while "
                "short ones keep coming?",
                f"under {best['design']}. What happens to a long prompt",
            )
            return


def _restarts(row: JsonDict) -> Iterator[Question]:
    share = as_float(as_dict(row["candidate"]).get("preempted_share"))
    if share > 0.05:
        yield Question(
            f"Under {row['design']} {share:.1%} of the requests still start over. Why do restarts persist?",
            "Why do restarts persist",
        )


def _list(view: JsonDict, key: str) -> list[JsonValue]:
    value = view.get(key)
    return list(value) if isinstance(value, list) else []
