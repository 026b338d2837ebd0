"""What the engineer had typed and not sent when they left: words that aren't said yet, so no event of the journal."""

from __future__ import annotations

import contextlib
from pathlib import Path

_MOST_CHARACTERS = 100_000


class Draft:
    """A small file beside the journal. Losing it is a pity and no fault: no error here keeps anyone from leaving."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        with contextlib.suppress(OSError), self._path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_CHARACTERS)
        return ""

    def keep(self, text: str) -> None:
        """Keeps ``text`` instead of what was kept before; without any, forgets it."""
        with contextlib.suppress(OSError):
            if text.strip():
                self._path.write_text(text[:_MOST_CHARACTERS], encoding="utf-8", errors="replace")
            else:
                self._path.unlink(missing_ok=True)
