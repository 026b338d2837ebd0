"""The engineer's own editor on a design's source.

The text lies in a private temporary folder under the design's name with ``.py``, so that editors highlight it, and
is gone when the editor is.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

_USUAL = ("nano", "vim", "vi")


class EditorError(Exception):
    """There is no editor, or it failed; one sentence that says what to do."""


def editor_command(environment: Mapping[str, str]) -> list[str]:
    """The words of ``$VISUAL`` or ``$EDITOR``, which may have arguments, or a usual editor that is installed."""
    for variable in ("VISUAL", "EDITOR"):
        value = environment.get(variable, "").strip()
        if not value:
            continue
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise EditorError(f"${variable} can't be read as a command ({error}): {value}") from error
        if shutil.which(words[0], path=environment.get("PATH")) is None:
            raise EditorError(f"${variable} names {words[0]!r}, which isn't installed; set it to an editor that is.")
        return words
    for name in _USUAL:
        if found := shutil.which(name, path=environment.get("PATH")):
            return [found]
    raise EditorError("No editor was found: set $EDITOR to one, for example EDITOR=nano.")


def edit_handing_over(suspend: Callable[[], AbstractContextManager[None]], text: str, name: str) -> str:
    """:func:`edit_text` while ``suspend`` has given the terminal away, which it gets back whatever happens.

    Textual's ``suspend`` doesn't resume when its body raises, so nothing is raised in there.
    """
    editor_command(os.environ)  # said before the terminal is given away
    after, failure = text, None
    with suspend():
        try:
            after = edit_text(text, name)
        except (EditorError, OSError, ValueError, KeyboardInterrupt) as error:
            failure = error
    if isinstance(failure, EditorError):
        raise failure
    if failure is not None:
        raise EditorError(f"The editor failed ({failure or 'interrupted'}); nothing was taken over.") from failure
    return after


def edit_text(text: str, name: str, environment: Mapping[str, str] | None = None) -> str:
    """``text`` as the engineer leaves it. Blocks until the editor ends. Raises :class:`EditorError`."""
    environment = os.environ if environment is None else environment
    command = editor_command(environment)
    with tempfile.TemporaryDirectory(prefix="glia-") as folder:
        path = Path(folder) / f"{name or 'design'}.py"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            ended = subprocess.run([*command, str(path)], env=dict(environment), check=False)
        except OSError as error:
            raise EditorError(f"{command[0]} could not be started: {error.strerror}.") from error
        if ended.returncode != 0:
            raise EditorError(f"{command[0]} ended with code {ended.returncode}; nothing was taken over.")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise EditorError("What the editor left can't be read as UTF-8 text; nothing was taken over.") from error
