"""What policies are shown of the fleet: the replicas that exist, as they are or as they were when last scraped."""

from __future__ import annotations

from collections.abc import Sequence

from sim.alarms import FAR, Alarms
from sim.member import Member
from sim.replica import Replica
from sim.request import Request
from sim.views import ClusterView, Present, ReplicaView, StaleReplicaView


class FleetViews:
    """``cluster``: the view that policies get. ``due_ns``: when the replicas are scraped next, if they are at all."""

    def __init__(
        self,
        replicas: Sequence[Replica],
        members: Sequence[Member],
        requests: Sequence[Request],
        block_tokens: int,
        content_block_tokens: int,
        scrape_interval_ns: int,
        alarms: Alarms,
    ) -> None:
        """``scrape_interval_ns``: 0 for views that are never stale."""
        present = Present()
        fresh = [ReplicaView(*pair, present, requests) for pair in zip(replicas, members, strict=True)]
        self._members = members
        self._alarms = alarms
        self._interval_ns = scrape_interval_ns
        self._stale = [StaleReplicaView(*pair) for pair in zip(fresh, members, strict=True)]
        self._shown: Sequence[ReplicaView | StaleReplicaView] = self._stale if scrape_interval_ns else fresh
        self.cluster = ClusterView(present, block_tokens, content_block_tokens)
        self.due_ns = FAR
        if scrape_interval_ns:
            self._expect(0)

    def show(self) -> None:
        """Another set of replicas exists from now on."""
        existing = [view for view, member in zip(self._shown, self._members, strict=True) if member.state != "off"]
        self.cluster.show(existing)

    def scrape(self, now_ns: int) -> None:
        """The views show the present instant, after its iteration starts, until the next scrape."""
        self.cluster.at(now_ns, after_starts=True)
        for view in self._stale:
            view.scrape()
        self._expect(now_ns + self._interval_ns)

    def _expect(self, t_ns: int) -> None:
        self.due_ns = t_ns
        self._alarms.at(t_ns)
