"""Turns an executed design module into a :class:`sim.api.Router`, whichever of the four forms it has.

Standard library only: this module is also loaded inside the process of an untrusted design.

A design defines exactly one policy: a public class with ``route`` or ``pick``, or one of these as a module-level
function. Imported names don't count, nor do classes whose name starts with an underscore, nor a class that another
one of the file derives from.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

from sim.api import Cluster, Hardware, HeldRequest, Replica, ReplicaRequest, Router
from sim.errors import PolicyInterfaceError

FORMS = ("route", "pick")
Route = Callable[[Sequence[HeldRequest], Cluster], Iterable[tuple[HeldRequest, Replica]]]
Pick = Callable[[HeldRequest, Cluster], Replica | None]


def load_policy(namespace: Mapping[str, object], seed: int) -> Router:
    """The router that the module with this ``namespace`` defines.

    ``namespace`` is the module's globals after it was executed, with ``__name__`` set before. ``seed`` goes to
    ``__init__`` if it has a parameter of that name. Raises PolicyInterfaceError if the module defines no policy or
    several, or one that can't be called; what the design's own ``__init__`` raises passes through.
    """
    home = namespace.get("__name__")
    classes = [value for value in namespace.values() if isinstance(value, type) and _is_policy(value, home)]
    bases = {base for cls in classes for base in cls.__mro__[1:]}
    candidates: dict[str, object] = {cls.__name__: cls for cls in classes if cls not in bases}
    for form in FORMS:
        function = namespace.get(form)
        if inspect.isfunction(function) and function.__module__ == home:
            candidates[form] = function
    if not candidates:
        raise PolicyInterfaceError(
            "The design defines no policy: write one class or function with route(queue, cluster) "
            "or pick(request, cluster)."
        )
    if len(candidates) > 1:
        names = " and ".join(candidates)
        raise PolicyInterfaceError(f"The design defines {len(candidates)} policies ({names}): keep exactly one.")
    ((name, candidate),) = candidates.items()
    if isinstance(candidate, type):
        instance = _instantiate(candidate, seed)
        form = "route" if callable(getattr(candidate, "route", None)) else "pick"
        return _router(form, f"{name}.{form}", cast("Callable[..., object]", getattr(instance, form)))
    return _router(name, name, cast("Callable[..., object]", candidate))


def _is_policy(cls: type, home: object) -> bool:
    own = cls.__module__ == home and not cls.__name__.startswith("_")
    return own and any(callable(getattr(cls, form, None)) for form in FORMS)


def _instantiate(cls: type, seed: int) -> object:
    """An instance; its ``__init__`` may ask for ``seed`` and nothing else without a default."""
    try:
        signature = inspect.signature(cls)
    except (TypeError, ValueError):
        return cls()
    arguments = {"seed": seed} if "seed" in signature.parameters else {}
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise PolicyInterfaceError(
            f"{cls.__name__}.__init__ may have a parameter named 'seed' and others with defaults only: {error}."
        ) from error
    return cast("object", cls(**arguments))


def _router(form: str, name: str, function: Callable[..., object]) -> Router:
    parameters = "(queue, cluster)" if form == "route" else "(request, cluster)"
    try:
        inspect.signature(function).bind(None, None)
    except TypeError as error:
        raise PolicyInterfaceError(f"{name} must be callable as {form}{parameters}: {error}.") from error
    if form == "route":
        return _RouteFunction(cast("Route", function))
    return _PickFunction(cast("Pick", function))


class _RouteFunction:
    """A bare ``route`` function, or a bound method, as a router."""

    __slots__ = ("route",)

    def __init__(self, route: Route) -> None:
        self.route = route


class _PickFunction:
    """``pick`` as a router: requests are offered in order of arrival, and each one sees where the earlier went."""

    __slots__ = ("_pick",)

    def __init__(self, pick: Pick) -> None:
        self._pick = pick

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        overlay = _OverlaidCluster(cluster)
        for request in list(queue):
            choice = self._pick(request, overlay)
            if choice is None:
                continue
            if isinstance(choice, _OverlaidReplica):
                choice.assigned.append(request)
                choice = choice.base
            yield request, choice


class _OverlaidReplica:
    """A replica as it will be once the requests assigned in this call have reached its waiting queue."""

    __slots__ = ("assigned", "base")

    def __init__(self, base: Replica) -> None:
        self.base = base
        self.assigned: list[HeldRequest] = []

    @property
    def id(self) -> int:
        return self.base.id

    @property
    def accepts(self) -> bool:
        return self.base.accepts

    @property
    def state(self) -> str:
        return self.base.state

    @property
    def pool(self) -> str:
        return self.base.pool

    @property
    def hardware(self) -> Hardware:
        return self.base.hardware

    @property
    def num_waiting(self) -> int:
        return self.base.num_waiting + len(self.assigned)

    @property
    def num_running(self) -> int:
        return self.base.num_running

    @property
    def kv_blocks_used(self) -> int:
        return self.base.kv_blocks_used

    @property
    def kv_blocks_total(self) -> int:
        return self.base.kv_blocks_total

    @property
    def waiting(self) -> Sequence[ReplicaRequest]:
        return [*self.base.waiting, *map(_as_waiting, self.assigned)]

    @property
    def running(self) -> Sequence[ReplicaRequest]:
        return self.base.running

    def cached_tokens(self, request: HeldRequest) -> int:
        return self.base.cached_tokens(request)


def _as_waiting(held: HeldRequest) -> ReplicaRequest:
    return ReplicaRequest(
        id=held.id,
        arrival_ns=held.arrival_ns,
        prompt_tokens=held.prompt_tokens,
        processed_tokens=0,
        restarts=held.restarts,
        priority=held.priority,
        session=held.session,
        ttft_slo_ns=held.ttft_slo_ns,
    )


class _OverlaidCluster:
    __slots__ = ("_base", "_replicas")

    def __init__(self, base: Cluster) -> None:
        self._base = base
        self._replicas = tuple(_OverlaidReplica(replica) for replica in base.replicas)

    @property
    def now_ns(self) -> int:
        return self._base.now_ns

    @property
    def now_s(self) -> float:
        return self._base.now_s

    @property
    def block_tokens(self) -> int:
        return self._base.block_tokens

    @property
    def content_block_tokens(self) -> int:
        return self._base.content_block_tokens

    @property
    def replicas(self) -> Sequence[Replica]:
        return self._replicas
