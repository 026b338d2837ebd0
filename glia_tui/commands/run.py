"""``glia run``: a headless study. Progress on stderr, the result on stdout."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from pydantic import JsonValue

from glia_tui.commands.output import CommandError, Exit, ProgressLine, narrate, print_json, print_table, terminal_safe
from sessions import events as ev
from sessions.errors import SessionError
from sessions.figures import FIGURES, figure, show
from sessions.gate import ApprovalNeeded
from sessions.models.base import ModelBackend
from sessions.models.offline.backend import OfflineBackend
from sessions.session import Session
from sessions.state import Experiment, StudyState
from sessions.store import StudyOptions, Workspace


def make_backend(name: str, *, pace_s: float = 0.0) -> ModelBackend:
    """The back end called ``name``."""
    if name == "offline":
        return OfflineBackend(pace_s)
    raise CommandError(
        f"The back end {name!r} isn't part of this version of Glia; use --backend offline.", Exit.BACKEND
    )


def run(workspace: Path, options: StudyOptions, backend: str, *, as_json: bool) -> Exit:
    """Runs a whole study and prints what came of it."""
    return drive(Workspace(workspace).begin(options, make_backend(backend)), as_json=as_json)


def drive(session: Session, *, as_json: bool) -> Exit:
    """Runs an opened session to its end, headless."""
    reason = ""
    try:
        asyncio.run(_drive(session))
    except ApprovalNeeded as needed:
        narrate(f"{needed} Answer it with: glia sessions resume {session.title.session}")
        reason = "approval"
    except KeyboardInterrupt:
        narrate(f"Interrupted; everything is saved. Go on with: glia sessions resume {session.title.session}")
        reason = "interrupted"
    state = session.state
    reason = reason or (state.stopped.reason if state.stopped else "interrupted")
    if as_json:
        print_json(result(state, reason))
    else:
        _print_result(state, reason)
    codes = {
        "approval": Exit.ANSWER_IS_NO,
        "interrupted": Exit.INTERRUPTED,
        "budget": Exit.BUDGET,
    }
    return codes.get(reason, Exit.DONE)


async def _drive(session: Session) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    narrator = asyncio.create_task(_narrate(session))
    await asyncio.sleep(0)
    try:
        await session.run()
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        await asyncio.sleep(0)
        narrator.cancel()
        await session.close()


async def _narrate(session: Session) -> None:
    line = ProgressLine()
    narrate(f"session {session.title.session} · {session.title.scenario} · {session.title.backend_label}")
    async for item in session.subscribe():
        if isinstance(item, ev.Progress):
            left = "" if item.remaining_s is None else f", about {item.remaining_s:.0f} s left"
            line.update(f"  {item.subject}: {item.done}/{item.total} runs{left}")
        elif isinstance(item, ev.Event):
            text = _told(item)
            if text:
                line.clear()
                narrate(terminal_safe(text))


def _told(event: ev.Event) -> str:
    match event.data:
        case ev.AgentReplied(text=text) | ev.SupervisorSpoke(text=text) if text:
            return f"[{event.actor}] {text}"
        case ev.ExperimentProposed() as p:
            return f"[proposal] {p.experiment}: {p.title} ({p.design} against {p.baseline}, {len(p.seeds)} seeds)"
        case ev.DesignAccepted() as a:
            return f"[accepted] {a.design} as {a.commit[:7]} ({a.tag})"
        case ev.Notice(text=text) | ev.BudgetReached(text=text):
            return f"[glia] {text}"
        case _:
            return ""


def result(state: StudyState, reason: str) -> dict[str, JsonValue]:
    """What ``glia run --json`` prints."""
    assert state.started is not None
    best = state.best
    return {
        "session": state.started.session,
        "scenario": state.started.scenario,
        "slot": state.started.slot,
        "backend": state.started.backend,
        "isolation": state.started.isolation,
        "simulator": state.started.simulator,
        "experiments": [_experiment(e) for e in state.experiments.values()],
        "accepted": [
            {
                "design": a.proposal.design,
                "commit": state.designs[a.proposal.design].commit,
                "slot": state.designs[a.proposal.design].slot,
                "metrics": _candidate_metrics(state.experiments[a.proposal.experiment]),
                "held_out": a.held_out.model_dump(mode="json") if a.held_out else None,
            }
            for a in state.acceptances.values()
            if a.status == "accepted"
        ],
        "baseline": _baseline(state),
        "best": None if best is None else {"design": best.design, "metrics": _candidate_metrics(best)},
        "usage": state.usage.model_dump(mode="json"),
        "stopped_because": reason,
    }


def _experiment(experiment: Experiment) -> dict[str, JsonValue]:
    outcome = experiment.result
    p = experiment.proposal
    return {
        "id": experiment.id,
        "title": p.title,
        "design": experiment.design,
        "baseline": p.baseline,
        "hypothesis": p.hypothesis,
        "prediction": {**p.prediction.model_dump(mode="json"), "outcome": outcome.prediction if outcome else None},
        "outcome": outcome.outcome if outcome else experiment.status,
        "message": outcome.message if outcome else "",
        "metrics": _candidate_metrics(experiment),
        "verdict": outcome.comparison.verdict if outcome and outcome.comparison else None,
        "comparison": outcome.comparison.model_dump(mode="json") if outcome and outcome.comparison else None,
        "wall_s": outcome.wall_s if outcome else None,
    }


def _candidate_metrics(experiment: Experiment) -> JsonValue:
    arm = experiment.result.candidate if experiment.result else None
    return None if arm is None else dict(arm.metrics)


def _baseline(state: StudyState) -> JsonValue:
    """The study's baseline as measured, from whichever experiment has it."""
    assert state.started is not None
    name = state.started.baseline
    for experiment in state.experiments.values():
        if experiment.result is not None:
            for arm in (experiment.result.candidate, experiment.result.baseline):
                if arm is not None and arm.design == name:
                    return {"design": name, "metrics": dict(arm.metrics)}
    return {"design": name, "metrics": None}


def _print_result(state: StudyState, reason: str) -> None:
    assert state.started is not None
    metric = state.started.metric
    rows = []
    for e in state.experiments.values():
        c = e.result.comparison if e.result else None
        arm = e.result.candidate if e.result else None
        rows.append(
            (
                e.id,
                e.design,
                "" if arm is None else show(metric, figure(arm.metrics, metric)),
                "" if c is None else f"{show(metric, c.ci95[0])} to {show(metric, c.ci95[1])}",
                (c.verdict + f" than {e.proposal.baseline}" if c and c.verdict != "no difference shown" else c.verdict)
                if c
                else (e.result.outcome if e.result else e.status),
                e.result.prediction if e.result else "",
            )
        )
    print_table(("experiment", "design", FIGURES[metric].title, "difference, 95%", "verdict", "prediction"), rows, (2,))
    for a in state.acceptances.values():
        if a.status == "accepted" and a.held_out and a.held_out.comparison:
            c = a.held_out.comparison
            sys.stdout.write(
                f"\naccepted {a.proposal.design} as {state.designs[a.proposal.design].commit[:7]}: "
                f"{show(metric, c.candidate)} against {show(metric, c.baseline)} on {c.seeds} held-out seeds "
                f"({c.relative:+.1%})\n"
            )
    sys.stdout.write(f"stopped: {reason}\n")


def describe_failure(error: SessionError) -> Exit:
    """The exit code of an error that ended a command."""
    return error.code if isinstance(error, CommandError) else Exit.USAGE
