"""The conversation protocol that every model back end answers.

A request is a conversation plus tools; the answer is a stream of text pieces that ends in exactly one
:class:`Reply`. The shapes follow the Messages API (a user or assistant turn, tool calls, tool results), so that
a language model, the built-in offline researcher and a recorded replay are interchangeable: agents, gate, UI and
tests never ask which one it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pydantic import JsonValue

from sessions.events import ToolCall, Usage

Role = Literal["researcher", "supervisor"]


@dataclass(frozen=True, slots=True)
class UserText:
    """Words to the agent. ``author``: who says it; ``task`` is the study's opening statement."""

    author: Literal["task", "engineer", "supervisor"]
    text: str


@dataclass(frozen=True, slots=True)
class AssistantTurn:
    """A reply of the agent. Tool calls of a reply that broke off are left out: they are never acted upon."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolResult:
    call_id: str
    content: dict[str, JsonValue]
    is_error: bool = False


Message = UserText | AssistantTurn | ToolResult


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model is told about it. ``schema``: JSON Schema of its arguments."""

    name: str
    description: str
    schema: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """``messages`` never ends in an assistant turn without tool calls: there is something to answer."""

    role: Role
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Text that streams; the whole text comes again in the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of a stream. Tools run only if ``stop_reason`` is ``tool_use``."""

    text: str
    tool_calls: tuple[ToolCall, ...]
    stop_reason: Literal["end_turn", "tool_use"]
    usage: Usage = field(default_factory=Usage)


class BackendError(Exception):
    """The back end can't answer; one sentence with what to do. ``final``: trying again can't help."""

    def __init__(self, sentence: str, *, final: bool = True) -> None:
        super().__init__(sentence)
        self.final = final


class ModelBackend(Protocol):
    """A source of replies. Stateless: all it knows stands in the request, so resuming needs nothing else."""

    @property
    def name(self) -> str:
        """As on the command line: ``offline``."""
        ...

    @property
    def label(self) -> str:
        """As shown to the engineer, in plain words."""
        ...

    @property
    def steering_help(self) -> str:
        """What the engineer can say to it."""
        ...

    def stream(self, request: ModelRequest) -> AsyncIterator[TextPiece | Reply]:
        """Answers. Raises :class:`BackendError`. Cancelling the iteration stops the reply."""
        ...
