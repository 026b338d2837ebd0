"""Runs one simulation: arrivals, router, replicas and telemetry on a simpy event queue, in integer nanoseconds.

The obviously right engine: it composes every iteration of every replica and touches every request in it. The product's
engine runs ahead instead and must equal this one in everything a run yields, shows or raises.

What is due at one instant happens in a declared order, whatever the number and order of kernel events:

0. iteration ends, by replica id;
1. arrivals, by request id;
2. the router, asked once if anything arrived or left and requests are held;
3. iteration starts of idle replicas with work, by replica id;
4. the telemetry sample, which changes nothing.

A kernel event is only an alarm for an instant; :meth:`_Run._instant` then does everything due at it. A request that
outgrows its replica leaves at an iteration's start, after the router was asked: the router hears of it one
nanosecond later. A run ends when nothing can happen any more; what is then still held or waiting is unfinished.
"""

from __future__ import annotations

import hashlib
import struct

import simpy

from sim.api import NS_PER_S
from sim.behaviour import BEHAVIOUR
from sim.cost import cost_of
from sim.decisions import checked_decisions
from sim.engine import Policies
from sim.errors import ConservationError
from sim.metrics import summarise
from sim.result import Result, request_table, this_environment
from sim.scenario import Scenario
from sim.telemetry import USAGE_DIGITS, Observer, Telemetry, TelemetryRow, row_limit
from sim.views import HeldQueue
from sim.workload import Workload
from tests.sim.reference.replica import Replica
from tests.sim.reference.request import NEVER, Outcome, Request
from tests.sim.reference.views import ClusterView

_DECISION = struct.Struct("<qqqq")


def simulate_workload(
    scenario: Scenario, workload: Workload, policies: Policies, seed: int, observer: Observer | None = None
) -> Result:
    """As :func:`sim.engine.simulate_workload`, with telemetry."""
    run = _Run(scenario, policies, workload, observer)
    run.execute()
    decisions = run.decisions.hexdigest()
    summary = summarise(scenario, run.requests, run.end_ns, run.block_ns())
    summary |= {
        "decisions_sha256": decisions,
        "workload_sha256": workload.sha256,
        "scenario": scenario.name,
        "policies": dict(policies.names),
        "seed": seed,
        "simulator": BEHAVIOUR,
    }
    return Result(
        requests=request_table(run.requests),
        telemetry=Telemetry(run.interval_ns, scenario.cluster.replicas, tuple(run.rows)),
        summary=summary,
        decisions_sha256=decisions,
        workload_sha256=workload.sha256,
        environment=this_environment(),
    )


class _Run:
    """The state of one simulation. ``end_ns``: the last instant at which anything happened."""

    def __init__(self, scenario: Scenario, policies: Policies, workload: Workload, observer: Observer | None) -> None:
        spec = scenario.cluster
        cost = cost_of(scenario.pools[0])
        columns = (workload.arrival_ns, workload.prompt_tokens, workload.output_tokens)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        self.requests = [Request(index, *row) for index, row in enumerate(rows)]
        self.rows: list[TelemetryRow] = []
        self.decisions = hashlib.sha256()
        self.end_ns = 0
        self._row_limit = row_limit(scenario.cluster.replicas)
        self.interval_ns = round(scenario.telemetry_interval_s * NS_PER_S)
        self._router = policies.router
        self._router_name = policies.names.get("router", "router")
        self._observer = observer
        self._env = simpy.Environment()
        self._alarms: set[int] = set()
        self._replicas = [Replica(index, spec, cost) for index in range(spec.replicas)]
        self._iteration_end_ns = [NEVER] * spec.replicas
        self._held = HeldQueue()
        self._cluster = ClusterView(self._replicas, spec.block_tokens)
        self._arrived = 0
        self._router_due = False
        self._next_sample_ns = 0
        self._finished = 0
        self._completion_ns = 0

    def execute(self) -> None:
        """Runs until nothing can happen any more, then ends what is left and checks that nothing was lost."""
        self._wake_at(self._next_sample_ns)
        self._wake_for_arrival()
        self._env.run()
        for request in self.requests:
            if request.outcome is None:
                self._end(request, "unfinished", NEVER)
        self._check_conservation()

    def block_ns(self) -> int:
        """Integral of all replicas' used KV blocks over the run, in block * ns."""
        return sum(replica.block_ns(self.end_ns) for replica in self._replicas)

    def _wake_at(self, t_ns: int) -> None:
        if t_ns in self._alarms:
            return
        self._alarms.add(t_ns)
        alarm = self._env.timeout(t_ns - self._env.now)
        alarm.callbacks.append(self._instant)

    def _wake_for_arrival(self) -> None:
        if self._arrived < len(self.requests):
            self._wake_at(self.requests[self._arrived].arrival_ns)

    def _instant(self, _alarm: simpy.Event) -> None:
        now_ns = int(self._env.now)
        self._alarms.discard(now_ns)
        self._end_iterations(now_ns)
        self._arrive(now_ns)
        self._route(now_ns)
        self._start_iterations(now_ns)
        if now_ns == self._next_sample_ns:
            self._sample(now_ns)

    def _end_iterations(self, now_ns: int) -> None:
        for replica in self._replicas:
            if self._iteration_end_ns[replica.id] != now_ns:
                continue
            self._iteration_end_ns[replica.id] = NEVER
            self.end_ns = now_ns
            for request in replica.end_iteration(now_ns):
                self._end(request, "finished", now_ns)
                self._finished += 1
                self._completion_ns += now_ns - request.arrival_ns
                self._router_due = True

    def _arrive(self, now_ns: int) -> None:
        while self._arrived < len(self.requests) and self.requests[self._arrived].arrival_ns == now_ns:
            request = self.requests[self._arrived]
            self._arrived += 1
            self.end_ns = now_ns
            if self._replicas[0].can_ever_admit(request.prompt_tokens):
                self._held.add(request.as_held())
                self._router_due = True
            else:
                self._end(request, "rejected", now_ns)
        self._wake_for_arrival()

    def _route(self, now_ns: int) -> None:
        due, self._router_due = self._router_due, False
        if not due or not self._held:
            return
        answer = list(self._router.route(self._held, self._cluster.at(now_ns)))
        self._held.forget_new()
        replicas = self._cluster.replicas
        for request_id, replica_id in checked_decisions(answer, self._held, replicas, self._router_name, now_ns):
            self._held.remove(request_id)
            self.decisions.update(_DECISION.pack(now_ns, 0, request_id, replica_id))
            request = self.requests[request_id]
            request.routed_ns, request.replica = now_ns, replica_id
            self._replicas[replica_id].enqueue(request)

    def _start_iterations(self, now_ns: int) -> None:
        for replica in self._replicas:
            if replica.busy or not (replica.waiting or replica.running):
                continue
            duration_ns = replica.start_iteration(now_ns)
            for decision in replica.decisions:
                self.decisions.update(_DECISION.pack(*decision))
            replica.decisions.clear()
            for request in replica.outgrown:
                self._end(request, "rejected", now_ns)
                self._router_due = True
                self._wake_at(now_ns + 1)
            if duration_ns is not None:
                self._iteration_end_ns[replica.id] = now_ns + duration_ns
                self._wake_at(now_ns + duration_ns)

    def _sample(self, now_ns: int) -> None:
        """Takes a sample, and goes on sampling as long as something can still happen."""
        row = self._row(now_ns)
        self.rows.append(row)
        if self._observer is not None:
            self._observer.on_sample(row)
        if len(self.rows) > self._row_limit:
            self.rows = self.rows[::2]
            self.interval_ns *= 2
        if self._alarms:
            self._next_sample_ns = now_ns + self.interval_ns
            self._wake_at(self._next_sample_ns)

    def _row(self, now_ns: int) -> TelemetryRow:
        mean_s = self._completion_ns / (self._finished * NS_PER_S) if self._finished else None
        replicas = self._replicas
        return TelemetryRow(
            t_ns=now_ns,
            waiting=tuple(len(r.waiting) for r in replicas),
            running=tuple(len(r.running) for r in replicas),
            kv_usage=tuple(round(r.used_blocks / r.total_blocks, USAGE_DIGITS) for r in replicas),
            preemptions=tuple(r.preemptions for r in replicas),
            held=len(self._held),
            finished=self._finished,
            mean_completion_s=mean_s,
            generated_tokens=sum(r.generated_tokens for r in replicas),
        )

    def _end(self, request: Request, outcome: Outcome, now_ns: int) -> None:
        if request.outcome is not None:
            raise ConservationError(f"Request {request.id} ended twice: {request.outcome}, then {outcome}.")
        request.outcome = outcome
        request.finish_ns = now_ns

    def _check_conservation(self) -> None:
        """Every request has ended; no replica holds a block or runs a request; tokens add up."""
        for replica in self._replicas:
            if replica.used_blocks or replica.running:
                raise ConservationError(f"Replica {replica.id} still holds {replica.used_blocks} KV blocks at the end.")
        generated = sum(replica.generated_tokens for replica in self._replicas)
        booked = sum(request.generated_tokens for request in self.requests)
        finished = [request for request in self.requests if request.outcome == "finished"]
        whole = all(request.generated_tokens == request.output_tokens for request in finished)
        if generated != booked or not whole or len(finished) != self._finished:
            raise ConservationError("Output tokens or finished requests don't add up at the end of the run.")
