"""Session affinity: every session to its own replica, by consistent hashing; without a session to the least asked one.

The session router of vLLM's production-stack (routing_logic.py): a hash ring, on which every replica has 160 places,
so that only a few sessions move when a replica comes or goes; a request without a session goes to the replica that got
the fewest requests in the last minute, the lowest id among equals.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence

from sim.api import NS_PER_S, Cluster, HeldRequest, Replica

PLACES = 160
WINDOW_S = 60
_MASK = 2**64 - 1


def scatter(number: int) -> int:
    """A 64-bit hash of a number (the finaliser of SplitMix64: Steele, Lea and Flood, OOPSLA 2014)."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


class SessionAffinity:
    def __init__(self) -> None:
        self._members: tuple[int, ...] = ()
        self._ring: list[tuple[int, int]] = []
        """Places on the ring and whose they are, in order."""
        self._sent: dict[int, deque[int]] = {}
        """Per replica when it got its requests of the last minute, in ns."""

    def route(self, queue: Sequence[HeldRequest], cluster: Cluster) -> Iterator[tuple[HeldRequest, Replica]]:
        replicas = {replica.id: replica for replica in cluster.replicas if replica.accepts}
        if not replicas:
            return
        self._build_ring(tuple(replicas))
        for request in queue:
            if request.session >= 0:
                chosen = self._of_session(request.session)
            else:
                chosen = min(replicas, key=lambda replica: (self._asked(replica, cluster.now_ns), replica))
            self._sent.setdefault(chosen, deque()).append(cluster.now_ns)
            yield request, replicas[chosen]

    def _build_ring(self, members: tuple[int, ...]) -> None:
        if members != self._members:
            self._members = members
            self._ring = sorted(
                (scatter(member * PLACES + place), member) for member in members for place in range(PLACES)
            )

    def _of_session(self, session: int) -> int:
        """The owner of the first place at or after the session's own; behind the last comes the first."""
        place = bisect_left(self._ring, (scatter(~session & _MASK), -1))
        return self._ring[place % len(self._ring)][1]

    def _asked(self, replica: int, now_ns: int) -> int:
        """Requests that the replica got in the last minute."""
        sent = self._sent.get(replica)
        if sent is None:
            return 0
        while sent and sent[0] <= now_ns - WINDOW_S * NS_PER_S:
            sent.popleft()
        return len(sent)
