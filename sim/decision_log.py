"""Every decision of a run, hashed in order: what two runs must have in common to be the same.

A decision is four numbers: its time in ns, its kind, and two that depend on the kind (``docs/simulator-rules.md``).
"""

from __future__ import annotations

import hashlib

import numpy as np

MOST_ENTRIES = 1 << 16


class DecisionLog:
    """``entries``: the numbers of the latest decisions, one after the other; who decides extends it by four.

    Of those before nothing is kept but the hash, so that a run needs no memory for its decisions.
    """

    __slots__ = ("_digest", "entries")

    def __init__(self) -> None:
        self.entries: list[int] = []
        self._digest = hashlib.sha256()

    def sha256(self) -> str:
        """Of all decisions so far, as little-endian int64."""
        self.hash_entries()
        return self._digest.hexdigest()

    def hash_entries(self) -> None:
        """Call it once in a while."""
        self._digest.update(np.fromiter(self.entries, dtype="<i8", count=len(self.entries)).tobytes())
        self.entries.clear()
