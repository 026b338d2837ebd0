"""The offline researcher's next reply: a pure function of the conversation.

One pass: answer what was said, analyse what came back, then make the next move (look, propose, accept or hand
over to the engineer).
"""

from __future__ import annotations

from sessions.events import ToolCall
from sessions.models.base import Message, Reply, ToolResult, UserText
from sessions.models.offline import ideas, mechanisms, steering, words
from sessions.models.offline.knowledge import ACTS, JsonDict, Knowledge, Trial, as_dict, read
from sessions.models.offline.objective import incumbent


def reply(messages: tuple[Message, ...]) -> Reply:
    """The next turn, with its tool calls."""
    known = read(messages)
    said = _answers(known)
    analysed, calls = _follow_up(known)
    said += analysed
    if not calls and not _hands_over(known):
        text, calls = _next_move(known)
        said.append(text)
    if not calls and not any(said):
        said.append(words.closing(known))
    text = "\n\n".join(part for part in said if part)
    return Reply(text, tuple(calls), "tool_use" if calls else "end_turn")


def aside(messages: tuple[Message, ...]) -> Reply:
    """An answer while a proposal waits or an experiment runs: words only."""
    known = read(messages)
    text = "\n\n".join(part for part in _answers(known) if part)
    later = [d for m in known.unanswered for d in steering.parse(m.text).directives if d.action != "explain"]
    if later:
        text += "\n\nThis takes effect as soon as what is open now, a proposal or a running experiment, is done."
    return Reply(text.strip() or words.status(known), (), "end_turn")


def _answers(known: Knowledge) -> list[str]:
    """Answers to what the engineer and the Supervisor said since the last turn."""
    said = []
    for message in known.unanswered:
        if message.author == "engineer":
            said.append(words.answer_directives(steering.parse(message.text), known))
        elif message.author == "supervisor":
            said.append(_to_supervisor(known, message))
    return said


def _to_supervisor(known: Knowledge, message: UserText) -> str:
    """What is done about the Supervisor's question, or why it can't be done."""
    text = message.text.lower()
    spent = known.experiments_left == 0
    if "without each" in text:
        if known.sent_back:
            return "A fair question: before it is accepted I take its mechanisms out one at a time."
        if spent:
            return "No budget is left to take the mechanisms out one at a time, so their shares aren't shown."
        return "The mechanisms' shares can still be measured: say *ablate*."
    if "long prompt" in text:
        if spent:
            return "No budget is left to look at the tail; the card says what it costs."
        return "I look at what bounds the wait of long prompts."
    return ""


def _follow_up(known: Knowledge) -> tuple[list[str], list[ToolCall]]:
    """What the newest tool results say, and what has to be looked at before going on."""
    said: list[str] = []
    calls: list[ToolCall] = []
    for call, result in known.last_results:
        match call.name:
            case "propose_experiment" if not result.is_error:
                trial = next(t for t in known.trials if t.call.id == call.id)
                said.append(words.analysis(known, trial))
                if trial.ok:
                    calls += _look_closer(known, trial)
            case "query_telemetry" if not result.is_error:
                said.append(words.diagnosis(result.content))
            case "propose_acceptance":
                said.append(_accepted(known, call, result))
            case _ if result.is_error:
                said.append(f"{call.name} was refused: {result.content.get('error', '')}")
            case _:
                pass
    return said, calls


def _look_closer(known: Knowledge, trial: Trial) -> list[ToolCall]:
    first = trial.experiment
    return [
        _call(known, 1, "record_insight", {"text": words.insight(known, trial), "experiments": [first]}),
        _call(known, 2, "query_telemetry", {"experiment": first}),
    ]


def _accepted(known: Knowledge, call: ToolCall, result: ToolResult) -> str:
    content = result.content
    design = str(call.arguments.get("design"))
    if result.is_error:
        return f"{design} can't be accepted: {content.get('error', '')}"
    if content.get("commit"):
        held = as_dict(content.get("held_out"))
        return (
            f"{design} is accepted as commit {str(content['commit'])[:7]}. On seeds nobody had seen: "
            f"{held.get('candidate')} against {held.get('baseline')}: {held.get('verdict')}."
        )
    if content.get("decision") == "revise":
        return ""  # the Supervisor's question is answered by the next experiment
    if content.get("decision") in ("reject", "redirect"):
        reply_to = words.answer_directives(steering.parse(str(content.get("words", ""))), known)
        return f"{design} isn't accepted. {reply_to}".strip()
    return f"{design} isn't accepted: {content.get('message', '')}"


def _hands_over(known: Knowledge) -> bool:
    """True if the engineer has the next word: a question was only to be answered, or work was interrupted."""
    if any(t.result.get("outcome") == "cancelled" for t in known.trials if _is_last(known, t)):
        return True
    directives = [d for m in known.unanswered if m.author == "engineer" for d in steering.parse(m.text).directives]
    only_words = bool(known.unanswered) and not known.last_results
    acts = any(d.action in ACTS for d in directives)
    stopped = any(d.action == "stop" for d in directives)
    from_engineer = all(m.author == "engineer" for m in known.unanswered)
    return stopped or (only_words and from_engineer and not acts)


def _is_last(known: Knowledge, trial: Trial) -> bool:
    return any(call.id == trial.call.id for call, _ in known.last_results)


def _next_move(known: Knowledge) -> tuple[str, list[ToolCall]]:
    if not known.card:
        return words.greeting(known), [
            _call(known, 1, "describe_scenario", {}),
        ]
    chosen = _asked_acceptance(known)
    if chosen is not None:
        return _acceptance(known, chosen)
    left = known.experiments_left
    may_experiment = (left is None or left > 0) and not known.concluding
    idea = ideas.next_idea(known) if may_experiment else None
    if idea is not None:
        return _experiment(known, idea)
    if known.baseline_trial is None:
        return f"Without a measurement of {known.baseline_name} nothing can be compared. Say *continue* for it.", []
    best = incumbent(known)
    if best.idea != "baseline" and not _tried_to_accept(known, best.design):
        return _acceptance(known, best)
    return words.closing(known), []


def _asked_acceptance(known: Knowledge) -> Trial | None:
    """The design the engineer asked to accept and that hasn't been proposed since."""
    if known.asked_to_accept is None or known.baseline_trial is None:
        return None
    wanted = known.asked_to_accept.what
    if not wanted:
        best = incumbent(known)
        return best if best.idea != "baseline" else None
    return next((t for t in reversed(known.finished) if t.design == wanted and t.idea != "baseline"), None)


def _tried_to_accept(known: Knowledge, design: str) -> bool:
    return any(
        call.arguments.get("design") == design and content.get("decision") != "revise"
        for call, content in known.acceptances
    )


def _acceptance(known: Knowledge, trial: Trial) -> tuple[str, list[ToolCall]]:
    why = words.reason(known, trial)
    arguments: JsonDict = {"design": trial.design, "experiment": trial.experiment, "reason": why}
    return f"I propose to accept {trial.design}. {why}", [_call(known, 1, "propose_acceptance", arguments)]


def _experiment(known: Knowledge, idea: ideas.Idea) -> tuple[str, list[ToolCall]]:
    calls: list[ToolCall] = []
    design = known.baseline_name
    if idea.spec is not None:
        design = words.design_name(idea.spec)
        parent = idea.against
        calls.append(
            _call(
                known,
                1,
                "write_design",
                {
                    "name": design,
                    "source": mechanisms.compose(design, idea.spec, parent),
                    "card": words.card(idea, idea.spec),
                    "parent": parent,
                    "settings": idea.spec.to_json(),
                },
                idea.key,
            )
        )
    arguments: JsonDict = {
        "title": idea.title,
        "hypothesis": idea.hypothesis,
        "mechanism": idea.mechanism,
        "design": design,
        "baseline": idea.against,
        "prediction": idea.prediction.model_dump(mode="json"),
    }
    calls.append(_call(known, 2, "propose_experiment", arguments, idea.key))
    return words.propose(idea), calls


def _call(known: Knowledge, number: int, name: str, arguments: JsonDict, label: str = "") -> ToolCall:
    return ToolCall(id=f"call-{known.turns + 1}.{number}:{label}", name=name, arguments=arguments)
