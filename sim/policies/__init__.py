"""The shipped policies: one readable file each, found by its name (``round_robin.py`` is ``round-robin``).

Standard library only. A shipped policy keeps to the same contract as a design (:mod:`sim.api`), so the same file
can also be run sealed in another process and must then make the same decisions.
"""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.resources import files

from sim.adapt import load_policy
from sim.api import Router
from sim.errors import UnknownPolicy
from sim.names import hint


def router_names() -> list[str]:
    """Names of the shipped routers."""
    folder = files("sim.policies").joinpath("routers")
    stems = (entry.name.removesuffix(".py") for entry in folder.iterdir() if entry.name.endswith(".py"))
    return sorted(stem.replace("_", "-") for stem in stems if stem != "__init__")


def make_router(name: str, seed: int) -> Router:
    """A fresh router of that name; UnknownPolicy names the nearest one if there is none."""
    return load_policy(vars(import_module(f"sim.policies.routers.{_stem(name)}")), seed)


def router_source(name: str) -> str:
    """The text of the router's file."""
    return files("sim.policies").joinpath("routers", f"{_stem(name)}.py").read_text("utf-8")


def router_summary(name: str) -> str:
    """The first line of the docstring of the router's file."""
    docstring = ast.get_docstring(ast.parse(router_source(name))) or ""
    return docstring.partition("\n")[0]


def _stem(name: str) -> str:
    if name not in router_names():
        raise UnknownPolicy(f"There is no router {name!r}; {hint(name, router_names())}")
    return name.replace("-", "_")
