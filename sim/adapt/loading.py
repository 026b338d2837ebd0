"""Finds the one policy that a design file defines, and makes an instance of it.

Standard library only: loaded inside the process of an untrusted design.

A policy is a public class with the methods of its slot, or one of these as a module-level function where the slot
allows that. Imported names don't count, nor do classes whose name starts with an underscore, nor a class that another
one of the file derives from. Of the other slots only what has their parameters by name counts as a policy too many: a
router may well have a helper with a method ``scale``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from sim.errors import PolicyInterfaceError


@dataclass(frozen=True, slots=True)
class Slot:
    """What a policy of one slot defines: ``forms`` maps a method's name to its parameters. ``a``: with its article.

    ``functions``: whether a module-level function will do.
    """

    name: str
    a: str
    forms: Mapping[str, tuple[str, ...]]
    functions: bool

    def written(self, form: str) -> str:
        return f"{form}({', '.join(self.forms[form])})"


SLOTS: Mapping[str, Slot] = MappingProxyType(
    {
        "router": Slot("router", "a router", {"route": ("queue", "cluster"), "pick": ("request", "cluster")}, True),
        "scheduler": Slot(
            "scheduler",
            "a batch scheduler",
            {
                "admit": ("waiting", "engine"),
                "chunk": ("request", "budget", "engine"),
                "victim": ("candidates", "engine"),
            },
            False,
        ),
        "autoscaler": Slot("autoscaler", "an autoscaler", {"scale": ("fleet", "history")}, True),
    }
)

_WANTED = MappingProxyType(
    {
        "router": "one class or function with route(queue, cluster) or pick(request, cluster)",
        "scheduler": "one class with admit(waiting, engine), chunk(request, budget, engine) or "
        "victim(candidates, engine), or several of them",
        "autoscaler": "one class or function with scale(fleet, history)",
    }
)


def find_policy(namespace: Mapping[str, object], slot: Slot) -> tuple[str, object]:
    """The name of the only policy in an executed module, and the policy: a class or a function.

    ``namespace`` is the module's globals, with ``__name__`` set before it was executed. Raises PolicyInterfaceError if
    there is none of the ``slot`` (naming the slot that the file fits) or more than one.
    """
    candidates = _candidates(namespace, slot)
    others = {other.name: _candidates(namespace, other) for other in SLOTS.values() if other is not slot}
    if not candidates:
        raise PolicyInterfaceError(_none(slot, others))
    second = [
        f"{name}, {SLOTS[other].a}"
        for other, found in others.items()
        for name, policy in found.items()
        if _has_parameters(policy, SLOTS[other])
    ]
    if second and len(candidates) == 1:
        second.insert(0, f"{next(iter(candidates))}, {slot.a}")
        raise PolicyInterfaceError(
            f"The design defines {len(second)} policies ({'; '.join(second)}): keep exactly one."
        )
    if len(candidates) > 1:
        names = " and ".join(candidates)
        raise PolicyInterfaceError(f"The design defines {len(candidates)} policies ({names}): keep exactly one.")
    ((name, policy),) = candidates.items()
    return name, policy


def instantiate(cls: type, seed: int) -> object:
    """An instance; its ``__init__`` may ask for ``seed`` and nothing else without a default.

    What the design's own ``__init__`` raises passes through.
    """
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


def method(policy: object, name: str, form: str, slot: Slot) -> Callable[..., object]:
    """The function ``policy`` itself, or its method ``form``, once it can be called as the slot calls it."""
    function = policy if inspect.isfunction(policy) else getattr(policy, form)
    try:
        inspect.signature(function).bind(*slot.forms[form])
    except TypeError as error:
        what = name if function is policy else f"{name}.{form}"
        raise PolicyInterfaceError(f"{what} must be callable as {slot.written(form)}: {error}.") from error
    return cast("Callable[..., object]", function)


def seconds(owner: object, attribute: str, name: str) -> float | None:
    """An optional attribute that is a time in seconds, read anew at every call; None if there is none."""
    value = getattr(owner, attribute, None)
    if value is None:
        return None
    plain = plain_seconds(value)
    if plain is None:
        raise PolicyInterfaceError(f"{name}.{attribute} must be a number of seconds above 0, not {short(value, 60)}.")
    return plain


def short(value: object, most: int = 80) -> str:
    """What a design's value is called in a message: at most ``most`` characters, and the same in every run."""
    try:
        text = without_addresses(repr(value))
    except Exception:  # a design's own __repr__, or a number too long to be written
        text = f"<{type(value).__name__}>"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def without_addresses(text: str) -> str:
    """``text`` without where an object lies in memory, which differs from run to run."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def plain_seconds(value: object) -> float | None:
    """A number of seconds from 1e-9 to 1e9 as a plain float; None for all else.

    What a subclass of a number says of itself (how it compares, what it converts to) isn't asked.
    """
    plain: int | float
    if isinstance(value, float):
        plain = float.__float__(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        plain = int.__int__(value)
    else:
        return None
    return float(plain) if 1e-9 <= plain <= 1e9 else None


def whole_number(owner: object, attribute: str, name: str) -> int | None:
    """An optional attribute that counts something, read anew at every call; None if there is none."""
    value = getattr(owner, attribute, None)
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= 2**62:
        raise PolicyInterfaceError(f"{name}.{attribute} must be a whole number from 1 up, not {short(value, 60)}.")
    return value


def _candidates(namespace: Mapping[str, object], slot: Slot) -> dict[str, object]:
    home = namespace.get("__name__")
    classes = [value for value in namespace.values() if isinstance(value, type) and _is_policy(value, home, slot)]
    bases = {base for cls in classes for base in cls.__mro__[1:]}
    found: dict[str, object] = {cls.__name__: cls for cls in classes if cls not in bases}
    for form in slot.forms if slot.functions else ():
        function = namespace.get(form)
        if inspect.isfunction(function) and function.__module__ == home:
            found[form] = function
    return found


def _is_policy(cls: type, home: object, slot: Slot) -> bool:
    own = cls.__module__ == home and not cls.__name__.startswith("_")
    return own and any(callable(getattr(cls, form, None)) for form in slot.forms)


def _has_parameters(policy: object, slot: Slot) -> bool:
    """Whether a method or function of a slot's name also has its parameters, by name: then it is no helper."""
    for form, parameters in slot.forms.items():
        function = policy if inspect.isfunction(policy) else getattr(policy, form, None)
        if not callable(function):
            continue
        try:
            names = [name for name in inspect.signature(function).parameters if name != "self"]
        except (TypeError, ValueError):
            continue
        if names == list(parameters):
            return True
    return False


def _none(slot: Slot, others: Mapping[str, Mapping[str, object]]) -> str:
    fitting = [(SLOTS[name], found) for name, found in others.items() if found]
    if not fitting:
        return f"The design defines no policy: write {_WANTED[slot.name]}."
    other, found = fitting[0]
    return (
        f"The design defines no policy for the {slot.name} slot: {next(iter(found))} is {other.a}, so it fits the "
        f"{other.name} slot; or write {_WANTED[slot.name]}."
    )
