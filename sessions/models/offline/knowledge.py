"""What the offline researcher knows: read off the conversation anew for every reply.

Nothing is remembered between replies, so a resumed session, a fork and a replay think alike. Only what stands in
tool results counts as known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from pydantic import JsonValue

from sessions.events import ToolCall
from sessions.models.base import AssistantTurn, Message, ToolResult, UserText
from sessions.models.offline import steering
from sessions.models.offline.mechanisms import RouterSpec

JsonDict = dict[str, JsonValue]

ACTS = frozenset({"focus", "keep", "try", "avoid", "ablate", "accept", "continue"})
"""Instructions that ask for more than an answer."""


def as_dict(value: JsonValue) -> JsonDict:
    return value if isinstance(value, dict) else {}


def as_float(value: JsonValue) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


@dataclass(slots=True)
class Trial:
    """One proposed experiment and what became of it. ``design``: the one that ran (edited, maybe)."""

    call: ToolCall
    idea: str
    result: JsonDict

    @property
    def decision(self) -> str:
        return str(self.result.get("decision", ""))

    @property
    def experiment(self) -> str:
        return str(self.result.get("experiment", ""))

    @property
    def design(self) -> str:
        return str(self.result.get("design") or self.call.arguments.get("design", ""))

    @property
    def against(self) -> str:
        return str(self.call.arguments.get("baseline", ""))

    @property
    def ok(self) -> bool:
        return self.result.get("outcome") == "ok"

    @property
    def decided(self) -> bool:
        """True unless it was interrupted: that taught nothing."""
        return self.result.get("outcome") != "cancelled"

    @property
    def edited(self) -> bool:
        return self.decision == "edit"

    def comparison(self, figure: str) -> JsonDict:
        """Candidate against this experiment's baseline on ``figure``."""
        return as_dict(as_dict(self.result.get("comparisons")).get(figure))

    def candidate(self, figure: str) -> float:
        return as_float(as_dict(self.result.get("candidate")).get(figure))

    def baseline(self, figure: str) -> float:
        return as_float(as_dict(self.result.get("baseline")).get(figure))


@dataclass(slots=True)
class Knowledge:
    """The record in the researcher's terms."""

    card: JsonDict = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    specs: dict[str, RouterSpec] = field(default_factory=dict)
    telemetry: dict[str, JsonDict] = field(default_factory=dict)
    acceptances: list[tuple[ToolCall, JsonDict]] = field(default_factory=list)
    directives: list[steering.Directive] = field(default_factory=list)
    supervisor: list[str] = field(default_factory=list)
    failed_ideas: set[str] = field(default_factory=set)
    turns: int = 0
    last_results: list[tuple[ToolCall, ToolResult]] = field(default_factory=list)
    unanswered: list[UserText] = field(default_factory=list)

    @property
    def baseline_name(self) -> str:
        return str(self.card.get("baseline", ""))

    @property
    def baseline_trial(self) -> Trial | None:
        """The measurement of the baseline itself."""
        return next((t for t in self.trials if t.ok and t.idea == "baseline"), None)

    @property
    def finished(self) -> list[Trial]:
        return [t for t in self.trials if t.ok]

    @property
    def experiments_left(self) -> int | None:
        """From the newest result that says so; ``None`` means no limit."""
        for source in [t.result for t in reversed(self.trials)] + [self.card]:
            if "experiments_left" in source:
                left = source["experiments_left"]
                return int(left) if isinstance(left, int) else None
        return None

    @property
    def concluding(self) -> bool:
        """True once the Supervisor said that it is time to conclude."""
        return any("conclude" in text.lower() for text in self.supervisor)

    @property
    def sent_back(self) -> bool:
        """True if the Supervisor sent the newest acceptance proposal back."""
        return bool(self.acceptances) and self.acceptances[-1][1].get("decision") == "revise"

    def done(self, idea: str) -> bool:
        """True if the idea was measured or declined, or its design couldn't be written; an interrupted experiment
        taught nothing and may be proposed again."""
        return idea in self.failed_ideas or any(t.idea == idea and t.decided for t in self.trials)

    def postponed(self, idea: str) -> bool:
        """True if the engineer's only word on the idea was one redirect to something else."""
        return [t.decision for t in self.trials if t.idea == idea] == ["redirect"]

    @property
    def may_measure_baseline(self) -> bool:
        """False while the engineer has declined the first measurement and asked for nothing since."""
        declined = sum(t.idea == "baseline" and t.decision in ("reject", "redirect") for t in self.trials)
        return declined <= sum(d.action in ACTS for d in self.directives)

    def diagnosis(self, trial: Trial) -> JsonDict:
        return self.telemetry.get(trial.experiment, {})


def read(messages: tuple[Message, ...]) -> Knowledge:
    """Everything the conversation shows."""
    known = Knowledge()
    calls: dict[str, ToolCall] = {}
    answered_upto = max((i for i, message in enumerate(messages) if isinstance(message, AssistantTurn)), default=-1)
    for index, message in enumerate(messages):
        match message:
            case AssistantTurn(tool_calls=made):
                known.turns += 1
                calls |= {call.id: call for call in made}
            case UserText(author="engineer", text=text):
                known.directives += steering.parse(text).directives
            case UserText(author="supervisor", text=text):
                known.supervisor.append(text)
            case ToolResult(call_id=call_id) if call_id in calls:
                _learn(known, calls[call_id], message)
                if index > answered_upto:
                    known.last_results.append((calls[call_id], message))
            case _:
                pass
        if isinstance(message, UserText) and index > answered_upto:
            known.unanswered.append(message)
    return known


def _learn(known: Knowledge, call: ToolCall, result: ToolResult) -> None:
    content = result.content
    for exchange in cast(list[JsonValue], content.get("meanwhile") or []):
        known.directives += steering.parse(str(as_dict(exchange).get("engineer", ""))).directives
    if content.get("decision") == "pending":
        return
    idea = _idea_of(call)
    match call.name:
        case "describe_scenario" if not result.is_error:
            known.card = dict(content)
        case "write_design" if result.is_error:
            known.failed_ideas.add(idea)
        case "write_design":
            spec = RouterSpec.from_json(as_dict(call.arguments.get("settings")))
            if spec is not None:
                known.specs[str(call.arguments["name"])] = spec
        case "propose_experiment" if not result.is_error:
            known.trials.append(Trial(call, idea, dict(content)))
            known.directives += steering.parse(str(content.get("words", ""))).directives
        case "query_telemetry" if not result.is_error:
            known.telemetry[str(call.arguments.get("experiment"))] = dict(content)
        case "propose_acceptance":
            known.acceptances.append((call, {**content, "is_error": result.is_error}))
            known.directives += steering.parse(str(content.get("words", ""))).directives
        case _:
            pass


def _idea_of(call: ToolCall) -> str:
    """The researcher's own label of the idea behind a call: what follows the colon in its id (``call-7:order``)."""
    return call.id.partition(":")[2]
