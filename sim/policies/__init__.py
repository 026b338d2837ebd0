"""The shipped policies: one readable file each, found by its name (``round_robin.py`` is ``round-robin``).

Standard library only. A shipped router keeps to the same contract as a design (:mod:`sim.api`), so the same file
can also be run sealed in another process and must then make the same decisions. Oracles (:mod:`sim.oracle`) lie in
a folder of their own: they are listed and measured, but no name of theirs is ever a router's.
"""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, cast

from sim.adapt import load_policy
from sim.api import Router
from sim.errors import UnknownPolicy
from sim.names import hint
from sim.oracle import Oracle, OutputTokens

if TYPE_CHECKING:
    from collections.abc import Callable

ROUTERS, ORACLES = "routers", "oracles"


def router_names() -> list[str]:
    """Names of the shipped routers, without the oracles."""
    return _names(ROUTERS)


def oracle_names() -> list[str]:
    """Names of the shipped oracles."""
    return _names(ORACLES)


def make_router(name: str, seed: int) -> Router:
    """A fresh router of that name; UnknownPolicy names the nearest one if there is none."""
    return load_policy(vars(import_module(_module(ROUTERS, name))), seed)


def make_oracle(name: str) -> Oracle:
    """The oracle of that name, for :class:`sim.engine.Policies`; UnknownPolicy as :func:`make_router`."""
    module = import_module(_module(ORACLES, name))
    classes = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    (router,) = (value for value in classes if hasattr(value, "route"))
    return Oracle(cast("Callable[[OutputTokens], Router]", router))


def router_source(name: str) -> str:
    """The text of the file of a router or an oracle."""
    folder = ORACLES if name in oracle_names() else ROUTERS
    return files("sim.policies").joinpath(folder, f"{_stem(folder, name)}.py").read_text("utf-8")


def router_summary(name: str) -> str:
    """The first line of the docstring of that file."""
    docstring = ast.get_docstring(ast.parse(router_source(name))) or ""
    return docstring.partition("\n")[0]


def _names(folder: str) -> list[str]:
    entries = files("sim.policies").joinpath(folder).iterdir()
    stems = (entry.name.removesuffix(".py") for entry in entries if entry.name.endswith(".py"))
    return sorted(stem.replace("_", "-") for stem in stems if stem != "__init__")


def _module(folder: str, name: str) -> str:
    return f"sim.policies.{folder}.{_stem(folder, name)}"


def _stem(folder: str, name: str) -> str:
    if name not in _names(folder):
        raise UnknownPolicy(f"There is no {folder.removesuffix('s')} {name!r}; {hint(name, _names(folder))}")
    return name.replace("-", "_")
