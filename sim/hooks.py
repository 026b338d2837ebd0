"""A batch scheduler as the engine asks it: up to three callables, whatever form the policy had.

Standard library only: loaded inside the process of an untrusted design too. :mod:`sim.adapt` makes these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sim.api import Engine, ReplicaRequest


@dataclass(frozen=True, slots=True)
class CheckedOrder:
    """An answer of ``admit`` by request ids that need no check as a whole, to be taken only as far as admission gets.

    A sealed design's process has checked that all of them wait and that each is named once; each is still checked when
    its turn comes.
    """

    ids: Iterator[int]


Admit = Callable[[Sequence[ReplicaRequest], Engine], Iterable[ReplicaRequest] | CheckedOrder]
Chunk = Callable[[ReplicaRequest, int, Engine], int]
Victim = Callable[[Sequence[ReplicaRequest], Engine], ReplicaRequest]


@dataclass(frozen=True, slots=True)
class SchedulerHooks:
    """What a policy defines; None where the engine's rules decide. ``name`` is for messages.

    ``wake_iterations``: asks ``admit`` again after that many iterations; read anew after every time it was asked.
    """

    name: str
    admit: Admit | None = None
    chunk: Chunk | None = None
    victim: Victim | None = None
    wake_iterations: Callable[[], int | None] = lambda: None


SchedulerFactory = Callable[[int], SchedulerHooks]
"""Makes the scheduler of the replica with that id; every replica has its own."""
