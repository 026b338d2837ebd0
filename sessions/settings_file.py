"""What a settings file may say, checked at the edge: every key's type and range, each error as one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from sessions import events as ev
from sessions.errors import nearest
from sessions.settings import KEYS, SettingsError

MAX_SEEDS = 1000
"""Most seeds of one experiment: held-out seeds are drawn above them."""


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


def _rooted(value: str) -> str:
    """A relative folder would mean another one in every directory that Glia is started from."""
    if not value.startswith(("/", "~")):
        raise ValueError("relative")
    return value


Text = Annotated[str, Field(min_length=1)]


class SettingsFile(BaseModel):
    """One file; a key that is left out is ``None``. No value is converted: ``"8"`` is not a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    backend: Text | None = None
    scenario: Text | None = None
    gate: ev.GateMode | None = None
    headless_gate: ev.GateMode | None = None
    max_experiments: Annotated[int, Field(ge=1)] | None = None
    max_minutes: Annotated[float, Field(ge=0.01), AfterValidator(_finite)] | None = None
    seeds_per_experiment: Annotated[int, Field(ge=10, le=MAX_SEEDS)] | None = None
    editor: Text | None = None
    theme: Text | None = None
    workspace: Annotated[Text, AfterValidator(_rooted)] | None = None


WANTED = {
    "backend": "the name of a back end, as text",
    "scenario": "the name of a scenario or its file, as text",
    "gate": '"supervised", "trusted" or "autonomous"',
    "headless_gate": '"supervised", "trusted" or "autonomous"',
    "max_experiments": "a whole number of at least 1",
    "max_minutes": "a number of minutes of at least 0.01",
    "seeds_per_experiment": f"a whole number from 10 to {MAX_SEEDS}",
    "editor": "a command, as text",
    "theme": "the name of a theme, as text",
    "workspace": "a folder as text, absolute or beginning with ~",
}


def checked(path: Path, content: Mapping[str, object]) -> dict[str, object]:
    """The values that ``content`` of the file ``path`` sets. Raises :class:`SettingsError` for the first fault."""
    for key in content:
        if key not in KEYS:
            raise SettingsError(f"In {path}: there is no setting {key!r}; {nearest(key, KEYS)}")
    try:
        return SettingsFile.model_validate(content).model_dump(exclude_unset=True)
    except ValidationError as error:
        fault = error.errors()[0]
        key = str(fault["loc"][0])
        raise SettingsError(f"In {path}: {key} has to be {WANTED[key]}, not {fault['input']!r}.") from error
