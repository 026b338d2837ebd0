"""A design's batch scheduler as the engine asks it: one instance for every replica.

Standard library only: loaded inside the process of an untrusted design.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from sim.adapt.loading import SLOTS, find_policy, instantiate, method, whole_number
from sim.errors import PolicyInterfaceError
from sim.hooks import Admit, Chunk, SchedulerFactory, SchedulerHooks, Victim


def load_scheduler(namespace: Mapping[str, object], seed: int, called: str = "") -> SchedulerFactory:
    """What makes the schedulers that the module with this ``namespace`` defines, a fresh instance at every call.

    ``seed`` goes to ``__init__`` if it has a parameter of that name, the same for every replica. ``called``: what
    messages call it, the class's name if nothing else is said. Raises PolicyInterfaceError for a module that isn't one
    scheduler, and so does the factory for one whose methods can't be called.
    """
    name, policy = find_policy(namespace, SLOTS["scheduler"])
    if not isinstance(policy, type):
        raise PolicyInterfaceError(f"{name} must be a class: every replica has an instance of its own.")

    def make(_replica: int) -> SchedulerHooks:
        return hooks_of(instantiate(policy, seed), called or name, name)

    return make


def hooks_of(scheduler: object, called: str, name: str) -> SchedulerHooks:
    """The hooks of an instance of the class ``name``."""

    def hook(form: str) -> Callable[..., object] | None:
        if not callable(getattr(scheduler, form, None)):
            return None
        return method(scheduler, name, form, SLOTS["scheduler"])

    return SchedulerHooks(
        name=called,
        admit=cast("Admit | None", hook("admit")),
        chunk=cast("Chunk | None", hook("chunk")),
        victim=cast("Victim | None", hook("victim")),
        wake_iterations=lambda: whole_number(scheduler, "wake_iterations", name),
    )
