"""A design's router, in any of its four forms, as :class:`sim.api.Router`.

Standard library only: loaded inside the process of an untrusted design.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

from sim.adapt.loading import SLOTS, find_policy, instantiate, method, seconds
from sim.adapt.overlay import OverlaidCluster, OverlaidReplica
from sim.api import Cluster, HeldRequest, Replica, Router

Route = Callable[[Sequence[HeldRequest], Cluster], Iterable[tuple[HeldRequest, Replica]]]
Pick = Callable[[HeldRequest, Cluster], Replica | None]


def load_router(namespace: Mapping[str, object], seed: int) -> Router:
    """The router that the module with this ``namespace`` defines, as a fresh instance.

    ``seed`` goes to ``__init__`` if it has a parameter of that name. Raises PolicyInterfaceError for a module that
    isn't one router that can be called; what the design's own ``__init__`` raises passes through.
    """
    slot = SLOTS["router"]
    name, policy = find_policy(namespace, slot)
    owner = instantiate(policy, seed) if isinstance(policy, type) else policy
    if isinstance(policy, type):
        form = "route" if callable(getattr(policy, "route", None)) else "pick"
    else:
        form = name
    function = method(owner, name, form, slot)
    if form == "route":
        return _Route(owner, name, cast("Route", function))
    return _Pick(owner, name, cast("Pick", function))


class _Timed:
    """What a router has besides ``route``: ``timer_s``, read from the design whenever it is asked for."""

    __slots__ = ("_name", "_owner")

    def __init__(self, owner: object, name: str) -> None:
        self._owner = owner
        self._name = name

    @property
    def timer_s(self) -> float | None:
        """Asked again this long after it was last asked, while requests are held; None for never."""
        return seconds(self._owner, "timer_s", self._name)


class _Route(_Timed):
    """A bare ``route`` function, or a bound method, as a router."""

    __slots__ = ("route",)

    def __init__(self, owner: object, name: str, route: Route) -> None:
        super().__init__(owner, name)
        self.route = route


class _Pick(_Timed):
    """``pick`` as a router: requests are offered in order of arrival, and each one sees where the earlier went."""

    __slots__ = ("_pick",)

    def __init__(self, owner: object, name: str, pick: Pick) -> None:
        super().__init__(owner, name)
        self._pick = pick

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        overlay = OverlaidCluster(cluster)
        for request in list(queue):
            choice = self._pick(request, overlay)
            if choice is None:
                continue
            if isinstance(choice, OverlaidReplica):
                choice.assigned.append(request)
                choice = choice.base
            yield request, choice
