"""The shipped policies: one readable file each, found by its name (``round_robin.py`` is ``round-robin``).

Standard library only. A shipped policy keeps to the same contract as a design (:mod:`sim.api`), so the same file can
also be run sealed in another process and must then make the same decisions. Two kinds are none (:mod:`sim.oracle`):
oracles, which lie in a folder of their own and are listed and measured, but whose names are never a router's; and
batch schedulers that need a length predictor, which are named :data:`PREDICTED`.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, cast

from sim.adapt import load_autoscaler, load_router, load_scheduler
from sim.adapt.scheduler import hooks_of
from sim.api import Autoscaler, Router
from sim.errors import UnknownPolicy
from sim.names import hint
from sim.oracle import Oracle, OutputTokens, Predicted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sim.hooks import SchedulerFactory

FOLDERS = {"router": "routers", "scheduler": "schedulers", "autoscaler": "autoscalers"}
"""Slots and the folders of their policies."""
ORACLES = "oracles"
ENGINE_RULES = "vllm-fcfs"
"""The batch scheduler that is the engine itself."""
PREDICTED = ("predicted-sjf",)


def policy_names(slot: str) -> list[str]:
    """Names of the policies that ship for ``slot``, without the oracles; UnknownPolicy for a slot that there is not."""
    return _names(_folder(slot))


def oracle_names(slot: str = "router") -> list[str]:
    """Names of the shipped oracles of ``slot``."""
    return _names(ORACLES) if slot == "router" else []


def policy_source(slot: str, name: str) -> str:
    """The text of the file of a policy or an oracle; UnknownPolicy names the nearest one if there is none."""
    folder = ORACLES if name in oracle_names(slot) else _folder(slot)
    return files("sim.policies").joinpath(folder, f"{_stem(folder, name)}.py").read_text("utf-8")


def policy_seed(seed: int) -> int:
    """What a policy gets as its seed in the run with this ``seed``: 0 to 255, from a hash.

    Of the workloads that it may be, so few numbers single out none: a policy that was told the run's seed itself could
    draw the workload again and know every output length.
    """
    return hashlib.sha256(f"policy {seed}".encode()).digest()[0]


def router_names() -> list[str]:
    """Names of the shipped routers, without the oracles."""
    return policy_names("router")


def router_source(name: str) -> str:
    """The text of the file of a router or an oracle."""
    return policy_source("router", name)


def make_router(name: str, seed: int) -> Router:
    """A fresh router of that name; UnknownPolicy names the nearest one if there is none."""
    return load_router(_namespace("router", name), seed)


def make_autoscaler(name: str, seed: int) -> Autoscaler:
    """A fresh autoscaler of that name; UnknownPolicy as :func:`make_router`."""
    return load_autoscaler(_namespace("autoscaler", name), seed)


def make_scheduler(name: str, seed: int) -> SchedulerFactory | Predicted | None:
    """What makes the batch schedulers of that name, None for the engine's own rules, which are ``vllm-fcfs``.

    For :class:`sim.engine.Policies`; UnknownPolicy as :func:`make_router`.
    """
    namespace = _namespace("scheduler", name)
    if name in PREDICTED:
        (policy,) = _own_classes(namespace, "admit")
        return Predicted(lambda tokens: lambda _replica: hooks_of(policy(tokens), name, policy.__name__))
    return None if name == ENGINE_RULES else load_scheduler(namespace, seed, name)


def make_oracle(name: str) -> Oracle:
    """The oracle of that name, for :class:`sim.engine.Policies`; UnknownPolicy as :func:`make_router`."""
    (router,) = _own_classes(vars(import_module(_module(ORACLES, name))), "route")
    return Oracle(cast("Callable[[OutputTokens], Router]", router))


def _own_classes(namespace: Mapping[str, object], form: str) -> list[type]:
    """Classes of a module itself that have the method ``form``."""
    classes = [value for value in namespace.values() if isinstance(value, type)]
    return [value for value in classes if value.__module__ == namespace["__name__"] and hasattr(value, form)]


def _namespace(slot: str, name: str) -> Mapping[str, object]:
    return vars(import_module(_module(_folder(slot), name)))


def _folder(slot: str) -> str:
    if slot not in FOLDERS:
        raise UnknownPolicy(f"There is no slot {slot!r}; {hint(slot, FOLDERS)}")
    return FOLDERS[slot]


def _names(folder: str) -> list[str]:
    place = files("sim.policies").joinpath(folder)
    stems = (entry.name.removesuffix(".py") for entry in place.iterdir() if entry.name.endswith(".py"))
    return sorted(stem.replace("_", "-") for stem in stems if stem != "__init__")


def _module(folder: str, name: str) -> str:
    return f"sim.policies.{folder}.{_stem(folder, name)}"


def _stem(folder: str, name: str) -> str:
    if name not in _names(folder):
        raise UnknownPolicy(f"There is no {folder.removesuffix('s')} {name!r}; {hint(name, _names(folder))}")
    return name.replace("-", "_")
