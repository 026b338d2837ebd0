"""What is said when Glia itself is at fault: one sentence, and a report for its developers in a file."""

from __future__ import annotations

import tempfile
import traceback


def report(error: BaseException) -> str:
    """Writes the traceback (frames and lines, never the values in them) to a file; returns the sentence to show."""
    text = "".join(traceback.format_exception(error))
    what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="glia-defect-", suffix=".txt", delete=False, encoding="utf-8", errors="replace"
        ) as file:
            file.write(text)
    except OSError:
        return f"glia: this is a defect of Glia ({what}); sessions are saved.\n{text}"
    return f"glia: this is a defect of Glia ({what}); sessions are saved. Please report it with the file {file.name}."
