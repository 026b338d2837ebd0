"""The engineer's side of the gate: which approval waits, when its verbs may be used, what became of an edit.

A verb does nothing in the first half second after its proposal appeared, so that a key meant for something else
never answers it. Nothing here approves by itself; what isn't answered stays unanswered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from glia_tui.ports import StudySession
from glia_tui.proposals import subject_of
from sessions import events as ev
from sessions.state import Approval, Experiment

GRACE_S = 0.5
MAX_SOURCE_CHARACTERS = 200_000
"""Most characters of an edited design: as many as an agent may write."""
AnswerVerb = Literal["approve", "always", "edit", "editor", "redirect", "reject"]
_VERBS: dict[AnswerVerb, ev.Verb] = {
    "approve": "approve",
    "always": "approve_kind",
    "edit": "edit",
    "editor": "edit",
    "redirect": "redirect",
    "reject": "reject",
}


class AnswerDesk:
    """Holds what an answer needs until it is given. ``clock`` is monotonic, in seconds."""

    def __init__(self, session: StudySession, clock: Callable[[], float]) -> None:
        self._session = session
        self._clock = clock
        self._shown: dict[str, float] = {}
        self._drafts: dict[str, str] = {}

    @property
    def pending(self) -> Approval | None:
        return self._session.state.pending

    def appeared(self) -> bool:
        """Tells the desk that the pending approval is on the screen now; true the first time it is."""
        if self.pending is None or self.pending.id in self._shown:
            return False
        self._shown[self.pending.id] = self._clock()
        return True

    def was_shown(self, approval: str) -> bool:
        """Whether the approval has been on the screen, so that somebody may be about to answer it."""
        return approval in self._shown

    def refusal(self, verb: AnswerVerb) -> str:
        """Why ``verb`` can't be used now, in one sentence; empty when it can."""
        pending = self.pending
        if pending is None:
            return "Nothing waits for an answer."
        if self._clock() - self._shown.get(pending.id, self._clock()) < GRACE_S:
            return f"{pending.subject} has only just arrived: read it, then answer."
        if verb in ("edit", "editor") and not isinstance(subject_of(self._session.state, pending), Experiment):
            return "A design is edited when its experiment is proposed; redirect to ask for a change."
        return ""

    def text_to_edit(self, approval: Approval) -> str:
        """The design's source, or the engineer's text of an edit that was not taken."""
        return self._drafts.get(approval.id) or self._session.source_of(self.design_of(approval))

    def has_draft(self, approval: Approval) -> bool:
        """Whether an edit was made that has not been taken yet."""
        return approval.id in self._drafts

    def keep(self, approval: Approval, source: str) -> bool:
        """Keeps an unfinished edit for the next time; False if ``source`` is the design as it was."""
        if source == self._session.source_of(self.design_of(approval)):
            self._drafts.pop(approval.id, None)
            return False
        self._drafts[approval.id] = source
        return True

    def design_of(self, approval: Approval) -> str:
        subject = subject_of(self._session.state, approval)
        return subject.design if isinstance(subject, Experiment) else subject.proposal.design

    async def give(self, approval: Approval, verb: AnswerVerb, words: str = "", source: str | None = None) -> str:
        """Gives the answer. Returns ``""`` when it was taken, else why not; an edited text is kept then."""
        if source is not None:
            self._drafts[approval.id] = source
            if sentence := too_long(source):
                return sentence
        sentence = await self._session.answer(approval.id, _VERBS[verb], words, source)
        if not sentence:
            self._drafts.pop(approval.id, None)
        return sentence


def too_long(source: str) -> str:
    """Why ``source`` is too long for a design, in one sentence; empty when it isn't."""
    if len(source) <= MAX_SOURCE_CHARACTERS:
        return ""
    return f"A design has at most {MAX_SOURCE_CHARACTERS:,} characters and this has {len(source):,}: shorten it."
