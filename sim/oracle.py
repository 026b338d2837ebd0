"""The side channel to the future: how a trusted policy is told output lengths, exactly or roughly.

An oracle bounds what any router could reach; it is no design. It ships in a folder of its own
(``sim/policies/oracles``), outside the contract of :mod:`sim.api`: its class takes ``output_tokens`` and is made by
the engine once the workload is known. A predicted scheduler takes ``predicted_tokens``, what a simulated predictor
(:mod:`sim.predictor`) says. Invariant: only an :class:`Oracle` gets the lengths and only a :class:`Predicted` the
predictions. What is loaded as a design (:mod:`sim.adapt`), in this process or sealed in another, never is one, and a
class that asks for either is refused there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.api import Router
from sim.hooks import SchedulerFactory

OutputTokens = Callable[[int], int]
"""The output tokens of the request with that id, as they are or as they are predicted."""

PREDICTOR_SIGMA = 0.5
"""Standard deviation of the logarithm of a prediction's error, of the 0.3 to 1.0 that studies of predictors assume."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """A router still to be made: ``make`` is given the run's output lengths."""

    make: Callable[[OutputTokens], Router]


@dataclass(frozen=True, slots=True)
class Predicted:
    """A batch scheduler still to be made: ``make`` is given predictions with an error of ``sigma`` (log-normal)."""

    make: Callable[[OutputTokens], SchedulerFactory]
    sigma: float = PREDICTOR_SIGMA
