"""One run: what is due at one instant, in the declared order, in integer nanoseconds.

An instant (:meth:`Run._instant`) does everything due at it, whatever the number and order of kernel events:

0. iteration ends, by replica id;
1. what happens to replicas (:mod:`sim.lifecycle`);
2. arrivals, by request id;
3. the autoscaler (:mod:`sim.autoscaling`);
4. the router, asked once if it is due and requests are held (:mod:`sim.routing`);
5. iteration starts of idle replicas with work, by replica id (:mod:`sim.machines`);
6. scrapes, then the telemetry sample (:mod:`sim.sampling`), which change nothing.

``docs/simulator-rules.md`` has the rules in full. A fleet that never changes pays for none of what could: every part
says when it is next due, and that is never.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.alarms import FAR, Alarms
from sim.api import NS_PER_S, Autoscaler, Router
from sim.autoscaling import Scaling
from sim.collection import collect_young
from sim.conservation import check_conservation
from sim.cost import Cost, cost_of
from sim.decision_log import MOST_ENTRIES, DecisionLog
from sim.decisions import ROUTED
from sim.errors import ConservationError
from sim.faults import to_ns
from sim.fleet_views import FleetViews
from sim.hooks import SchedulerFactory
from sim.lifecycle import Lifecycle
from sim.machines import Machines, replicas_of
from sim.member import members_of
from sim.request import NEVER, Outcome, Request, requests_of
from sim.routing import Routing
from sim.sampling import Sampler
from sim.scenario import Scenario
from sim.tally import Tally
from sim.telemetry import Observer
from sim.use import FleetUse, fleet_use
from sim.workload import Workload

PATIENCE_NS = 3600 * NS_PER_S
"""How long a run goes on for requests that nothing moves."""


class Run:
    """The state of one simulation.

    ``decisions``: time, kind and two numbers of every decision, one after the other. ``crashes``: by request id, how
    often a crash took it off its replica.
    """

    def __init__(
        self,
        scenario: Scenario,
        workload: Workload,
        router: Router,
        names: Mapping[str, str],
        seed: int,
        scheduler: SchedulerFactory | None = None,
        autoscaler: Autoscaler | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._scenario = scenario
        self.requests = requests_of(workload)
        self.decisions = DecisionLog()
        self.crashes: dict[int, int] = {}
        self._changed_ns = 0
        """When a request last arrived or a replica last changed its state."""
        self.tally = Tally()
        self.members = members_of(scenario.pools)
        self._replicas_max = 0
        """Of the instants before ``_shown_ns``, when the fleet that exists last changed."""
        self._shown_ns = 0
        self._content_tokens = workload.content_block_tokens
        self._alarms = Alarms(self._instant)
        costs = [cost_of(pool) for pool in scenario.pools]
        self.replicas = replicas_of(
            self.members, scenario.engine, costs, scheduler, self.decisions.entries, self._content_tokens
        )
        self._machines = Machines(self.replicas, self._alarms)
        self._largest = max(self.replicas, key=lambda replica: replica.most_prompt_tokens)
        self._mixed = len(scenario.pools) > 1
        self._views = FleetViews(
            self.replicas,
            self.members,
            self.requests,
            scenario.cluster.block_tokens,
            self._content_tokens,
            to_ns(scenario.scrape_interval_s),
            self._alarms,
        )
        self._show_fleet()
        most = [replica.most_prompt_tokens for replica in self.replicas] if self._mixed else None
        self._routing = Routing(router, names.get("router", "router"), self._views.cluster, most, self._alarms)
        self._add_dynamics(scenario, seed, autoscaler, names.get("autoscaler", "autoscaler"), costs)
        self.sampler = Sampler(
            to_ns(scenario.telemetry_interval_s),
            scenario.engine.prefix_caching,
            self._machines,
            self.members,
            self._routing.held,
            self.tally,
            observer,
        )
        self._next_arrival_ns = NEVER
        self._over = False

    def _add_dynamics(
        self, scenario: Scenario, seed: int, autoscaler: Autoscaler | None, name: str, costs: Sequence[Cost]
    ) -> None:
        spec = scenario.autoscaling
        cold_start_ns = to_ns(spec.cold_start_s) if spec is not None else 0
        self._lifecycle = Lifecycle(self.members, self._machines, costs, cold_start_ns, self, self._alarms)
        self._lifecycle.expect(scenario.faults, seed)
        self._scaling = None
        if autoscaler is not None and spec is not None:
            self._scaling = Scaling(
                autoscaler,
                name,
                spec,
                scenario.pools,
                self._lifecycle,
                self._machines,
                self._views.cluster,
                self._routing.held,
                self.tally,
                self.decisions.entries,
                self._alarms,
            )

    def execute(self, telemetry: bool) -> None:
        """Runs until nothing can happen any more, then ends what is left and checks that nothing was lost."""
        if telemetry:
            self.sampler.due_ns = 0
            self._alarms.at(0)
        self._expect_arrival()
        self._alarms.run()
        for request in self.requests:
            if request.outcome is None:
                self._end(request, "unfinished", NEVER)
        check_conservation(self.requests, self.replicas, len(self._routing.held), self.tally)

    @property
    def end_ns(self) -> int:
        """The last event: an arrival, an iteration's end or a change of a replica's state."""
        return max(self._changed_ns, self._machines.ended_ns)

    def use(self) -> FleetUse:
        """What the run used of its fleet, once it is over."""
        end_ns = self.end_ns
        return fleet_use(
            self._scenario.pools,
            self.members,
            self.replicas,
            end_ns,
            replicas_max=max(self._replicas_max, len(self._views.cluster.replicas)),
            block_ns=sum(replica.block_ns(end_ns) for replica in self.replicas),
            running_ns=sum(replica.running_ns(end_ns) for replica in self.replicas),
            crashes=self.crashes,
        )

    def _instant(self, ending: list[int]) -> None:
        now_ns = self._alarms.now_ns
        if self._over:
            if self.sampler.due_ns == now_ns:
                self._sample(now_ns)
            return
        lifecycle, scaling, routing = self._lifecycle, self._scaling, self._routing
        if ending:
            self._end_stretches(ending, now_ns)
        if lifecycle.due_ns == now_ns:
            lifecycle.happen(now_ns)
        if lifecycle.draining:
            lifecycle.end_drains(now_ns)
        if self._next_arrival_ns == now_ns:
            self._arrive(now_ns)
        if scaling is not None and scaling.due_ns == now_ns:
            scaling.happen(now_ns)
        if routing.due or routing.due_ns == now_ns or routing.timer_ns == now_ns:
            if routing.held.by_id:
                self._route(now_ns)
            else:
                routing.due, routing.due_ns, routing.timer_ns = False, FAR, FAR
        if self._machines.startable:
            for request in self._machines.start(now_ns):
                self._reject_on_replica(request, now_ns)
        if not self._machines.busy:
            self._over = not self._goes_on()
        if self._views.due_ns == now_ns and not self._over:
            self._views.scrape(now_ns)
        if self.sampler.due_ns == now_ns:
            self._sample(now_ns)

    def _goes_on(self) -> bool:
        """Whether anything but a scrape or a sample is still to happen; no replica runs."""
        if self.tally.arrived < len(self.requests) or self._routing.due_ns < FAR:
            return True
        if not self.tally.unserved:
            return False
        next_ns = min(self._lifecycle.due_ns, self._routing.timer_ns)
        if self._scaling is not None:
            next_ns = min(next_ns, self._scaling.ask_ns)
        return next_ns <= self.tally.moved_ns + PATIENCE_NS

    def _end_stretches(self, ending: list[int], now_ns: int) -> None:
        tally = self.tally
        finished = self._machines.end(ending, now_ns)
        for request in finished:
            request.outcome, request.finish_ns = "finished", now_ns
            tally.finished += 1
            tally.completion_ns += now_ns - request.arrival_ns
            tally.ttft_ns += request.first_token_ns - request.arrival_ns
        if finished:
            tally.moved_ns = now_ns
            if self._routing.held.by_id:
                self._routing.due = True

    def _expect_arrival(self) -> None:
        """Notes when the next request arrives and sets an alarm for it."""
        if self.tally.arrived < len(self.requests):
            self._next_arrival_ns = self.requests[self.tally.arrived].arrival_ns
            self._alarms.at(self._next_arrival_ns)
        else:
            self._next_arrival_ns = NEVER

    def _arrive(self, now_ns: int) -> None:
        self._changed_ns = now_ns
        tally, routing, requests = self.tally, self._routing, self.requests
        while tally.arrived < len(requests) and requests[tally.arrived].arrival_ns == now_ns:
            request = requests[tally.arrived]
            tally.arrived += 1
            tally.prompt_tokens += request.prompt_tokens
            if self._largest.can_ever_admit(request):
                routing.held.add(request.as_held(self._content_tokens))
                routing.due = True
            else:
                self._reject(request, now_ns)
        self._expect_arrival()
        tally.moved_ns = now_ns
        if len(self.decisions.entries) >= MOST_ENTRIES:
            self.decisions.hash_entries()
            collect_young()

    def _route(self, now_ns: int) -> None:
        pairs = self._routing.ask(now_ns)
        requests, decisions, machines = self.requests, self.decisions.entries, self._machines
        for request_id, replica_id in pairs:
            decisions.extend((now_ns, ROUTED, request_id, replica_id))
            request = requests[request_id]
            request.replica = replica_id
            if request.routed_ns == NEVER:
                request.routed_ns = now_ns
            if self._mixed and not self.replicas[replica_id].can_ever_admit(request):
                self._reject_on_replica(request, now_ns)
            else:
                machines.enqueue(request, replica_id, now_ns)
        if pairs:
            self.tally.routed += len(pairs)
            self.tally.moved_ns = now_ns

    def _reject_on_replica(self, request: Request, now_ns: int) -> None:
        """It outgrew its replica: the router, whose turn is over, hears of it one nanosecond later."""
        self.tally.rejected_on_replica += 1
        self._reject(request, now_ns)
        self._routing.due_after(now_ns)

    def came_back(self, requests: list[Request], now_ns: int) -> None:
        """A crash took these off their replica: they are held again, in their places."""
        self.tally.came_back += len(requests)
        self.tally.moved_ns = now_ns
        self._routing.due = True
        fit = []
        for request in requests:
            self.crashes[request.id] = self.crashes.get(request.id, 0) + 1
            if self._largest.can_ever_admit(request):
                fit.append(request.as_held(self._content_tokens))
            else:
                self._reject(request, now_ns)
        self._routing.held.put_back(fit)

    def fleet_changed(self, existence: bool, acceptance: bool, now_ns: int) -> None:
        self._changed_ns = now_ns
        if acceptance:
            self._routing.due = True
        if existence:
            if now_ns > self._shown_ns:
                self._replicas_max = max(self._replicas_max, len(self._views.cluster.replicas))
                self._shown_ns = now_ns
            self._show_fleet()
            self.sampler.bill(now_ns)

    def _show_fleet(self) -> None:
        self._views.show()

    def _sample(self, now_ns: int) -> None:
        """Takes a sample, and goes on sampling as long as something can still happen."""
        self._views.cluster.at(now_ns, after_starts=True)
        self.sampler.take(now_ns)
        if not self._over:
            self.sampler.due_ns = now_ns + self.sampler.interval_ns
            self._alarms.at(self.sampler.due_ns)

    def _reject(self, request: Request, now_ns: int) -> None:
        self.tally.rejected += 1
        self.tally.moved_ns = now_ns
        self._end(request, "rejected", now_ns)

    def _end(self, request: Request, outcome: Outcome, now_ns: int) -> None:
        if request.outcome is not None:
            raise ConservationError(f"Request {request.id} ended twice: {request.outcome}, then {outcome}.")
        request.outcome = outcome
        request.finish_ns = now_ns
