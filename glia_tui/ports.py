"""What the app needs of a study, and nothing more.

The app draws events and sends commands; it never learns how an experiment is run or a model is asked. Any object
with these members will do: :class:`sessions.session.Session` in the product, a scripted one in the tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from pydantic import JsonValue

from sessions import events as ev
from sessions.state import StudyState


class StudyTitle(Protocol):
    """What a study is about, in the words of the screen's header."""

    @property
    def scenario(self) -> str: ...

    @property
    def hardware(self) -> str:
        """For example ``4×A10 · Llama-3-8B``."""
        ...

    @property
    def backend_label(self) -> str:
        """For example ``offline researcher (rule-based)``."""
        ...

    @property
    def workspace(self) -> str: ...

    @property
    def isolation(self) -> str: ...


class StudySession(Protocol):
    """One study, as the app drives and draws it."""

    @property
    def state(self) -> StudyState:
        """The fold of all events so far; an event is in it before it reaches a mailbox."""
        ...

    @property
    def title(self) -> StudyTitle: ...

    def subscribe(self) -> AsyncIterator[ev.Event | ev.TextDelta | ev.Progress]:
        """Everything from now on; the app draws ``state.events`` first."""
        ...

    async def run(self) -> None:
        """Drives the study until it is stopped."""
        ...

    def say(self, text: str) -> None:
        """The engineer's words: journalled at once, delivered at the next boundary."""
        ...

    def interrupt(self) -> bool:
        """Stops the agent's reply, or cancels the running experiment; False if nothing runs."""
        ...

    async def answer(self, approval: str, verb: ev.Verb, words: str = "", source: str | None = None) -> str:
        """Answers an approval. Returns ``""`` when taken, else one sentence that says why not."""
        ...

    def set_gate(self, mode: ev.GateMode) -> None: ...

    async def set_budget(self, max_experiments: int | None) -> None: ...

    def telemetry(self, digest: str) -> dict[str, JsonValue]:
        """Recorded telemetry by its digest; blocks on a file."""
        ...

    def source_of(self, design: str) -> str:
        """The source of a design that was written in this study or ships."""
        ...

    def steering_help(self) -> str:
        """What the back end understands of the engineer's words, for the help screen."""
        ...

    @property
    def draft(self) -> str:
        """What was typed and not sent when the study was last left; empty without it."""
        ...

    def keep_draft(self, text: str) -> None:
        """Keeps what is typed and not sent for the next time; an empty text forgets it."""
        ...

    def save(self) -> None:
        """Puts everything on the disk at once, without the event loop. Approves nothing."""
        ...

    async def close(self) -> None:
        """Saves. Approves nothing."""
        ...
