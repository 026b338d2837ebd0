"""How much of a study's time budget is used up, counted from its journal so that resuming doesn't start it anew."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sessions import events as ev


def minutes_spent(events: Iterable[ev.Event]) -> float:
    """Minutes in which the study was open: from each start or resumption to the last event before the next one."""
    spent = 0.0
    began = last = None
    for event in events:
        now = datetime.fromisoformat(event.time)
        if began is None or isinstance(event.data, ev.SessionResumed):
            spent += _minutes(began, last)
            began = now
        last = now
    return spent + _minutes(began, last)


def _minutes(began: datetime | None, last: datetime | None) -> float:
    """Never negative: a clock that was set back doesn't give time back."""
    return 0.0 if began is None or last is None else max((last - began).total_seconds(), 0.0) / 60
