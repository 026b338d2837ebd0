"""One study from its first word to its last: the loop, and the engineer's commands.

The loop has one rule: look at what the journal says and do the next thing. What is open (a tool call without a
result, an approval without an answer, an experiment that runs) is taken up again, so starting, going on after an
answer and resuming after a crash are the same code.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Literal

from pydantic import JsonValue

from sessions import events as ev
from sessions.agents import supervisor, tools
from sessions.budget import minutes_spent
from sessions.conversation import aside, awaits_reply, conversation, open_tool_calls, unanswered_words
from sessions.effects import Effects
from sessions.errors import BackendFailed, SessionError
from sessions.gate import ApprovalNeeded, rule_for
from sessions.models.base import BackendError, ModelBackend, ModelRequest, Reply, TextPiece
from sessions.state import Acceptance, Experiment, StudyState
from sessions.study import Interrupted, Item, Study, StudyTitle
from sessions.toolbox import Toolbox, record_design

RESEARCHER_SYSTEM = """\
You are the Researcher of a computer-systems study. You measure first, look for the cause in the telemetry, change
one thing at a time, state a hypothesis with a prediction before every experiment, compare the outcome with the
prediction, ablate what you combined and look at the tail before you claim anything."""


class Session:
    """A running study. ``run`` drives it; everything else may be called at any moment from the same event loop."""

    def __init__(self, study: Study, backend: ModelBackend) -> None:
        self._study = study
        self._backend = backend
        self._effects = Effects(study)
        self._toolbox = Toolbox(study, self._effects, self._review)
        self._wake = asyncio.Event()
        self._aside: asyncio.Task[None] | None = None
        self._closed = False

    # -- what surfaces read ---------------------------------------------------------------------------------------

    @property
    def state(self) -> StudyState:
        return self._study.state

    @property
    def title(self) -> StudyTitle:
        started = self._study.started
        return StudyTitle(
            session=started.session,
            scenario=self._study.card.name,
            hardware=self._study.card.hardware,
            backend_label=self._backend.label,
            workspace=str(self._study.repository.root),
            isolation=started.isolation,
        )

    def subscribe(self) -> AsyncIterator[Item]:
        return self._study.subscribe()

    def telemetry(self, digest: str) -> dict[str, JsonValue]:
        """A recorded run's telemetry. Raises :class:`SessionError` if it is missing or damaged."""
        record = self._study.sidecar.get(digest)
        if not isinstance(record, dict):
            raise SessionError(f"The telemetry {digest[:12]} isn't a record of a run.")
        return record

    def source_of(self, design: str) -> str:
        return self._study.source_of(design)

    def steering_help(self) -> str:
        return self._backend.steering_help

    @property
    def draft(self) -> str:
        return self._study.draft.read()

    # -- the engineer's commands ----------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Steers. It is answered at once, also while a proposal waits, and acted upon at the next boundary."""
        text = _clean(text).strip()
        if not text:
            return
        self._study.record("engineer", ev.EngineerSaid(text=text))
        self._hear()
        self._wake.set()

    def _hear(self) -> None:
        """Starts answering what was said while a tool call is open, also before a crash."""
        if self._aside is None and unanswered_words(self.state.events):
            self._aside = asyncio.create_task(self._answer_aside())

    def interrupt(self) -> bool:
        """Stops the reply or the experiment that runs now; False if nothing does. Never answers an approval."""
        return self._study.interrupt()

    async def answer(self, approval: str, verb: ev.Verb, words: str = "", source: str | None = None) -> str:
        """The engineer's decision; "" when it was taken, else a sentence that says why not."""
        known = self.state.approvals.get(approval)
        if known is None or known.answer is not None:
            return "That proposal is decided already; nothing was changed."
        design = ""
        if verb == "edit":
            design, refused = await self._edited(known.subject, source)
            if refused:
                return refused
        answer = ev.ApprovalAnswered(approval=approval, verb=verb, words=_clean(words).strip(), design=design)
        self._study.record("engineer", answer)
        self._study.gate.poke()
        return ""

    async def _edited(self, subject: str, source: str | None) -> tuple[str, str]:
        """Checks an edited source and records it as the engineer's design: its name, or why it was refused."""
        experiment = self.state.experiments.get(subject)
        if experiment is None:
            return "", "Only an experiment's design can be edited; reject the acceptance and steer instead."
        if source is None or source == self.source_of(experiment.design):
            return "", "The source wasn't changed, so there is nothing to run differently; approve it instead."
        study = self._study
        checked = await study.pool.check(study.started.slot, source, study.playground.name)
        if self._closed:
            return "", "The session is closed; the edit wasn't used."
        if self.state.approvals[experiment.approval].answer is not None:
            return "", "That proposal was decided in the meantime; the edit wasn't used."
        if checked.outcome != "ok":
            return "", f"The edited design can't run ({checked.outcome}): {checked.message}"
        for design in self.state.designs.values():
            if (design.author, design.parent, design.source) == ("engineer", experiment.design, source):
                return design.name, ""  # the same edit, recorded before a crash or for an earlier proposal
        name = self._free_name(experiment)
        card = f"{experiment.design} as the engineer edited it before {experiment.id}."
        record_design(self._study, "engineer", name, source, card, experiment.design)
        return name, ""

    def _free_name(self, experiment: Experiment) -> str:
        stem, number = experiment.design[:32].rstrip("-"), 1
        while f"{stem}-edit{number}" in self.state.designs:
            number += 1
        return f"{stem}-edit{number}"

    def set_gate(self, mode: ev.GateMode) -> None:
        """Another gate preset, from now on; *approve every ...* answers given before are taken back."""
        self._study.record("engineer", ev.GateChanged(mode=mode))
        self._study.gate.poke()

    async def set_budget(self, max_experiments: int | None) -> None:
        """Another experiment budget (``None``: no limit). Raising it lets a concluded study go on when steered."""
        minutes = self.state.max_minutes
        self._study.record("engineer", ev.BudgetChanged(max_experiments=max_experiments, max_minutes=minutes))
        self._wake.set()

    def keep_draft(self, text: str) -> None:
        """What is typed and not sent: it is there again when the session is resumed."""
        self._study.draft.keep(text)

    def save(self) -> None:
        """Puts everything on the disk, at once and without an event loop; approves nothing."""
        self._study.journal.flush()

    async def close(self) -> None:
        """Saves and lets go; approves nothing. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        if self._aside is not None:
            self._aside.cancel()
        await self._study.pool.close()
        self._study.journal.close()

    # -- the loop -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Drives the study until it is stopped. An interactive study waits for words when there is nothing to do."""
        if self.state.max_minutes is not None:
            left = self.state.max_minutes - minutes_spent(self.state.events)
            self._effects.deadline = time.monotonic() + 60 * left
        self._hear()
        try:
            while self.state.stopped is None:
                await self._step()
        except ApprovalNeeded:
            raise
        except SessionError as error:
            with contextlib.suppress(SessionError):
                self._study.record("system", ev.SessionStopped(reason="error", text=str(error)))
            raise

    async def _step(self) -> None:
        for call in open_tool_calls(self.state.events):
            result = await self._toolbox.carry_out(call)
            await self._aside_done()
            self._study.record("system", result)
        if self._out_of_time():
            return
        messages = conversation(self._task(), self.state.events)
        if awaits_reply(messages):
            trigger = supervisor.due(self.state)
            if trigger is not None:
                await self._supervise(trigger)
                messages = conversation(self._task(), self.state.events)
            await self._turn(messages)
            self._hear()
        elif self._study.interactive:
            self._wake.clear()
            await self._wake.wait()
        else:
            self._study.record("system", ev.SessionStopped(reason=self._conclusion()))

    def _conclusion(self) -> Literal["finished", "budget"]:
        """*Budget* if the experiments ran out before anything could be accepted."""
        accepted = any(a.status == "accepted" for a in self.state.acceptances.values())
        return "budget" if self._study.experiments_left == 0 and not accepted else "finished"

    def _out_of_time(self) -> bool:
        """Stops the study when its minutes are used up; it goes on only when resumed with more."""
        deadline = self._effects.deadline
        if deadline is None or time.monotonic() < deadline:
            return False
        text = f"The budget of {self.state.max_minutes:g} minutes is used up; resume with more (--max-minutes)."
        self._study.record("system", ev.SessionStopped(reason="budget", text=text))
        return True

    async def _turn(self, messages: tuple[object, ...]) -> None:
        request = ModelRequest(
            "researcher",
            RESEARCHER_SYSTEM,
            messages,  # type: ignore[arg-type]
            tools.specs(),
            self._study.started.seed,
        )
        await self._reply(request, "researcher")

    async def _reply(self, request: ModelRequest, actor: ev.Actor, *, is_aside: bool = False) -> None:
        """Streams one reply and journals it whole; a reply that broke off is journalled as such."""
        pieces: list[str] = []
        seen = len(self.state.events) - 1
        try:
            reply = await self._streamed(request, actor, pieces, is_aside)
        except Interrupted:
            broken = ev.AgentReplied(text="".join(pieces), stop_reason="interrupted", aside=is_aside, seen=seen)
            self._study.record(actor, broken)
            return
        except BackendError as error:
            self._study.record("system", ev.Notice(level="error", text=str(error)))
            failed = ev.AgentReplied(text="".join(pieces), stop_reason="error", aside=is_aside, seen=seen)
            self._study.record(actor, failed)
            if not self._study.interactive:
                raise BackendFailed(str(error)) from error
            return
        self._study.record(
            actor,
            ev.AgentReplied(
                text=reply.text,
                tool_calls=list(reply.tool_calls),
                stop_reason=reply.stop_reason,
                usage=reply.usage,
                aside=is_aside,
                seen=seen,
            ),
        )

    async def _streamed(self, request: ModelRequest, actor: ev.Actor, pieces: list[str], is_aside: bool) -> Reply:
        async def consume() -> Reply:
            async for item in self._backend.stream(request):
                if isinstance(item, TextPiece):
                    pieces.append(item.text)
                    self._study.show(ev.TextDelta(actor=actor, text=item.text))
                else:
                    return item
            raise BackendError("The model's reply ended before it was whole; say something to try again.")

        if is_aside:
            return await consume()
        return await self._study.interruptible(asyncio.ensure_future(consume()))

    async def _answer_aside(self) -> None:
        """Answers what the engineer says while a proposal waits or an experiment runs: words, no tools."""
        try:
            while unanswered_words(self.state.events):
                messages = aside(self._task(), self.state.events)
                request = ModelRequest("researcher", RESEARCHER_SYSTEM, messages, (), self._study.started.seed)
                await self._reply(request, "researcher", is_aside=True)
        finally:
            self._aside = None

    async def _aside_done(self) -> None:
        while self._aside is not None:
            await asyncio.shield(self._aside)

    # -- the Supervisor -------------------------------------------------------------------------------------------

    async def _supervise(self, trigger: supervisor.Trigger) -> supervisor.SupervisorVerdict:
        request = supervisor.request(self.state, trigger, self._study.started.seed)
        pieces: list[str] = []
        try:
            reply = await self._streamed(request, "supervisor", pieces, False)
            text, verdict = supervisor.split_verdict(reply.text)
        except Interrupted:
            text, verdict = "(interrupted)", "continue"
        except BackendError as error:
            self._study.record("system", ev.Notice(level="warning", text=f"The Supervisor is silent: {error}"))
            text, verdict = "(no review)", "continue"
        self._study.record("supervisor", ev.SupervisorSpoke(text=text, verdict=verdict, trigger=trigger))
        return verdict

    async def _review(self, acceptance: Acceptance) -> None:
        """Has the Supervisor look at an acceptance before anyone is asked.

        *Revise* sends it back only where nobody would be asked: an engineer who is asked sees the Supervisor's
        question beside the proposal and outranks it.
        """
        verdict = self._reviewed(acceptance) or await self._supervise("acceptance")
        if verdict == "revise" and rule_for(self.state, "acceptance")[0] == "auto":
            returned = ev.AcceptanceReturned(acceptance=acceptance.id, reason="the Supervisor's question comes first")
            self._study.record("supervisor", returned)

    def _reviewed(self, acceptance: Acceptance) -> supervisor.SupervisorVerdict | None:
        """The verdict of the review that was held before a crash, if there was one."""
        for event in reversed(self.state.events):
            match event.data:
                case ev.SupervisorSpoke(trigger="acceptance", verdict=verdict):
                    return verdict
                case ev.AcceptanceProposed(acceptance=acceptance.id):
                    return None
                case _:
                    pass
        return None

    def _task(self) -> str:
        card, started = self._study.card, self._study.started
        return (
            f"Design the {started.slot} of this cluster: {card.title} ({card.hardware}). Objective: lower "
            f"{started.metric} than {started.baseline}. {card.why}"
        )


def _clean(text: str) -> str:
    """The engineer's words as they can be stored: lone surrogates (undecodable input) are replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
