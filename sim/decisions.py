"""Checks what a policy answered before any of it takes effect: an illegal decision never corrupts a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.adapt.loading import short
from sim.api import Replica
from sim.errors import IllegalDecision
from sim.names import hint
from sim.views import HeldQueue

ROUTED, ADMITTED, PREEMPTED, WANTED = 0, 1, 2, 3
"""Kinds of decisions as they are hashed (``docs/simulator-rules.md``)."""
_PAIR = (tuple, list)


def checked_decisions(
    answer: Sequence[object], held: HeldQueue, replicas: Mapping[int, Replica], router: str, now_ns: int
) -> list[tuple[int, int]]:
    """The (request id, replica id) pairs of a router's whole answer; ``replicas``: those that exist, by id.

    Raises IllegalDecision, naming the router, the simulated time and the decision, for anything but pairs of a held
    request and a replica that accepts, each request at most once.
    """
    pairs: list[tuple[int, int]] = []
    assigned: set[int] = set()
    by_id = held.by_id
    for item in answer:
        if not isinstance(item, _PAIR) or len(item) != 2:
            raise IllegalDecision(router, now_ns, f"{short(item)} is not a (request, replica) pair")
        request_id, replica_id = getattr(item[0], "id", None), getattr(item[1], "id", None)
        if type(request_id) is not int or type(replica_id) is not int:
            raise IllegalDecision(router, now_ns, f"{short(item)} is not a (request, replica) pair")
        if request_id in assigned:
            raise IllegalDecision(router, now_ns, f"request {request_id} was assigned twice in one answer")
        if request_id not in by_id:
            raise IllegalDecision(router, now_ns, f"request {request_id} is not held at the router")
        replica = replicas.get(replica_id)
        if replica is None or not replica.accepts:
            reason = _unavailable(replica_id, replica, list(replicas))
            raise IllegalDecision(router, now_ns, f"request {request_id}: {reason}")
        assigned.add(request_id)
        pairs.append((request_id, replica_id))
    return pairs


def _unavailable(replica_id: int, replica: Replica | None, known: Sequence[int]) -> str:
    if replica is not None:
        return f"replica {replica_id} accepts no requests, it is {replica.state}"
    if not known:
        return f"there is no replica {replica_id}, nor any other"
    every = list(known) == list(range(known[0], known[-1] + 1))
    names = f"{known[0]} to {known[-1]}" if every and len(known) > 1 else ", ".join(map(str, known))
    return f"there is no replica {replica_id} (known are {names})"


def checked_wanted(answer: object, pools: Sequence[str], autoscaler: str, now_ns: int) -> dict[int, int]:
    """The replicas that an autoscaler wants, by the place of the pool; pools that it doesn't name are left out.

    Raises IllegalDecision for anything but a whole number from 0 up (of a fleet with one pool) or a mapping of pools'
    names to such numbers.
    """

    def illegal(decision: str) -> IllegalDecision:
        return IllegalDecision(autoscaler, now_ns, decision, slot="Autoscaler")

    if isinstance(answer, Mapping):
        wanted = dict(answer)
    elif len(pools) == 1:
        wanted = {pools[0]: answer}
    else:
        raise illegal(f"{short(answer)} is no mapping from pools ({', '.join(pools)}) to replicas")
    for pool, replicas in wanted.items():
        if not isinstance(pool, str) or pool not in pools:
            raise illegal(f"there is no pool {short(pool)}; {hint(str(pool), pools)}")
        if type(replicas) is not int or replicas < 0:
            raise illegal(f"{short(replicas)} is no number of replicas of pool {pool!r}")
    return {pools.index(pool): replicas for pool, replicas in wanted.items()}
