"""The approval gate: what may happen without the engineer, and what has to be asked.

Every effect of a study (running an experiment, accepting a design) passes :meth:`Gate.pass_through`; there is no
other way to an effect. It fails closed: no answer, a crash, a closed terminal or a cancelled study is never an
approval, because only an :class:`~sessions.events.ApprovalAnswered` in the journal is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from sessions import events as ev
from sessions.errors import SessionError
from sessions.state import Approval, StudyState

Rule = Literal["ask", "auto"]


class ApprovalNeeded(SessionError):
    """A headless study came to something only an engineer may approve; it stays as it is, to be resumed."""


PRESETS: dict[ev.GateMode, dict[ev.EffectKind, Rule]] = {
    "supervised": {"experiment": "ask", "acceptance": "ask"},
    "trusted": {"experiment": "auto", "acceptance": "ask"},
    "autonomous": {"experiment": "auto", "acceptance": "auto"},
}
"""What each preset asks for; ``supervised`` is the default."""


def rule_for(state: StudyState, kind: ev.EffectKind) -> tuple[Rule, str]:
    """The rule in force for ``kind``, and its name for the record."""
    if kind in state.auto:
        return "auto", f"the engineer approved every {kind} from now on"
    return PRESETS[state.gate][kind], f"gate: {state.gate}"


class Gate:
    """Asks, waits, records. ``record`` journals an event and applies it to ``state``; ``attended`` is False where
    there is nobody to ask."""

    def __init__(
        self, state: StudyState, record: Callable[[ev.Actor, ev.Payload], object], *, attended: bool = True
    ) -> None:
        self._state = state
        self._record = record
        self._attended = attended
        self._changed = asyncio.Event()

    def poke(self) -> None:
        """Something that can answer a waiting approval has changed (an answer, another gate mode)."""
        self._changed.set()

    async def pass_through(self, kind: ev.EffectKind, subject: str) -> ev.ApprovalAnswered:
        """The answer for ``subject``: an old one from the journal, a rule's, or the engineer's.

        An approval that was asked for before a crash is asked again under the same name. Raises
        :class:`ApprovalNeeded` where there is nobody to ask.
        """
        approval = self._asked(kind, subject)
        while approval.answer is None:
            rule, name = rule_for(self._state, kind)
            if rule == "auto":
                self._record("system", ev.ApprovalAnswered(approval=approval.id, verb="approve", rule=name))
                continue
            if not self._attended:
                raise ApprovalNeeded(f"{subject} waits for an engineer's approval.")
            self._changed.clear()
            await self._changed.wait()
        return approval.answer

    def _asked(self, kind: ev.EffectKind, subject: str) -> Approval:
        for approval in self._state.approvals.values():
            if approval.subject == subject:
                return approval
        name = f"ask-{len(self._state.approvals) + 1}"
        self._record("system", ev.ApprovalAsked(approval=name, kind=kind, subject=subject))
        return self._state.approvals[name]
