"""An oracle is measured, never designed with: a study refuses it wherever a design is named."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pydantic import JsonValue

from sessions import events as ev
from sessions.models.base import ModelRequest, Reply, TextPiece, ToolResult
from sessions.store import StudyOptions, Workspace

ORACLE = "srpt-oracle"
PREDICTION: dict[str, JsonValue] = {
    "metric": "e2e_s.mean",
    "kind": "relative",
    "low": -50.0,
    "high": 0.0,
    "refuted_if": "it gets slower",
}


class Cheat:
    """A researcher that tries to study with the oracle, then gives up."""

    name, label, steering_help = "cheat", "a scripted cheat", ""

    async def stream(self, request: ModelRequest) -> AsyncIterator[TextPiece | Reply]:
        if any(isinstance(message, ToolResult) for message in request.messages):
            yield Reply("I give up.", (), "end_turn")
            return
        calls = [
            experiment("as-design", ORACLE, "llq"),
            experiment("as-baseline", "llq", ORACLE),
            ev.ToolCall(id="read", name="read_source", arguments={"name": ORACLE}),
            ev.ToolCall(
                id="as-name",
                name="write_design",
                arguments={"name": ORACLE, "source": "def pick(r, c): return c.replicas[0]", "card": "x"},
            ),
            ev.ToolCall(id="describe", name="describe_scenario", arguments={}),
        ]
        yield Reply("I look ahead.", tuple(calls), "tool_use")


def experiment(call_id: str, design: str, baseline: str) -> ev.ToolCall:
    arguments: dict[str, JsonValue] = {
        "title": "t",
        "hypothesis": "h",
        "mechanism": "m",
        "design": design,
        "baseline": baseline,
        "prediction": PREDICTION,
    }
    return ev.ToolCall(id=call_id, name="propose_experiment", arguments=arguments)


async def test_a_study_refuses_an_oracle_as_design_as_baseline_and_as_a_name(workspace: Workspace) -> None:
    session = workspace.begin(StudyOptions("smoke", interactive=False), Cheat())
    await session.run()
    state = session.state
    await session.close()
    returned = {e.data.call_id: e.data for e in state.events if isinstance(e.data, ev.ToolReturned)}
    for call in ("as-design", "as-baseline", "read"):
        assert returned[call].is_error
        assert "srpt-oracle is an oracle" in str(returned[call].content["error"])
        assert "glia simulate smoke --router srpt-oracle" in str(returned[call].content["error"])
    assert "is a shipped policy" in str(returned["as-name"].content["error"])
    shipped = returned["describe"].content["shipped"]
    assert isinstance(shipped, list)
    assert "expert" in shipped
    assert ORACLE not in shipped
    assert not state.experiments
    assert not state.designs
