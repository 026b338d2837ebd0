"""The library of router mechanisms, and how they are composed into the source of a design.

A :class:`RouterSpec` says which mechanisms are on and with which constants; :func:`compose` writes the Python a
person would sign. The library holds mechanisms only: which of them help, and with which constants, is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import JsonValue

Order = Literal["arrival", "shortest-prompt"]
Placement = Literal["fewest-requests", "least-kv"]

MECHANISMS: dict[str, str] = {
    "head-room": "hold a request at the router until a replica has KV blocks for its prompt and some output",
    "shortest-prompt": "send held requests shortest prompt first (needs head-room: only a held queue can be ordered)",
    "least-kv": "place a request on the replica with the fewest committed KV blocks instead of the fewest requests",
    "waiting-bound": "a request that was held longer than a bound goes before all others",
}
"""What ``try`` and ``avoid`` can name."""


@dataclass(frozen=True, slots=True)
class RouterSpec:
    """``headroom``: on or off. ``reserve_tokens``: output allowance per admitted request. ``margin``: share of a
    replica's KV blocks kept free. ``wait_bound_s``: 0 is off."""

    headroom: bool = False
    reserve_tokens: int = 0
    margin: float = 0.0
    order: Order = "arrival"
    placement: Placement = "fewest-requests"
    wait_bound_s: float = 0.0

    @property
    def mechanisms(self) -> tuple[str, ...]:
        on = {
            "head-room": self.headroom,
            "shortest-prompt": self.order == "shortest-prompt",
            "least-kv": self.placement == "least-kv",
            "waiting-bound": self.wait_bound_s > 0,
        }
        return tuple(name for name, used in on.items() if used)

    def to_json(self) -> dict[str, JsonValue]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, settings: Mapping[str, JsonValue]) -> RouterSpec | None:
        """The spec behind a design's ``settings``; ``None`` if they aren't from this library."""
        known = {name: settings[name] for name in cls.__slots__ if name in settings}
        return cls(**known) if len(known) == len(cls.__slots__) else None  # type: ignore[arg-type]

    def without(self, mechanism: str) -> RouterSpec:
        """The spec with one mechanism taken out and everything else as it was.

        Head-room can't be taken out under an order (nothing would be held): its allowance and margin go to zero,
        so that a request is held only until its prompt fits.
        """
        match mechanism:
            case "head-room" if self.order == "arrival" and not self.wait_bound_s:
                return replace(self, headroom=False, reserve_tokens=0, margin=0.0)
            case "head-room":
                return replace(self, reserve_tokens=0, margin=0.0)
            case "shortest-prompt":
                return replace(self, order="arrival", wait_bound_s=0.0)
            case "least-kv":
                return replace(self, placement="fewest-requests")
            case "waiting-bound":
                return replace(self, wait_bound_s=0.0)
            case _:
                raise ValueError(mechanism)


def compose(name: str, spec: RouterSpec, parent: str) -> str:
    """The source of a design file for ``spec``. ``name`` and ``parent`` are slugs."""
    parts = [_docstring(name, spec, parent), "from __future__ import annotations\n"]
    uses_kv = spec.headroom or spec.placement == "least-kv"
    if uses_kv:
        parts.append("from math import ceil\n")
    parts.append(_constants(spec))
    if uses_kv:
        parts.append(_blocks(spec))
    parts.append("\nclass Router:\n" + _summary(spec) + "\n" + _route(spec))
    if spec.order == "shortest-prompt" or spec.wait_bound_s:
        parts.append(_order(spec))
    if uses_kv:
        parts.append(_committed())
    return "\n".join(part for part in parts if part)


def _docstring(name: str, spec: RouterSpec, parent: str) -> str:
    lines = "\n".join(f"* {key}: {MECHANISMS[key]}" for key in spec.mechanisms) or "* none"
    return (
        f'"""{name}: a request router made from {parent}.\n\nMechanisms:\n{lines}\n\n'
        'Composed by Glia\'s offline researcher (rule-based) from its library of mechanisms.\n"""\n'
    )


def _constants(spec: RouterSpec) -> str:
    lines = []
    if spec.headroom:
        lines += [
            f"RESERVE_TOKENS = {spec.reserve_tokens}  # KV allowance for the output of a request not yet running",
            f"MARGIN = {spec.margin}  # share of a replica's KV blocks that is kept free for decoding requests",
        ]
    if spec.wait_bound_s:
        lines.append(f"WAIT_BOUND_S = {spec.wait_bound_s}  # held longer than this: goes first")
    return "\n".join(lines) + "\n" if lines else ""


def _summary(spec: RouterSpec) -> str:
    held = "Holds requests at the router and admits them" if spec.headroom else "Sends every request at once"
    return f'    """{held}; see the module\'s docstring."""\n'


def _route(spec: RouterSpec) -> str:
    ordered = spec.order == "shortest-prompt" or bool(spec.wait_bound_s)
    source = "self._in_order(queue, cluster.now_ns)" if ordered else "queue"
    uses_kv = spec.headroom or spec.placement == "least-kv"
    lines = [
        "    def route(self, queue, cluster):",
        "        replicas = [replica for replica in cluster.replicas if replica.accepts]",
        "        requests = {replica.id: replica.num_waiting + replica.num_running for replica in replicas}",
    ]
    if uses_kv:
        lines.append(
            "        committed = {replica.id: self._committed(replica, cluster.block_tokens) for replica in replicas}"
        )
    lines.append(f"        for request in {source}:")
    if uses_kv:
        lines.append("            need = blocks(request, cluster.block_tokens)")
    pool = "replicas"
    if spec.headroom:
        pool = "fitting"
        lines += [
            "            fitting = [",
            "                replica",
            "                for replica in replicas",
            "                if committed[replica.id] + need <= (1 - MARGIN) * replica.kv_blocks_total",
            "                or committed[replica.id] == 0  # an empty replica takes anything",
            "            ]",
            "            if not fitting:",
            "                return  # the first in order waits for room; nobody behind it may take it",
        ]
    else:
        lines += ["            if not replicas:", "                return"]
    key = (
        "(committed[replica.id], requests[replica.id], replica.id)"
        if spec.placement == "least-kv"
        else "(requests[replica.id], replica.id)"
    )
    lines += [
        f"            best = min({pool}, key=lambda replica: {key})",
        "            yield request, best",
        "            requests[best.id] += 1",
    ]
    if uses_kv:
        lines.append("            committed[best.id] += need")
    return "\n".join(lines) + "\n"


def _order(spec: RouterSpec) -> str:
    rest = "request.prompt_tokens, " if spec.order == "shortest-prompt" else ""
    if not spec.wait_bound_s:
        return (
            "    def _in_order(self, queue, now_ns):\n"
            f"        return sorted(queue, key=lambda request: ({rest}request.arrival_ns, request.id))\n"
        )
    return (
        "    def _in_order(self, queue, now_ns):\n"
        "        overdue_ns = now_ns - int(WAIT_BOUND_S * 1_000_000_000)\n"
        "        overdue = [request for request in queue if request.arrival_ns <= overdue_ns]\n"
        "        others = [request for request in queue if request.arrival_ns > overdue_ns]\n"
        f"        others.sort(key=lambda request: ({rest}request.arrival_ns, request.id))\n"
        "        return overdue + others\n"
    )


def _committed() -> str:
    return (
        "    def _committed(self, replica, block_tokens):\n"
        '        """KV blocks in use, and those that the requests waiting at the replica will take."""\n'
        "        waiting = sum(blocks(request, block_tokens) for request in replica.waiting)\n"
        "        return replica.kv_blocks_used + waiting\n"
    )


def _blocks(spec: RouterSpec) -> str:
    what = "the prompt and the output allowance" if spec.headroom else "the prompt"
    tokens = "request.prompt_tokens + RESERVE_TOKENS" if spec.headroom else "request.prompt_tokens"
    return (
        "\ndef blocks(request, block_tokens):\n"
        f'    """KV blocks for {what}."""\n'
        f"    return ceil(({tokens}) / block_tokens)\n".replace(
            "((request.prompt_tokens) /", "(request.prompt_tokens /"
        )
    )
