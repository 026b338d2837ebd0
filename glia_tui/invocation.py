"""How the user started the program, so that a command we suggest works when it is typed."""

from __future__ import annotations

import os
import shlex
import shutil
import sys


def program() -> str:
    """``glia`` if that is on the PATH or we can't tell, else the path as it was typed (``.venv/bin/glia``)."""
    typed = sys.argv[0] if sys.argv else ""
    if os.path.basename(typed) != "glia" or not os.path.exists(typed):
        return "glia"
    found = shutil.which("glia")
    if found is not None and os.path.realpath(found) == os.path.realpath(typed):
        return "glia"
    return shlex.quote(typed)
