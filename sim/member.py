"""The members of the fleet: one slot per replica that there could be, what state it is in, and since when.

A slot is never taken away; a replica that was scaled down is *off* and may be started again under the same id. Only
what happens to replicas (:mod:`sim.lifecycle`) moves a member from one state to another.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from sim.api import Hardware
from sim.hardware import hardware_of
from sim.scenario import PoolSpec

State: TypeAlias = Literal["off", "starting", "ready", "draining", "down"]
STATES: tuple[State, ...] = get_args(State)
PAID: tuple[State, ...] = ("starting", "ready", "draining", "down")
"""States in which a replica's GPUs are paid for."""


class Member:
    """One slot. ``pool_index``: place of its pool in the scenario. ``accepts``: whether it is ready."""

    __slots__ = ("_ns_in", "accepts", "hardware", "id", "pool", "pool_index", "since_ns", "state")

    def __init__(self, member_id: int, pool_index: int, pool: PoolSpec, state: State) -> None:
        self.id = member_id
        self.pool_index = pool_index
        self.pool = pool
        self.hardware: Hardware = hardware_of(pool.cluster)
        self.state: State = state
        self.accepts = state == "ready"
        self.since_ns = 0
        self._ns_in: dict[State, int] = dict.fromkeys(STATES, 0)

    def enter(self, state: State, now_ns: int) -> None:
        self._ns_in[self.state] += now_ns - self.since_ns
        self.since_ns = now_ns
        self.state = state
        self.accepts = state == "ready"

    def ns_in(self, state: State, now_ns: int) -> int:
        """How long it has been in ``state`` by ``now_ns``, in ns."""
        spent = self._ns_in[state]
        return spent + now_ns - self.since_ns if state == self.state else spent


def members_of(pools: tuple[PoolSpec, ...]) -> list[Member]:
    """A member for every replica that the pools may have, ids counting through them; those of the start are ready."""
    members: list[Member] = []
    for index, pool in enumerate(pools):
        for place in range(pool.max_replicas):
            state: State = "ready" if place < pool.cluster.replicas else "off"
            members.append(Member(len(members), index, pool, state))
    return members
