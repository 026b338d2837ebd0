"""Answers an unknown name with the nearest known one, in the same words everywhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like ``name``, whatever its case, or None if none is near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    return by_lower[close[0]] if close else None


def hint(name: str, known: Iterable[str]) -> str:
    """What to say after naming an unknown ``name``: the nearest known one, or all of them."""
    names = list(known)
    close = nearest(name, names)
    if close is not None:
        return f"did you mean {close!r}?"
    return f"known are {', '.join(names)}." if names else "none is known."
