"""One run: arrivals, router, replicas and telemetry on a simpy event queue, in integer nanoseconds.

What is due at one instant happens in a declared order, whatever the number and order of kernel events:

0. iteration ends, by replica id;
1. arrivals, by request id;
2. the router, asked once if anything arrived or left and requests are held;
3. iteration starts of idle replicas with work, by replica id;
4. the telemetry sample, which changes nothing.

A kernel event is only an alarm for an instant; :meth:`Run._instant` then does everything due at it. A replica runs
ahead over iterations that nobody but itself takes part in (:mod:`sim.replica`), with one alarm for the end of the
stretch; an alarm whose stretch was cut short finds nothing due and is without effect. A request that outgrows its
replica leaves at an iteration's start, after the router was asked: the router hears of it one nanosecond later. A run
ends when nothing can happen any more; what is then still held or waiting is unfinished.
"""

from __future__ import annotations

from array import array

import simpy
from simpy.events import Timeout

from sim.api import NS_PER_S, Router
from sim.cost import cost_of
from sim.decisions import checked_decisions
from sim.errors import ConservationError
from sim.hooks import SchedulerFactory
from sim.member import members_of
from sim.replica import Replica
from sim.request import NEVER, Outcome, Request, requests_of
from sim.scenario import Scenario
from sim.telemetry import USAGE_DIGITS, Observer, TelemetryRow, row_limit
from sim.views import ClusterView, HeldQueue, Present, ReplicaView
from sim.workload import Workload

ROUTED = 0
"""Kind of a decision."""


class Run:
    """The state of one simulation. ``end_ns``: the last instant at which anything happened."""

    def __init__(
        self,
        scenario: Scenario,
        router: Router,
        router_name: str,
        workload: Workload,
        observer: Observer | None,
        scheduler: SchedulerFactory | None = None,
    ) -> None:
        spec = scenario.cluster
        cost = cost_of(scenario.pools[0])
        self.requests = requests_of(workload)
        self.rows: list[TelemetryRow] = []
        self.decisions = array("q")
        """Time, kind, request and replica of every decision, one after the other (see docs/simulator-rules.md)."""
        self.end_ns = 0
        self._row_limit = row_limit(scenario.cluster.replicas)
        self.interval_ns = round(scenario.telemetry_interval_s * NS_PER_S)
        self._router = router
        self._router_name = router_name
        self._observer = observer
        self._env = simpy.Environment()
        self._now_ns = 0
        self._alarms: dict[int, list[int]] = {}
        """Instants that have an alarm, each with the ids of the replicas whose stretch ends then, if not cut since."""
        self._content_block_tokens = content = workload.content_block_tokens
        self._replicas = [
            Replica(
                index,
                scenario.pools[0],
                scenario.engine,
                cost,
                None if scheduler is None else scheduler(index),
                self.decisions,
                content,
            )
            for index in range(spec.replicas)
        ]
        self._stretch_end_ns = [NEVER] * spec.replicas
        self._busy = 0
        self._startable: list[int] = []
        """Ids of the idle replicas that this instant gave work or freed."""
        self._most_prompt_tokens = self._replicas[0].most_prompt_tokens
        self._held = HeldQueue()
        self._members = members_of(scenario.pools)
        present = Present()
        views = [ReplicaView(*pair, present) for pair in zip(self._replicas, self._members, strict=True)]
        self._cluster = ClusterView(views, present, spec.block_tokens, workload.content_block_tokens)
        self._arrived = 0
        self._next_arrival_ns = NEVER
        self._router_due = False
        self._router_due_ns = NEVER
        """When the router hears of a request that outgrew its replica."""
        self._next_sample_ns = NEVER
        self._finished = 0
        self._completion_ns = 0

    def execute(self, telemetry: bool) -> None:
        """Runs until nothing can happen any more, then ends what is left and checks that nothing was lost."""
        if telemetry:
            self._next_sample_ns = 0
            self._wake_at(0)
        self._expect_arrival()
        self._env.run()
        for request in self.requests:
            if request.outcome is None:
                self._end(request, "unfinished", NEVER)
        self._check_conservation()

    def block_ns(self) -> int:
        """Integral of all replicas' used KV blocks over the run, in block * ns."""
        return sum(replica.block_ns(self.end_ns) for replica in self._replicas)

    def _wake_at(self, t_ns: int) -> list[int]:
        """Sets an alarm if there is none; returns the replicas whose stretch ends then, to be added to."""
        ending = self._alarms.get(t_ns)
        if ending is None:
            ending = self._alarms[t_ns] = []
            Timeout(self._env, t_ns - self._now_ns).callbacks.append(self._instant)
        return ending

    def _expect_arrival(self) -> None:
        """Notes when the next request arrives and sets an alarm for it."""
        if self._arrived == len(self.requests):
            self._next_arrival_ns = NEVER
            return
        arrival_ns = self.requests[self._arrived].arrival_ns
        if arrival_ns != self._next_arrival_ns:
            self._next_arrival_ns = arrival_ns
            self._wake_at(arrival_ns)

    def _instant(self, _alarm: simpy.Event) -> None:
        self._now_ns = now_ns = int(self._env.now)
        ending = self._alarms.pop(now_ns)
        if ending:
            self._end_stretches(ending, now_ns)
        if self._next_arrival_ns == now_ns:
            self._arrive(now_ns)
        if self._router_due or self._router_due_ns == now_ns:
            self._route(now_ns)
        if self._startable:
            self._start_stretches(now_ns)
        if self._next_sample_ns == now_ns:
            self._sample(now_ns)

    def _end_stretches(self, ending: list[int], now_ns: int) -> None:
        for replica_id in sorted(ending) if len(ending) > 1 else ending:
            if self._stretch_end_ns[replica_id] == now_ns:
                self._end_stretch(replica_id, now_ns)

    def _end_stretch(self, replica_id: int, now_ns: int) -> None:
        self._stretch_end_ns[replica_id] = NEVER
        self._busy -= 1
        self.end_ns = now_ns
        replica = self._replicas[replica_id]
        for request in replica.end(now_ns):
            self._end(request, "finished", now_ns)
            self._finished += 1
            self._completion_ns += now_ns - request.arrival_ns
            self._router_due = True
        if replica.running or replica.waiting:
            self._startable.append(replica_id)

    def _arrive(self, now_ns: int) -> None:
        self.end_ns = now_ns
        while self._next_arrival_ns == now_ns:
            request = self.requests[self._arrived]
            self._arrived += 1
            if request.prompt_tokens <= self._most_prompt_tokens:
                self._held.add(request.as_held(self._content_block_tokens))
                self._router_due = True
            else:
                self._end(request, "rejected", now_ns)
            self._expect_arrival()

    def _route(self, now_ns: int) -> None:
        self._router_due = False
        if not self._held:
            return
        answer = list(self._router.route(self._held, self._cluster.at(now_ns)))
        self._held.forget_new()
        replicas = self._cluster.replicas
        for request_id, replica_id in checked_decisions(answer, self._held, replicas, self._router_name, now_ns):
            self._held.remove(request_id)
            self.decisions.extend((now_ns, ROUTED, request_id, replica_id))
            request = self.requests[request_id]
            request.routed_ns, request.replica = now_ns, replica_id
            self._enqueue(request, replica_id, now_ns)

    def _enqueue(self, request: Request, replica_id: int, now_ns: int) -> None:
        replica = self._replicas[replica_id]
        if replica.enqueue(request):
            self._cut_stretch(replica_id, now_ns)
        elif not replica.stretch.count and replica_id not in self._startable:
            self._startable.append(replica_id)

    def _cut_stretch(self, replica_id: int, now_ns: int) -> None:
        """Lets a replica look at its waiting queue after the iteration that runs."""
        end_ns = self._replicas[replica_id].cut(now_ns)
        if end_ns == self._stretch_end_ns[replica_id]:
            return
        self._stretch_end_ns[replica_id] = end_ns
        if end_ns == now_ns:
            self._end_stretch(replica_id, now_ns)
        else:
            self._wake_at(end_ns).append(replica_id)

    def _start_stretches(self, now_ns: int) -> None:
        startable, self._startable = self._startable, []
        for replica_id in sorted(startable) if len(startable) > 1 else startable:
            replica = self._replicas[replica_id]
            end_ns = replica.start(now_ns)
            if replica.outgrown:
                self._reject_outgrown(replica, now_ns)
            if end_ns is not None:
                self._busy += 1
                self._stretch_end_ns[replica_id] = end_ns
                self._wake_at(end_ns).append(replica_id)

    def _reject_outgrown(self, replica: Replica, now_ns: int) -> None:
        for request in replica.outgrown:
            self._end(request, "rejected", now_ns)
        replica.outgrown.clear()
        self._router_due_ns = now_ns + 1
        self._wake_at(now_ns + 1)

    def _sample(self, now_ns: int) -> None:
        """Takes a sample, and goes on sampling as long as something can still happen."""
        self._cluster.at(now_ns, after_starts=True)
        row = self._row(now_ns)
        self.rows.append(row)
        if self._observer is not None:
            self._observer.on_sample(row)
        if len(self.rows) > self._row_limit:
            self.rows = self.rows[::2]
            self.interval_ns *= 2
        if self._busy or self._arrived < len(self.requests) or self._router_due_ns > now_ns:
            self._next_sample_ns = now_ns + self.interval_ns
            self._wake_at(self._next_sample_ns)

    def _row(self, now_ns: int) -> TelemetryRow:
        mean_s = self._completion_ns / (self._finished * NS_PER_S) if self._finished else None
        replicas = self._replicas
        return TelemetryRow(
            t_ns=now_ns,
            waiting=tuple([len(r.waiting) for r in replicas]),
            running=tuple([len(r.running) for r in replicas]),
            kv_usage=tuple([round(r.used_blocks_at(now_ns, True) / r.total_blocks, USAGE_DIGITS) for r in replicas]),
            preemptions=tuple([r.preemptions for r in replicas]),
            held=len(self._held),
            finished=self._finished,
            mean_completion_s=mean_s,
            generated_tokens=sum([r.generated_tokens_at(now_ns) for r in replicas]),
        )

    def _end(self, request: Request, outcome: Outcome, now_ns: int) -> None:
        if request.outcome is not None:
            raise ConservationError(f"Request {request.id} ended twice: {request.outcome}, then {outcome}.")
        request.outcome = outcome
        request.finish_ns = now_ns

    def _check_conservation(self) -> None:
        """Every request has ended; no replica holds a block or runs a request; tokens add up."""
        for replica in self._replicas:
            if not replica.conserves():
                raise ConservationError(f"Replica {replica.id} still holds {replica.used_blocks} KV blocks at the end.")
        generated = sum(replica.generated_tokens - replica.forgotten_tokens for replica in self._replicas)
        booked = sum(request.generated_tokens for request in self.requests)
        finished = [request for request in self.requests if request.outcome == "finished"]
        whole = all(request.generated_tokens == request.output_tokens for request in finished)
        if generated != booked or not whole or len(finished) != self._finished:
            raise ConservationError("Output tokens or finished requests don't add up at the end of the run.")
