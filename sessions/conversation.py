"""The conversation of one context, rebuilt from its events.

Tool results follow the turn that called for them at once, as the Messages API demands. What is said while a tool
call is open (a proposal waits, an experiment runs) is answered in an aside, without tools; the exchange is then
part of the tool's result under ``meanwhile``, so that the agent acts on it next. Words that no reply has heard (they
came after its request was made, or got no aside) are delivered at the next boundary.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import JsonValue

from sessions import events as ev
from sessions.models.base import AssistantTurn, Message, ToolResult, UserText

BUDGET = "The budget of experiments was changed: "
"""How a changed budget is told to the agent."""

PENDING: dict[str, JsonValue] = {"decision": "pending"}
"""The provisional result that stands for an open tool call in the request of an aside."""


@dataclass(slots=True)
class _Builder:
    """``waiting``: what was said and no reply has heard yet, with its place in the journal."""

    messages: list[Message]
    open_calls: list[str] = field(default_factory=list)
    waiting: list[tuple[int, UserText]] = field(default_factory=list)
    meanwhile: list[JsonValue] = field(default_factory=list)
    started: set[str] = field(default_factory=set)

    def feed(self, event: ev.Event) -> None:
        match event.data:
            case ev.EngineerSaid(text=text):
                self.waiting.append((event.seq, UserText("engineer", text)))
            case ev.SupervisorSpoke(text=text):
                self.waiting.append((event.seq, UserText("supervisor", text)))
            case ev.BudgetChanged(max_experiments=limit):
                left = "no limit" if limit is None else f"{max(limit - len(self.started), 0)} left"
                self.waiting.append((event.seq, UserText("task", f"{BUDGET}{left}.")))
            case ev.ExperimentStarted(experiment=name):
                self.started.add(name)
            case ev.AgentReplied() as reply if event.actor == "researcher":
                self._replied(reply, event.seq if reply.seen is None else reply.seen)
            case ev.ToolReturned() as result:
                self._returned(result)
            case _:
                pass

    def words(self) -> list[str]:
        """What the engineer said and nobody has answered."""
        return [message.text for _, message in self.waiting if message.author == "engineer"]

    def deliver(self, upto: int | None = None) -> None:
        """Passes on what was said, up to an event, at a boundary: never between a tool call and its result."""
        if self.open_calls:
            return
        heard = [(seq, message) for seq, message in self.waiting if upto is None or seq <= upto]
        self.messages += [message for _, message in heard]
        self.waiting = self.waiting[len(heard) :]

    def _replied(self, reply: ev.AgentReplied, seen: int) -> None:
        if reply.aside:
            heard = [(seq, m) for seq, m in self.waiting if m.author == "engineer" and seq <= seen]
            self.meanwhile.append({"engineer": "\n".join(m.text for _, m in heard), "you": reply.text})
            self.waiting = [said for said in self.waiting if said not in heard]
            return
        self.deliver(seen)
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


def _built(task: str, events: Iterable[ev.Event]) -> _Builder:
    builder = _Builder([UserText("task", task)])
    for event in events:
        builder.feed(event)
    return builder


def conversation(task: str, events: Iterable[ev.Event]) -> tuple[Message, ...]:
    """The Researcher's messages so far; the first is the ``task``."""
    builder = _built(task, events)
    builder.deliver()
    return tuple(builder.messages)


def aside(task: str, events: Iterable[ev.Event]) -> tuple[Message, ...]:
    """The conversation with a provisional result for each open tool call and the engineer's unanswered words."""
    builder = _built(task, events)
    pending: list[Message] = [
        ToolResult(call, {**PENDING, "meanwhile": list(builder.meanwhile)}) for call in builder.open_calls
    ]
    words: list[Message] = [UserText("engineer", "\n".join(builder.words()))] if builder.words() else []
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
    """True if the engineer said something that no aside has answered while a tool call is open."""
    builder = _built("", events)
    return bool(builder.open_calls and builder.words())
