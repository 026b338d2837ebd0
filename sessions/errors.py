"""The exceptions of a study.

Each carries one clear sentence that says what to do; they are caught once, at the edge (command line, app).
A design that fails is not an error of the study: that is an outcome (:class:`sessions.playground.JobResult`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SessionError(Exception):
    """Anything that stops the study or a command, in one sentence for the user."""


class UnknownName(SessionError):
    """A name that nothing answers to; the sentence gives the nearest known one."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no {kind} {name!r}; {nearest(name, known)}")


class UndefinedFigure(UnknownName):
    """A known figure that a run doesn't have: nothing was measured that it could be computed from."""

    def __init__(self, name: str) -> None:
        SessionError.__init__(
            self, f"The figure {name!r} is undefined here: no finished request has what it is computed from."
        )


class BackendFailed(SessionError):
    """The model back end can't go on (key, quota, network); a headless study ends with it, saved."""


class DesignFileError(SessionError):
    """A design's file can't be read."""


class EvaluationError(SessionError):
    """An evaluation could not be carried out, and not because of the design."""


class SidecarError(SessionError):
    """A recorded file beside the journal is missing or damaged."""


class WorkspaceError(SessionError):
    """The design repository can't be used as it is."""


class WorkspaceConflict(WorkspaceError):
    """Someone else accepted a design in the meantime: prepare again on the new head."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence: ``did you mean 'llq'?`` when a known name is close, else what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known are {', '.join(names)}." if names else "there is none at all."
