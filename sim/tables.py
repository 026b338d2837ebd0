"""What the tables of a scenario file are made of: closed, frozen, and strict about types."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0, le=10**9)]
PositiveFloat = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
Interval = Annotated[float, Field(ge=1e-3, le=1e6, allow_inf_nan=False)]
"""Seconds between two of something that happens again and again."""
Replicas = Annotated[int, Field(ge=0, le=4096)]


class Table(BaseModel):
    """One section: an unknown key is an error, and so is a value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
