"""The conversation as a list of entries: a projection of events, without any Textual in it.

:class:`Feed` takes events in order and says what to show: entries to add or, where one with that key is shown
already, to replace. It holds nothing that the events and the state can't rebuild; a resumed study is drawn by
feeding it the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from glia_tui import diffing, results, wording
from glia_tui.lines import BLANK, Line, Role, Row, Span, one_line, row, wrap_all
from glia_tui.proposals import SourceOf, design_change, experiment_rows, labelled
from glia_tui.prose import prose
from glia_tui.tellings import answer_words, call_row, call_rows, proposal_status, supervisor_rows, system_rows
from sessions import events as ev
from sessions.state import Acceptance, Experiment, StudyState

Speaker = Literal["you", "researcher", "supervisor", "glia"]
SPEAKER_ROLES: dict[Speaker, Role] = {
    "you": "you",
    "researcher": "researcher",
    "supervisor": "supervisor",
    "glia": "system",
}
_SPEAKERS: dict[ev.Actor, Speaker] = {
    "engineer": "you",
    "researcher": "researcher",
    "supervisor": "supervisor",
    "system": "glia",
}
_SHOWN_BY_THEIR_EFFECT = {"write_design", "propose_experiment", "record_insight", "propose_acceptance"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in the conversation. ``detail``: more lines for a width, shown when it is unfolded.

    ``labelled``: the speaker's name stands beside it and a blank line before it.
    """

    key: str
    speaker: Speaker
    rows: tuple[Row, ...]
    detail: Callable[[int], list[Line]] | None = None
    labelled: bool = True


@dataclass(frozen=True, slots=True)
class Gone:
    """The entry with this key is no longer shown."""

    key: str


Change = Entry | Gone


class Feed:
    """Turns events into entries. ``state`` must already be past an event when it is fed."""

    def __init__(self, state: StudyState, source_of: SourceOf, about: tuple[str, ...]) -> None:
        """``about``: sentences on what is in force (hardware, back end...), said when the study starts."""
        self._state = state
        self._source_of = source_of
        self._about = about
        self._live: dict[Speaker, str] = {}
        self._calls: dict[str, ev.ToolCall] = {}

    def delta(self, delta: ev.TextDelta) -> Entry:
        """A piece of a reply that is still streaming; its entry goes when the whole reply is recorded."""
        speaker = _SPEAKERS[delta.actor]
        text = self._live[speaker] = self._live.get(speaker, "") + delta.text
        *rows, last = prose(text) or [BLANK]
        cursor = Span("▍", SPEAKER_ROLES[speaker])
        return Entry(f"live:{speaker}", speaker, (*rows, replace(last, spans=(*last.spans, cursor))))

    @property
    def streaming(self) -> Speaker | None:
        """Who is speaking right now."""
        return next(iter(self._live), None)

    def take(self, event: ev.Event) -> list[Change]:
        """What ``event`` changes on the screen, in order."""
        speaker = _SPEAKERS[event.actor]
        changes: list[Change] = []
        if isinstance(event.data, ev.AgentReplied | ev.SupervisorSpoke) and speaker in self._live:
            del self._live[speaker]
            changes.append(Gone(f"live:{speaker}"))
        changes += self._entries(event, speaker)
        return changes

    def _entries(self, event: ev.Event, speaker: Speaker) -> Iterator[Entry]:
        key = f"event:{event.seq}"
        match event.data:
            case ev.EngineerSaid(text=text):
                yield Entry(key, "you", tuple(prose(text)))
            case ev.AgentReplied() as reply:
                yield from self._reply(key, speaker, reply)
            case ev.SupervisorSpoke() as spoke:
                yield Entry(key, "supervisor", supervisor_rows(spoke))
            case ev.ToolReturned() as returned:
                yield from self._returned(returned)
            case ev.DesignWritten() as written:
                yield self._design(key, speaker, written)
            case ev.InsightRecorded() as insight:
                shown = (row(("insight  ", "accent"), one_line(insight.text), hang=9),)
                yield Entry(key, speaker, shown)
            case ev.AcceptanceProposed(acceptance=name):
                yield self._acceptance(self._state.acceptances[name])
            case _:
                yield from self._experiment_entries(event, key)

    def _experiment_entries(self, event: ev.Event, key: str) -> Iterator[Entry]:
        state = self._state
        match event.data:
            case ev.ExperimentProposed(experiment=name) | ev.ExperimentStarted(experiment=name):
                yield self._proposal(state.experiments[name])
            case ev.ExperimentCancelled(experiment=name):
                yield self._proposal(state.experiments[name], event.data.reason)
            case ev.ExperimentFinished(experiment=name) as result:
                yield self._proposal(state.experiments[name])
                table = results.experiment_rows(result, state.experiments[name].proposal)
                yield Entry(f"result:{name}", "glia", tuple(table))
            case ev.ApprovalAnswered() as answer:
                yield from self._answered(key, answer)
            case ev.HeldOutStarted(acceptance=name) | ev.CommitIntended(acceptance=name):
                yield self._acceptance(state.acceptances[name])
            case ev.HeldOutFinished(acceptance=name) as held_out:
                yield self._acceptance(state.acceptances[name])
                design = state.acceptances[name].proposal.design
                yield Entry(f"held-out:{name}", "glia", tuple(results.held_out_rows(held_out, design)))
            case ev.DesignAccepted() as accepted:
                yield self._acceptance(state.acceptances[accepted.acceptance])
                words = f"✔ {accepted.design} accepted: commit {accepted.commit[:7]}, tag {accepted.tag}"
                yield Entry(key, "glia", (row((words, "good"), hang=2),))
            case _:
                if rows := system_rows(event.data, self._state, self._about):
                    yield Entry(key, "glia", rows)

    def _reply(self, key: str, speaker: Speaker, reply: ev.AgentReplied) -> Iterator[Entry]:
        rows = prose(reply.text)
        if reply.stop_reason in ("interrupted", "error"):
            words = "interrupted" if reply.stop_reason == "interrupted" else "the reply broke off"
            rows.append(row((f"({words})", "muted")))
        if rows:
            yield Entry(key, speaker, tuple(rows))
        if reply.stop_reason != "tool_use":
            return
        for call in reply.tool_calls:
            self._calls[call.id] = call
            if call.name not in _SHOWN_BY_THEIR_EFFECT:
                yield self._call(call, None, speaker)

    def _returned(self, returned: ev.ToolReturned) -> Iterator[Entry]:
        call = self._calls.get(returned.call_id)
        if call is None:
            return
        state = self._state
        has_effect = state.experiment_of_call(call.id) or state.acceptance_of_call(call.id)
        if call.name not in _SHOWN_BY_THEIR_EFFECT or (returned.is_error and not has_effect):
            yield self._call(call, returned, "researcher")

    def _design(self, key: str, speaker: Speaker, written: ev.DesignWritten) -> Entry:
        baseline = self._state.started.baseline if self._state.started else ""
        change = design_change(self._state, written.design, written.parent or baseline, self._source_of)
        verb = "edited, now" if written.parent and speaker == "you" else "wrote"
        size = f"  {change.words}" if change else ""
        rows = [row((f"{verb} ", "muted"), (written.design, "name"), (size, "muted"), hang=2)]

        def detail(width: int) -> list[Line]:
            if change and change.parent:
                return diffing.unified(change.old, change.new, width)
            return diffing.whole(written.source, width)

        return Entry(key, speaker, tuple(rows), detail, labelled=speaker == "you")

    def _proposal(self, experiment: Experiment, reason: str = "") -> Entry:
        p = experiment.proposal
        words, role = proposal_status(self._state, experiment, reason)
        title = row((f"{p.experiment}  ", "accent"), (one_line(p.title), "strong"), hang=len(p.experiment) + 2)
        rows: tuple[Row, ...] = (title, row((words, role), hang=2))
        if experiment.status != "proposed":  # until then the card says it, right below
            rows = (
                title,
                labelled("because", p.hypothesis),
                labelled("predicts", f"{wording.metric_title(p.prediction.metric)} {wording.predicted(p.prediction)}"),
                row((words, role), hang=2),
            )

        def detail(width: int) -> list[Line]:
            change = design_change(self._state, experiment.design, p.baseline, self._source_of)
            lines = wrap_all(experiment_rows(p, experiment.design, change)[1:], width)
            if change and change.parent:
                lines += [Line(), *diffing.unified(change.old, change.new, width)]
            return lines

        return Entry(f"experiment:{p.experiment}", "researcher", rows, detail)

    def _acceptance(self, acceptance: Acceptance) -> Entry:
        p = acceptance.proposal
        answer = answer_words(self._state, acceptance.approval)
        words: dict[str, tuple[str, Role]] = {
            "proposed": ("◇ waits for your answer", "accent"),
            "approved": (answer, "muted"),
            "held-out": (f"{answer}; ▶ held-out seeds run", "muted"),
            "failed": (f"{answer}; did not hold on held-out seeds, no commit", "warn"),
            "committing": (f"{answer}; held on held-out seeds", "muted"),
            "accepted": (f"{answer}; committed", "muted"),
            "rejected": (answer, "muted"),
        }
        status = row(words[acceptance.status], hang=2)
        title = row(("proposes to accept ", "muted"), (one_line(p.design), "name"), (f" on {p.experiment}", "muted"))
        is_open = acceptance.status == "proposed"  # until it is answered the card says why, right below
        rows = (title, status) if is_open else (title, labelled("because", p.reason), status)
        return Entry(f"acceptance:{p.acceptance}", "researcher", rows)

    def _answered(self, key: str, answer: ev.ApprovalAnswered) -> Iterator[Entry]:
        subject = self._state.approvals[answer.approval].subject
        if subject in self._state.experiments:
            yield self._proposal(self._state.experiments[subject])
        else:
            yield self._acceptance(self._state.acceptances[subject])
        if answer.verb == "redirect":
            yield Entry(key, "you", (row((f"redirected {subject}: ", "muted"), one_line(answer.words), hang=2),))
        elif answer.verb == "reject":
            why = f": {one_line(answer.words)}" if answer.words else ""
            yield Entry(key, "you", (row((f"rejected {subject}", "muted"), why, hang=2),))

    def _call(self, call: ev.ToolCall, returned: ev.ToolReturned | None, speaker: Speaker) -> Entry:
        def detail(width: int) -> list[Line]:
            return wrap_all(call_rows(call, returned), width)

        return Entry(f"call:{call.id}", speaker, (call_row(call, returned),), detail, labelled=False)
