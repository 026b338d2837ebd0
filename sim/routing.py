"""The router: what it holds, when it is asked, and what its answers may be.

It is asked once at an instant at which it is due and requests are held. Its answer is checked whole before any of it
takes effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from sim.adapt.loading import plain_seconds, short
from sim.alarms import FAR, Alarms
from sim.api import NS_PER_S, Router
from sim.decisions import checked_decisions
from sim.errors import IllegalDecision
from sim.views import ClusterView, HeldQueue

MIN_TIMER_S = 1e-3


class Routing:
    """``due``: at the next instant that comes to it. ``due_ns``: when it hears of a request that outgrew its replica.

    ``timer_ns``: when its own timer runs out.
    """

    __slots__ = ("_alarms", "_cluster", "_most_prompt_tokens", "_name", "_router", "due", "due_ns", "held", "timer_ns")

    def __init__(
        self,
        router: Router,
        name: str,
        cluster: ClusterView,
        most_prompt_tokens: Sequence[int] | None,
        alarms: Alarms,
    ) -> None:
        """``most_prompt_tokens``: of a request that each replica could admit, None if every replica can admit all."""
        self.held = HeldQueue()
        self.due = False
        self.due_ns = FAR
        self.timer_ns = FAR
        self._router = router
        self._name = name
        self._cluster = cluster
        self._most_prompt_tokens = most_prompt_tokens
        self._alarms = alarms

    def ask(self, now_ns: int) -> list[tuple[int, int]]:
        """The (request id, replica id) pairs that the router decides on; what they name is no longer held.

        Something must be held.
        """
        self.due, self.due_ns, self.timer_ns = False, FAR, FAR
        held = self.held
        answer = self._pairs(self._router.route(held, self._cluster.at(now_ns)), now_ns)
        held.forget_new()
        pairs = checked_decisions(answer, held, self._cluster.by_id, self._name, now_ns)
        if self._most_prompt_tokens is not None:
            self._check_sizes(pairs, self._most_prompt_tokens, now_ns)
        held.remove(pairs)
        if held.by_id:
            self._set_timer(now_ns)
        return pairs

    def due_after(self, now_ns: int) -> None:
        """The router is asked one nanosecond later: its turn at this instant is over."""
        self.due_ns = now_ns + 1
        self._alarms.at(self.due_ns)

    def _pairs(self, answer: object, now_ns: int) -> list[object]:
        """The answer as a list; one pair more than requests are held is illegal already, and the rest isn't asked for:
        a generator may have no end."""
        if not isinstance(answer, Iterable):
            words = f"route must return (request, replica) pairs, but it returned {type(answer).__name__}"
            raise IllegalDecision(self._name, now_ns, words)
        return list(islice(answer, len(self.held) + 1))

    def _set_timer(self, now_ns: int) -> None:
        value: object = getattr(self._router, "timer_s", None)
        if value is None:
            return
        timer_s = plain_seconds(value)
        if timer_s is None:
            raise IllegalDecision(self._name, now_ns, f"timer_s is {short(value)}, not a number of seconds above 0")
        if timer_s < MIN_TIMER_S:
            raise IllegalDecision(
                self._name, now_ns, f"a timer_s of {timer_s:g} is too short, it must be {MIN_TIMER_S:g} at least"
            )
        self.timer_ns = now_ns + round(timer_s * NS_PER_S)
        self._alarms.at(self.timer_ns)

    def _check_sizes(self, pairs: Sequence[tuple[int, int]], most: Sequence[int], now_ns: int) -> None:
        for request_id, replica_id in pairs:
            prompt_tokens = self.held.by_id[request_id].prompt_tokens
            if prompt_tokens > most[replica_id]:
                reason = (
                    f"its prompt of {prompt_tokens} tokens can never fit replica {replica_id}, which takes "
                    f"{most[replica_id]} at most"
                )
                raise IllegalDecision(self._name, now_ns, f"request {request_id}: {reason}")
