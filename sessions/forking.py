"""Forks: another study that begins with a part of this one's record.

A fork's journal is a journal of its own: the events up to the fork point, chained anew, under a new session id that
says where they come from. It is cut only where nothing is half-done (no tool call is open, so no proposal waits, no
experiment runs and no commit is under way), because what is half-done would be carried out twice. The original is
only read.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sessions import events as ev
from sessions.conversation import open_tool_calls
from sessions.errors import SessionError, UnknownName
from sessions.journal import Journal, utc_now
from sessions.state import fold


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a journal is cut: ``seq`` is the last event that is taken over; ``told`` says so in one sentence."""

    seq: int
    told: str


def cut(events: Sequence[ev.Event], at: str = "") -> Cut:
    """Where to fork: at the end (""), at a sequence number, or after an experiment, acceptance or event hash.

    A place at which something is half-done is moved: a number back to the last whole event, a name on to where it is
    concluded (back, if it never was). Raises :class:`SessionError` when there is no such place.
    """
    whole = _boundaries(events)
    if not whole:
        raise SessionError("This session has no beginning, so there is nothing to fork; delete it.")
    last = len(events) - 1
    if not at or (at.isdecimal() and at.isascii()):
        digits = at.lstrip("0") or "0"
        wanted = last if not at else int(digits) if len(digits) <= len(str(last)) else last + 1
        if wanted > last:
            raise SessionError(f"There is no event {at[:20]}: the session's events are 0 to {last}.")
        seq = max(place for place in whole if place <= wanted)
        what = "" if seq == wanted or not at else f" (event {wanted} itself isn't a point where nothing is half-done)"
    else:
        wanted = _place(events, at)
        after = [place for place in whole if place >= wanted]
        seq = after[0] if after else whole[-1]
        what = f", where {at} is told" if after else f", before {at}, which isn't concluded"
    return Cut(seq, f"after event {seq} of {last}{what}")


def _boundaries(events: Iterable[ev.Event]) -> list[int]:
    """Sequence numbers of the events after which nothing is half-done. A stop isn't taken over: a fork goes on."""
    found: list[int] = []
    calls: list[ev.Event] = []
    for event in events:
        if isinstance(event.data, ev.AgentReplied | ev.ToolReturned):
            calls.append(event)
        if isinstance(event.data, ev.AgentReplied) and event.data.stop_reason == "tool_use" and not event.data.aside:
            calls = [event]
        if not open_tool_calls(calls) and not isinstance(event.data, ev.SessionStopped):
            found.append(event.seq)
    return found


def _place(events: Sequence[ev.Event], name: str) -> int:
    """The event at which ``name`` (exp-2, acc-1, the beginning of an event's hash) is concluded, or is."""
    state = fold(events)
    if name in state.experiments or name in state.acceptances:
        subject = state.experiments.get(name) or state.acceptances[name]
        call = subject.proposal.call_id
        returned = [e.seq for e in events if isinstance(e.data, ev.ToolReturned) and e.data.call_id == call]
        return returned[-1] if returned else len(events)
    hashed = [event.seq for event in events if len(name) >= 6 and event.hash.startswith(name.lower())]
    if len(hashed) == 1:
        return hashed[0]
    raise UnknownName("experiment, acceptance or event", name, [*state.experiments, *state.acceptances])


def copy_events(events: Sequence[ev.Event], place: Cut, session: str, target: Path) -> list[str]:
    """Writes the fork's journal to the new file ``target``; returns the sidecar digests that it mentions.

    Times and actors stay; a last event says where it comes from.
    """
    taken = events[: place.seq + 1]
    started = taken[0].data
    if not isinstance(started, ev.SessionStarted):
        raise SessionError("This session has no beginning, so there is nothing to fork; delete it.")
    origin = ev.ForkPoint(session=started.session, seq=place.seq, hash=taken[-1].hash)
    times = iter([event.time for event in taken])
    journal = Journal(target, lambda: next(times, None) or utc_now())
    try:
        journal.append(taken[0].actor, started.model_copy(update={"session": session, "forked_from": origin}))
        for event in taken[1:]:
            journal.append(event.actor, event.data, event.context)
        text = f"Forked from the session {started.session} {place.told}."
        journal.append("system", ev.Notice(level="info", text=text))
    finally:
        journal.close()
    finished = [event.data for event in taken if isinstance(event.data, ev.ExperimentFinished)]
    return sorted({digest for result in finished for digest in result.telemetry.values()})


def held_out_root(started: ev.SessionStarted) -> str:
    """What the held-out seeds of one acceptance are drawn from.

    It is the study's seed only where that was asked for, so that the study can be repeated. Otherwise it is 128 random
    bits, anew at every call: nothing that an agent or a design could know says which seeds come. A fork always draws,
    else its first acceptance would meet seeds whose result its original has shown.
    """
    if started.seeded and started.forked_from is None:
        return str(started.seed)
    return secrets.token_hex(16)
