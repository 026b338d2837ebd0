"""The conversation follows the Messages API's order whatever order things happened in."""

from __future__ import annotations

from sessions import events as ev
from sessions.conversation import aside, awaits_reply, conversation, open_tool_calls, unanswered_words
from sessions.models.base import AssistantTurn, ToolResult, UserText

CALL = ev.ToolCall(id="call-1", name="propose_experiment", arguments={})


def events(*items: tuple[ev.Actor, ev.Payload]) -> list[ev.Event]:
    return [
        ev.Event(v=1, seq=seq, time="", actor=actor, context="main", data=data, prev="", hash="")
        for seq, (actor, data) in enumerate(items)
    ]


def replied(text: str, *calls: ev.ToolCall, is_aside: bool = False) -> tuple[ev.Actor, ev.Payload]:
    reason = "tool_use" if calls else "end_turn"
    return "researcher", ev.AgentReplied(text=text, tool_calls=list(calls), stop_reason=reason, aside=is_aside)


def said(text: str) -> tuple[ev.Actor, ev.Payload]:
    return "engineer", ev.EngineerSaid(text=text)


def returned(call: str = "call-1") -> tuple[ev.Actor, ev.Payload]:
    return "system", ev.ToolReturned(call_id=call, content={"decision": "approve"})


def test_it_begins_with_the_task_and_awaits_a_reply() -> None:
    messages = conversation("design it", [])
    assert messages == (UserText("task", "design it"),)
    assert awaits_reply(messages)


def test_a_turn_without_tool_calls_awaits_nothing() -> None:
    assert not awaits_reply(conversation("t", events(replied("done"))))


def test_words_said_during_an_open_call_come_after_its_result() -> None:
    messages = conversation("t", events(replied("I propose", CALL), said("wait"), returned()))
    assert [type(m) for m in messages[1:]] == [AssistantTurn, ToolResult, UserText]
    assert messages[-1] == UserText("engineer", "wait")


def test_the_supervisors_words_before_an_acceptance_come_after_the_result_too() -> None:
    spoke: tuple[ev.Actor, ev.Payload] = (
        "supervisor",
        ev.SupervisorSpoke(text="why?", verdict="revise", trigger="acceptance"),
    )
    messages = conversation("t", events(replied("accept", CALL), spoke, returned()))
    assert [type(m) for m in messages[1:]] == [AssistantTurn, ToolResult, UserText]


def test_an_exchange_in_an_aside_becomes_part_of_the_result() -> None:
    log = events(replied("I propose", CALL), said("why?"), replied("because", is_aside=True), returned())
    messages = conversation("t", log)
    assert [type(m) for m in messages[1:]] == [AssistantTurn, ToolResult]
    result = messages[-1]
    assert isinstance(result, ToolResult)
    assert result.content["meanwhile"] == [{"engineer": "why?", "you": "because"}]


def test_an_asides_request_has_a_provisional_result_and_the_words_last() -> None:
    log = events(replied("I propose", CALL), said("why?"), said("and how?"))
    messages = aside("t", log)
    assert isinstance(messages[-2], ToolResult)
    assert messages[-2].content["decision"] == "pending"
    assert messages[-1] == UserText("engineer", "why?\nand how?")
    assert unanswered_words(log)
    answered = (replied("I propose", CALL), said("why?"), said("and how?"), replied("because", is_aside=True))
    assert not unanswered_words(events(*answered))


def test_words_said_while_a_reply_streams_are_heard_after_it() -> None:
    late = ev.AgentReplied(text="first", stop_reason="end_turn", seen=0)
    log = events(said("one"), said("two"), ("researcher", late))
    messages = conversation("t", log)
    assert messages[1:] == (UserText("engineer", "one"), AssistantTurn("first"), UserText("engineer", "two"))
    assert awaits_reply(messages)


def test_words_said_while_an_aside_streams_are_not_taken_as_answered() -> None:
    aside_of_first = ev.AgentReplied(text="because", stop_reason="end_turn", seen=1, aside=True)
    log = events(replied("I propose", CALL), said("why?"), said("please dance"), ("researcher", aside_of_first))
    assert unanswered_words(log)
    assert aside("t", log)[-1] == UserText("engineer", "please dance")


def test_a_changed_budget_is_told() -> None:
    changed: tuple[ev.Actor, ev.Payload] = ("engineer", ev.BudgetChanged(max_experiments=3, max_minutes=None))
    messages = conversation("t", events(replied("done"), changed))
    assert messages[-1] == UserText("task", "The budget of experiments was changed: 3 left.")
    assert awaits_reply(messages)


def test_tool_calls_of_a_reply_that_broke_off_are_never_acted_upon() -> None:
    broken = ev.AgentReplied(text="I pro", tool_calls=[CALL], stop_reason="interrupted")
    log = events(("researcher", broken))
    assert open_tool_calls(log) == []
    assert conversation("t", log)[-1] == AssistantTurn("I pro", ())


def test_open_calls_are_those_without_a_result_in_order() -> None:
    second = CALL.model_copy(update={"id": "call-2"})
    log = events(replied("two", CALL, second), returned("call-1"))
    assert [call.id for call in open_tool_calls(log)] == ["call-2"]
