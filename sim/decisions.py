"""Checks what a router answered before any of it takes effect: an illegal decision never corrupts a run."""

from __future__ import annotations

from collections.abc import Sequence

from sim.errors import IllegalDecision
from sim.views import HeldQueue, ReplicaView

_PAIR = (tuple, list)


def checked_decisions(
    answer: Sequence[object], held: HeldQueue, replicas: Sequence[ReplicaView], router: str, now_ns: int
) -> list[tuple[int, int]]:
    """The (request id, replica id) pairs of a router's whole answer.

    Raises IllegalDecision, naming the router, the simulated time and the decision, for anything but pairs of a held
    request and a replica that accepts, each request at most once.
    """
    pairs: list[tuple[int, int]] = []
    assigned: set[int] = set()
    for item in answer:
        if not isinstance(item, _PAIR) or len(item) != 2:
            raise IllegalDecision(router, now_ns, f"{_short(item)} is not a (request, replica) pair")
        request_id, replica_id = getattr(item[0], "id", None), getattr(item[1], "id", None)
        if type(request_id) is not int or type(replica_id) is not int:
            raise IllegalDecision(router, now_ns, f"{_short(item)} is not a (request, replica) pair")
        if request_id in assigned:
            raise IllegalDecision(router, now_ns, f"request {request_id} was assigned twice in one answer")
        if not held.holds(request_id):
            raise IllegalDecision(router, now_ns, f"request {request_id} is not held at the router")
        if not 0 <= replica_id < len(replicas):
            reason = f"there is no replica {replica_id} (known are 0 to {len(replicas) - 1})"
            raise IllegalDecision(router, now_ns, f"request {request_id}: {reason}")
        if not replicas[replica_id].accepts:
            reason = f"replica {replica_id} accepts no requests"
            raise IllegalDecision(router, now_ns, f"request {request_id}: {reason}")
        assigned.add(request_id)
        pairs.append((request_id, replica_id))
    return pairs


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
