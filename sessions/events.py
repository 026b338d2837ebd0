"""Everything that happens in a study, as typed and versioned events.

Events are the only truth: a session's state is a pure fold over them (:mod:`sessions.state`), so resuming,
replaying, exporting and testing are the same fold. Each event is one line of the journal, in an envelope that
carries its place, time, actor and hash chain (:mod:`sessions.journal`).

Changing the meaning of a field needs a new ``SCHEMA_VERSION`` and a migration; adding a field needs a default.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

SCHEMA_VERSION = 1

Actor = Literal["engineer", "researcher", "supervisor", "system"]
Verb = Literal["approve", "approve_kind", "edit", "redirect", "reject"]
EffectKind = Literal["experiment", "acceptance"]
GateMode = Literal["supervised", "trusted", "autonomous"]
Outcome = Literal[
    "ok", "syntax", "interface", "exception", "timeout", "memory", "illegal", "escape", "nondeterministic"
]
Verdict = Literal["better", "worse", "no difference shown"]


class Value(BaseModel):
    """A frozen value; unknown fields are an error, so that a foreign journal is named and not half read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolCall(Value):
    """A tool call as the model made it; ``arguments`` are validated before anything acts on them."""

    id: str
    name: str
    arguments: dict[str, JsonValue]


class Usage(Value):
    """Tokens and dollars of one model call; zero for the offline researcher."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


class Prediction(Value):
    """What the hypothesis says will be measured.

    ``relative``: change of ``metric`` against the baseline in percent (``low <= change <= high``; -40 means 40%
    lower). ``absolute``: the candidate's own value lies between ``low`` and ``high``, in the metric's unit.
    """

    metric: str
    kind: Literal["relative", "absolute"]
    low: Annotated[float, Field(allow_inf_nan=False)]
    high: Annotated[float, Field(allow_inf_nan=False)]
    refuted_if: str


class Comparison(Value):
    """Candidate against baseline, paired by seed; ``ci95`` is the 95% interval of the mean difference."""

    metric: str
    unit: str
    baseline: float
    candidate: float
    difference: float
    ci95: tuple[float, float]
    relative: float
    seeds: int
    verdict: Verdict
    method: str


class Arm(Value):
    """One arm of an experiment: a design measured on several seeds.

    ``metrics``: pooled figures with the keys of ``glia simulate --json``. ``per_seed``: one object per seed with
    ``seed``, ``workload_sha256``, ``decisions_sha256`` and the same figures.
    """

    design: str
    digest: str
    metrics: dict[str, JsonValue]
    per_seed: list[dict[str, JsonValue]]


class ForkPoint(Value):
    """Where a session was copied from: the other ``session``, the ``seq`` of the last event taken over and that
    event's ``hash`` in the other journal."""

    session: str
    seq: int
    hash: str


class SessionStarted(Value):
    """``forked_from``: set where the events up to that point were copied from another session. ``seeded``: whether
    ``seed`` was asked for; only then do the held-out seeds follow from it (:func:`sessions.forking.held_out_root`)."""

    type: Literal["session_started"] = "session_started"
    session: str
    product: str
    simulator: str
    playground: str
    scenario: str
    scenario_digest: str
    slot: str
    baseline: str
    metric: str
    backend: str
    gate: GateMode
    seed: int
    seeds_per_experiment: int
    max_experiments: int | None
    max_minutes: float | None
    isolation: str
    forked_from: ForkPoint | None = None
    seeded: bool = True


class SessionResumed(Value):
    """The session was opened again; ``torn_bytes``: bytes of an unfinished last line that were cut off."""

    type: Literal["session_resumed"] = "session_resumed"
    torn_bytes: int = 0


class EngineerSaid(Value):
    type: Literal["engineer_said"] = "engineer_said"
    text: str


class AgentReplied(Value):
    """One whole reply of an agent. A reply that broke off is recorded with ``stop_reason`` other than
    ``end_turn`` or ``tool_use``, and its tool calls are never acted upon. ``aside``: an answer given to the
    engineer while a tool call of the same agent was still open (a proposal waiting, an experiment running).
    ``seen``: the last event the request contained; what was said after it hasn't been heard yet."""

    type: Literal["agent_replied"] = "agent_replied"
    text: str
    tool_calls: list[ToolCall] = []
    stop_reason: Literal["end_turn", "tool_use", "interrupted", "error"]
    usage: Usage = Usage()
    aside: bool = False
    seen: int | None = None


class ToolReturned(Value):
    type: Literal["tool_returned"] = "tool_returned"
    call_id: str
    content: dict[str, JsonValue]
    is_error: bool = False


class SupervisorSpoke(Value):
    type: Literal["supervisor_spoke"] = "supervisor_spoke"
    text: str
    verdict: Literal["continue", "revise", "finish"]
    trigger: Literal["cadence", "stall", "acceptance"]


class DesignWritten(Value):
    """A design's source, complete. ``parent``: the design it was made from, or empty. ``settings``: its
    mechanisms and their constants, as its author states them (empty for an edited source)."""

    type: Literal["design_written"] = "design_written"
    design: str
    slot: str
    source: str
    card: str
    parent: str
    digest: str
    settings: dict[str, JsonValue] = {}


class ExperimentProposed(Value):
    """``kind`` of work: candidate and baseline on the same ``seeds`` of ``scenario``. When ``design`` is the
    baseline itself, the experiment is a measurement of the baseline alone. ``estimate_s``: expected wall time,
    ``None`` before anything like it was measured."""

    type: Literal["experiment_proposed"] = "experiment_proposed"
    experiment: str
    call_id: str
    title: str
    hypothesis: str
    mechanism: str
    design: str
    baseline: str
    scenario: str
    prediction: Prediction
    seeds: list[int]
    estimate_s: float | None


class ApprovalAsked(Value):
    type: Literal["approval_asked"] = "approval_asked"
    approval: str
    kind: EffectKind
    subject: str


class ApprovalAnswered(Value):
    """``rule``: the gate rule that answered in the engineer's place, or empty. ``words``: the redirect or the
    reason. ``design``: with ``edit``, the name of the edited design (its ``DesignWritten`` comes before)."""

    type: Literal["approval_answered"] = "approval_answered"
    approval: str
    verb: Verb
    words: str = ""
    design: str = ""
    rule: str = ""


class GateChanged(Value):
    """``auto``: kinds of effect that are approved without asking, besides what ``mode`` says."""

    type: Literal["gate_changed"] = "gate_changed"
    mode: GateMode
    auto: list[EffectKind] = []


class ExperimentStarted(Value):
    type: Literal["experiment_started"] = "experiment_started"
    experiment: str


class ExperimentFinished(Value):
    """``telemetry``: sidecar digests by arm (``candidate``, ``baseline``) of the run of ``telemetry_seed``."""

    type: Literal["experiment_finished"] = "experiment_finished"
    experiment: str
    outcome: Outcome
    message: str = ""
    candidate: Arm | None = None
    baseline: Arm | None = None
    comparison: Comparison | None = None
    prediction: Literal["confirmed", "refuted", "undecided"] = "undecided"
    telemetry: dict[str, str] = {}
    telemetry_seed: int | None = None
    wall_s: float = 0.0


class ExperimentCancelled(Value):
    type: Literal["experiment_cancelled"] = "experiment_cancelled"
    experiment: str
    reason: str


class InsightRecorded(Value):
    type: Literal["insight_recorded"] = "insight_recorded"
    text: str
    experiments: list[str]


class AcceptanceProposed(Value):
    type: Literal["acceptance_proposed"] = "acceptance_proposed"
    acceptance: str
    call_id: str
    design: str
    experiment: str
    reason: str


class AcceptanceReturned(Value):
    """The Supervisor's question sent the proposal back before anyone was asked to approve it."""

    type: Literal["acceptance_returned"] = "acceptance_returned"
    acceptance: str
    reason: str


class HeldOutStarted(Value):
    """``scenario``: where it is measured; another one than the study's where that is a fixed trace."""

    type: Literal["held_out_started"] = "held_out_started"
    acceptance: str
    scenario: str
    seeds: list[int]


class HeldOutFinished(Value):
    type: Literal["held_out_finished"] = "held_out_finished"
    acceptance: str
    outcome: Outcome
    message: str = ""
    candidate: Arm | None = None
    baseline: Arm | None = None
    comparison: Comparison | None = None
    passed: bool = False


class CommitIntended(Value):
    """Written and synced before any ref moves, so that a commit is never made twice."""

    type: Literal["commit_intended"] = "commit_intended"
    acceptance: str
    commit: str
    parent: str
    branch: str
    tag: str
    tag_object: str


class DesignAccepted(Value):
    type: Literal["design_accepted"] = "design_accepted"
    acceptance: str
    design: str
    commit: str
    tag: str


class Notice(Value):
    """A plain sentence of the system: something was survived, refused or changed."""

    type: Literal["notice"] = "notice"
    level: Literal["info", "warning", "error"]
    text: str


class BudgetReached(Value):
    type: Literal["budget_reached"] = "budget_reached"
    budget: Literal["experiments", "minutes", "dollars"]
    text: str


class BudgetChanged(Value):
    type: Literal["budget_changed"] = "budget_changed"
    max_experiments: int | None
    max_minutes: float | None


class SessionStopped(Value):
    type: Literal["session_stopped"] = "session_stopped"
    reason: Literal["finished", "budget", "engineer", "error"]
    text: str = ""


Payload = Annotated[
    SessionStarted
    | SessionResumed
    | EngineerSaid
    | AgentReplied
    | ToolReturned
    | SupervisorSpoke
    | DesignWritten
    | ExperimentProposed
    | ApprovalAsked
    | ApprovalAnswered
    | GateChanged
    | ExperimentStarted
    | ExperimentFinished
    | ExperimentCancelled
    | InsightRecorded
    | AcceptanceProposed
    | AcceptanceReturned
    | HeldOutStarted
    | HeldOutFinished
    | CommitIntended
    | DesignAccepted
    | Notice
    | BudgetReached
    | BudgetChanged
    | SessionStopped,
    Field(discriminator="type"),
]

PAYLOAD: TypeAdapter[Payload] = TypeAdapter(Payload)


class Event(Value):
    """The envelope: one line of the journal.

    ``v``: schema version. ``seq``: place in the journal, from 0. ``time``: UTC, ISO 8601. ``context``: which
    conversation it belongs to. ``prev`` and ``hash``: the chain (hex SHA-256); see :mod:`sessions.journal`.
    """

    v: int
    seq: int
    time: str
    actor: Actor
    context: str
    data: Payload
    prev: str
    hash: str


class TextDelta(Value):
    """Live only, never journalled: a piece of a reply that is still streaming."""

    type: Literal["text_delta"] = "text_delta"
    actor: Actor
    text: str


class Progress(Value):
    """Live only, never journalled: how far a running experiment or held-out evaluation is.

    ``subject``: the experiment's or acceptance's id. ``remaining_s`` is ``None`` while unknown.
    """

    type: Literal["progress"] = "progress"
    subject: str
    done: int
    total: int
    remaining_s: float | None


Live = TextDelta | Progress
