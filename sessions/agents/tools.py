"""The Researcher's tools: names, argument schemas and which of them have an effect that passes the gate.

Arguments are validated here, before a human is asked anything: a hypothesis without a prediction can't be
proposed, a design's name is a plain slug, a prediction names a known figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from sessions.errors import SessionError
from sessions.events import EffectKind, Prediction, ToolCall
from sessions.figures import FIGURES
from sessions.models.base import ToolSpec

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
Text = Annotated[str, Field(min_length=1, max_length=4000)]


class BadToolCall(SessionError):
    """A tool call that can't be acted upon; the sentence goes back to the model."""


class Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DescribeScenario(Arguments):
    """What is designed for: hardware, workload, objective, baseline, what a policy may see."""


class ReadSource(Arguments):
    """The source of a shipped policy or of a design of this study."""

    name: Slug


class QueryTelemetry(Arguments):
    """Where the time of a finished experiment's candidate went: shares and queue lengths from its telemetry."""

    experiment: str


class WriteDesign(Arguments):
    """Writes a design: complete source and a card. It is checked at once: it parses, implements the slot's
    interface and survives a short run in a process of its own."""

    name: Slug
    source: Annotated[str, Field(min_length=1, max_length=200_000)]
    card: Text
    parent: str = ""
    settings: dict[str, JsonValue] = {}


class ProposeExperiment(Arguments):
    """Proposes to measure ``design`` against ``baseline`` (a shipped policy or a design of this study) on the same
    seeds. Runs only after approval. The prediction is what makes it an experiment."""

    title: Annotated[str, Field(min_length=1, max_length=120)]
    hypothesis: Text
    mechanism: Text
    design: Slug
    baseline: Slug
    prediction: Prediction

    @field_validator("prediction")
    @classmethod
    def _prediction_is_testable(cls, prediction: Prediction) -> Prediction:
        if prediction.metric not in FIGURES:
            near = get_close_matches(prediction.metric, FIGURES, n=1) or list(FIGURES)[:1]
            raise ValueError(f"unknown figure {prediction.metric!r}; the nearest is {near[0]!r}")
        if not prediction.low <= prediction.high:
            raise ValueError("low must not be greater than high")
        return prediction


class RecordInsight(Arguments):
    """Records a finding with the experiments that show it."""

    text: Text
    experiments: list[str]

    @model_validator(mode="after")
    def _has_evidence(self) -> RecordInsight:
        if not self.experiments:
            raise ValueError("name at least one experiment that shows it")
        return self


class ProposeAcceptance(Arguments):
    """Proposes to accept a design. After approval it is measured on fresh held-out seeds; if it holds there it
    becomes a git commit with its evidence."""

    design: Slug
    experiment: str
    reason: Text


@dataclass(frozen=True, slots=True)
class Tool:
    """``effect``: what kind of approval it needs; ``None`` for tools that only read or write the record."""

    name: str
    arguments: type[Arguments]
    effect: EffectKind | None = None

    def spec(self) -> ToolSpec:
        doc = " ".join((self.arguments.__doc__ or "").split())
        return ToolSpec(self.name, doc, self.arguments.model_json_schema())


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool("describe_scenario", DescribeScenario),
        Tool("read_source", ReadSource),
        Tool("query_telemetry", QueryTelemetry),
        Tool("write_design", WriteDesign),
        Tool("propose_experiment", ProposeExperiment, "experiment"),
        Tool("record_insight", RecordInsight),
        Tool("propose_acceptance", ProposeAcceptance, "acceptance"),
    )
}


def parse(call: ToolCall) -> Arguments:
    """The validated arguments of a call. Raises :class:`BadToolCall` with a sentence for the model."""
    tool = TOOLS.get(call.name)
    if tool is None:
        raise BadToolCall(f"There is no tool {call.name!r}. Tools: {', '.join(TOOLS)}.")
    try:
        return tool.arguments.model_validate(call.arguments)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "arguments"
        raise BadToolCall(f"{call.name}: {field}: {first['msg']}.") from error


def specs() -> tuple[ToolSpec, ...]:
    return tuple(tool.spec() for tool in TOOLS.values())
