"""A design's autoscaler, a class or a function, as :class:`sim.api.Autoscaler`.

Standard library only: loaded inside the process of an untrusted design.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from sim.adapt.loading import SLOTS, find_policy, instantiate, method, seconds
from sim.api import Autoscaler, Fleet, FleetSample

Scale = Callable[[Fleet, Sequence[FleetSample]], int | Mapping[str, int]]


def load_autoscaler(namespace: Mapping[str, object], seed: int) -> Autoscaler:
    """The autoscaler that the module with this ``namespace`` defines, as a fresh instance.

    ``seed`` and errors as for :func:`sim.adapt.router.load_router`.
    """
    slot = SLOTS["autoscaler"]
    name, policy = find_policy(namespace, slot)
    owner = instantiate(policy, seed) if isinstance(policy, type) else policy
    return _Scale(owner, name, cast("Scale", method(owner, name, "scale", slot)))


class _Scale:
    """``scale`` with the interval that the design may state."""

    __slots__ = ("_name", "_owner", "scale")

    def __init__(self, owner: object, name: str, scale: Scale) -> None:
        self._owner = owner
        self._name = name
        self.scale = scale

    @property
    def interval_s(self) -> float | None:
        """How often it is asked, if not at the scenario's interval."""
        return seconds(self._owner, "interval_s", self._name)
