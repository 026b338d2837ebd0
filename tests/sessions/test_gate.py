"""Nothing with an effect gets past the gate, and silence is never an approval."""

from __future__ import annotations

import asyncio
import inspect
from itertools import count
from typing import get_args

import pytest

from sessions import effects
from sessions import events as ev
from sessions.agents.tools import TOOLS
from sessions.gate import PRESETS, ApprovalNeeded, Gate, rule_for
from sessions.state import StudyState, apply


class Record:
    """A state and a gate over a list of events."""

    def __init__(self, mode: ev.GateMode = "supervised", *, attended: bool = True) -> None:
        self.state = StudyState(gate=mode)
        self.seq = count()
        self.gate = Gate(self.state, self.record, attended=attended)
        prediction = ev.Prediction(metric="e2e_s.mean", kind="relative", low=-1, high=0, refuted_if="not")
        self.record(
            "researcher",
            ev.ExperimentProposed(
                experiment="exp-1",
                call_id="c",
                title="t",
                hypothesis="h",
                mechanism="m",
                design="d",
                baseline="llq",
                scenario="smoke",
                prediction=prediction,
                seeds=[1],
                estimate_s=None,
            ),
        )

    def record(self, actor: ev.Actor, data: ev.Payload) -> None:
        event = ev.Event(v=1, seq=next(self.seq), time="", actor=actor, context="main", data=data, prev="", hash="")
        apply(self.state, event)

    def answer(self, verb: ev.Verb) -> None:
        self.record("engineer", ev.ApprovalAnswered(approval="ask-1", verb=verb))
        self.gate.poke()


async def asked(record: Record) -> asyncio.Task[ev.ApprovalAnswered]:
    task = asyncio.create_task(record.gate.pass_through("experiment", "exp-1"))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("verb", get_args(ev.Verb))
async def test_the_engineers_verb_comes_through(verb: ev.Verb) -> None:
    record = Record()
    task = await asked(record)
    assert not task.done()
    record.answer(verb)
    assert (await task).verb == verb


async def test_silence_is_never_an_approval() -> None:
    record = Record()
    task = await asked(record)
    for _ in range(100):
        record.gate.poke()
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert record.state.pending is not None


async def test_an_answer_in_the_journal_is_used_and_not_asked_for_again() -> None:
    record = Record()
    task = await asked(record)
    record.answer("approve")
    first = await task
    assert await record.gate.pass_through("experiment", "exp-1") == first
    assert len(record.state.approvals) == 1


async def test_changing_the_mode_answers_a_waiting_approval_and_names_the_rule() -> None:
    record = Record()
    task = await asked(record)
    record.record("engineer", ev.GateChanged(mode="trusted"))
    record.gate.poke()
    assert (await task).rule == "gate: trusted"


async def test_where_nobody_can_be_asked_it_stops_instead_of_approving() -> None:
    record = Record(attended=False)
    with pytest.raises(ApprovalNeeded, match="exp-1 waits"):
        await record.gate.pass_through("experiment", "exp-1")
    assert record.state.pending is not None


def test_the_presets_ask_what_they_say() -> None:
    assert {mode: [k for k, r in rules.items() if r == "ask"] for mode, rules in PRESETS.items()} == {
        "supervised": ["experiment", "acceptance"],
        "trusted": ["acceptance"],
        "autonomous": [],
    }


def test_approving_a_kind_from_now_on_holds_for_that_kind_only() -> None:
    state = StudyState(auto=["experiment"])
    assert rule_for(state, "experiment")[0] == "auto"
    assert rule_for(state, "acceptance")[0] == "ask"


def test_every_tool_with_an_effect_has_a_handler_that_passes_the_gate_before_anything_runs() -> None:
    with_effect = {tool.effect for tool in TOOLS.values() if tool.effect}
    assert with_effect == set(get_args(ev.EffectKind))
    for handler, effect_call in (
        (effects.Effects.experiment, "self._run("),
        (effects.Effects.accept, "self._hold_out("),
    ):
        source = inspect.getsource(handler)
        assert 0 < source.index("gate.pass_through(") < source.index(effect_call)
