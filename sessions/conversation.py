"""The conversation of one context, rebuilt from its events.

Tool results follow the turn that called for them at once, as the Messages API demands. What is said while a tool
call is open (a proposal waits, an experiment runs) is answered in an aside, without tools; the exchange is then
part of the tool's result under ``meanwhile``, so that the agent acts on it next. Words that got no aside are
delivered after the result.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import JsonValue

from sessions import events as ev
from sessions.models.base import AssistantTurn, Message, ToolResult, UserText

PENDING: dict[str, JsonValue] = {"decision": "pending"}
"""The provisional result that stands for an open tool call in the request of an aside."""


@dataclass(slots=True)
class _Builder:
    messages: list[Message]
    open_calls: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    reviewed: list[str] = field(default_factory=list)
    meanwhile: list[JsonValue] = field(default_factory=list)

    def feed(self, event: ev.Event) -> None:
        match event.data:
            case ev.EngineerSaid(text=text):
                self._said(text)
            case ev.SupervisorSpoke(text=text):
                self.reviewed.append(text)
                self._deliver()
            case ev.AgentReplied() as reply if event.actor == "researcher":
                self._replied(reply)
            case ev.ToolReturned() as result:
                self._returned(result)
            case _:
                pass

    def _said(self, text: str) -> None:
        self.said.append(text)
        self._deliver()

    def _deliver(self) -> None:
        """Passes on what was said, at a boundary: never between a tool call and its result."""
        if self.open_calls:
            return
        self.messages += [UserText("supervisor", text) for text in self.reviewed]
        self.messages += [UserText("engineer", text) for text in self.said]
        self.reviewed.clear()
        self.said.clear()

    def _replied(self, reply: ev.AgentReplied) -> None:
        if reply.aside:
            self.meanwhile.append({"engineer": "\n".join(self.said), "you": reply.text})
            self.said.clear()
            return
        calls = tuple(reply.tool_calls) if reply.stop_reason == "tool_use" else ()
        self.messages.append(AssistantTurn(reply.text, calls))
        self.open_calls = [call.id for call in calls]

    def _returned(self, result: ev.ToolReturned) -> None:
        content = dict(result.content)
        if result.call_id in self.open_calls:
            self.open_calls.remove(result.call_id)
        if not self.open_calls and self.meanwhile:
            content["meanwhile"] = list(self.meanwhile)
            self.meanwhile.clear()
        self.messages.append(ToolResult(result.call_id, content, result.is_error))
        self._deliver()


def conversation(task: str, events: Iterable[ev.Event]) -> tuple[Message, ...]:
    """The Researcher's messages so far; the first is the ``task``."""
    builder = _Builder([UserText("task", task)])
    for event in events:
        builder.feed(event)
    return tuple(builder.messages)


def aside(task: str, events: Iterable[ev.Event]) -> tuple[Message, ...]:
    """The conversation with a provisional result for each open tool call and the engineer's unanswered words."""
    builder = _Builder([UserText("task", task)])
    for event in events:
        builder.feed(event)
    pending: list[Message] = [
        ToolResult(call, {**PENDING, "meanwhile": list(builder.meanwhile)}) for call in builder.open_calls
    ]
    words: list[Message] = [UserText("engineer", "\n".join(builder.said))] if builder.said else []
    return tuple(builder.messages + pending + words)


def awaits_reply(messages: tuple[Message, ...]) -> bool:
    """True if the Researcher has something to answer."""
    return not isinstance(messages[-1], AssistantTurn)


def open_tool_calls(events: Iterable[ev.Event]) -> list[ev.ToolCall]:
    """The Researcher's tool calls that have no result yet, in order: what a resumed session goes on with."""
    calls: dict[str, ev.ToolCall] = {}
    for event in events:
        match event.data:
            case ev.AgentReplied(stop_reason="tool_use", aside=False) as reply if event.actor == "researcher":
                calls = {call.id: call for call in reply.tool_calls}
            case ev.ToolReturned(call_id=call_id):
                calls.pop(call_id, None)
            case _:
                pass
    return list(calls.values())


def unanswered_words(events: Iterable[ev.Event]) -> bool:
    """True if the engineer said something during an open tool call that no aside has answered yet."""
    builder = _Builder([])
    for event in events:
        builder.feed(event)
    return bool(builder.said)
