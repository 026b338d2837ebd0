"""The one side channel to the future: how a trusted router is told output lengths.

An oracle bounds what any router could reach; it is no design. It ships in a folder of its own
(``sim/policies/oracles``), outside the contract of :mod:`sim.api`: its class takes ``output_tokens`` and is made by
the engine once the workload is known. Invariant: only a :class:`Oracle` gets the lengths. What is loaded as a design
(:mod:`sim.adapt`), in this process or sealed in another, never is one, and a class that asks for ``output_tokens``
is refused there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.api import Router

OutputTokens = Callable[[int], int]
"""The output tokens of the request with that id."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """A router still to be made: ``make`` is given the run's output lengths."""

    make: Callable[[OutputTokens], Router]
