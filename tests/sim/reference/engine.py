"""Runs one simulation the slow and obvious way: what the product's engine must equal bit for bit.

Written from ``docs/simulator-rules.md`` alone. At every instant at which anything could happen the steps of the rules
are gone through, in order, over every slot, replica and request; nothing runs ahead and nothing is remembered that can
be looked up. Shared with the product are only the values at both ends: scenarios, workloads, checks of answers,
summaries.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from sim.api import NS_PER_S, FleetSample
from sim.behaviour import BEHAVIOUR
from sim.decisions import checked_decisions
from sim.engine import Policies
from sim.errors import ConservationError, IllegalDecision
from sim.member import PAID
from sim.metrics import summarise
from sim.oracle import Oracle, Predicted
from sim.predictor import predicted_tokens
from sim.result import Result, request_table, this_environment
from sim.scenario import Scenario
from sim.telemetry import USAGE_DIGITS, Observer, Telemetry, TelemetryRow, row_limit
from sim.use import FleetUse, cost_usd, prices_of
from sim.workload import Workload
from tests.sim.reference.autoscaling import Scaling
from tests.sim.reference.fleet import Slot, duration_ns, make_slots
from tests.sim.reference.request import NEVER, Request
from tests.sim.reference.views import ClusterView, FleetView, HeldQueue, scraped

PATIENCE_NS = 3600 * NS_PER_S
_DECISION = struct.Struct("<qqqq")
_ROUTED, _WANTED = 0, 3


def simulate_workload(
    scenario: Scenario, workload: Workload, policies: Policies, seed: int, observer: Observer | None = None
) -> Result:
    """As :func:`sim.engine.simulate_workload`, with telemetry."""
    run = Run(scenario, policies, workload, seed, observer)
    run.execute()
    decisions = run.decisions.hexdigest()
    table = request_table(workload, run.requests, run.crashes(), [slot.pool_index for slot in run.slots])
    summary = summarise(scenario, workload, table, run.end_ns, run.use())
    summary |= {
        "decisions_sha256": decisions,
        "workload_sha256": workload.sha256,
        "scenario": scenario.name,
        "policies": dict(policies.names),
        "seed": seed,
        "simulator": BEHAVIOUR,
    }
    return Result(
        requests=table,
        telemetry=Telemetry(run.interval_ns, len(run.slots), tuple(run.rows)),
        summary=summary,
        decisions_sha256=decisions,
        workload_sha256=workload.sha256,
        environment=this_environment(),
    )


def _requests(workload: Workload) -> list[Request]:
    def column(values, default):
        return [default] * len(workload) if values is None else [int(value) for value in values]

    priority, session = column(workload.priority, 0), column(workload.session, -1)
    slo = column(workload.ttft_slo_ns, -1)
    return [
        Request(
            index,
            int(workload.arrival_ns[index]),
            int(workload.prompt_tokens[index]),
            int(workload.output_tokens[index]),
            priority=priority[index],
            session=session[index],
            ttft_slo_ns=slo[index],
            content=() if workload.content is None else workload.content[index],
            content_block_tokens=workload.content_block_tokens,
        )
        for index in range(len(workload))
    ]


@dataclass(frozen=True)
class Load:
    """All replicas together from one instant on; ``existing``: that aren't off."""

    now_ns: int
    used_blocks: int
    running: int
    existing: int


class Run:
    """The state of one simulation. ``end_ns``: the last event; ``rows``: telemetry so far."""

    def __init__(
        self, scenario: Scenario, policies: Policies, workload: Workload, seed: int, observer: Observer | None
    ) -> None:
        self._scenario = scenario
        self.requests = _requests(workload)
        self._to_come = list(self.requests)
        scheduler = policies.scheduler
        if isinstance(scheduler, Predicted):
            predictions = predicted_tokens(workload.output_tokens.tolist(), scheduler.sigma, seed)
            scheduler = scheduler.make(predictions.__getitem__)
        self.slots = make_slots(scenario, seed, scheduler)
        self.rows: list[TelemetryRow] = []
        self.decisions = hashlib.sha256()
        self.end_ns = 0
        self.interval_ns = duration_ns(scenario.telemetry_interval_s)
        self._observer = observer
        self._held = HeldQueue()
        self._scrape_ns = duration_ns(scenario.scrape_interval_s) if scenario.scrape_interval_s else None
        self._cluster = ClusterView(
            self.slots,
            self.requests,
            scenario.cluster.block_tokens,
            workload.content_block_tokens,
            stale=self._scrape_ns is not None,
        )
        self._cold_start_ns = 0
        self._scaling: Scaling | None = None
        if scenario.autoscaling is not None:
            self._cold_start_ns = round(scenario.autoscaling.cold_start_s * NS_PER_S)
        if scenario.autoscaling is not None and policies.autoscaler is not None:
            fleet = FleetView(scenario.pools, self.slots, self._cluster, scenario.autoscaling.cold_start_s)
            name = policies.names.get("autoscaler", "autoscaler")
            self._scaling = Scaling(scenario, policies.autoscaler, name, self.slots, fleet)
        self._router = policies.router
        if isinstance(self._router, Oracle):
            self._router = self._router.make(lambda request_id: self.requests[request_id].output_tokens)
        self._router_name = policies.names.get("router", "router")
        self._router_due = False
        self._timer_ns: int | None = None
        self._moved_ns = 0
        """When a request last arrived, was routed, came back or left."""
        self._next_sample_ns = 0
        self._sampled_ns = NEVER
        self._loads: list[Load] = []
        """After every instant."""

    def execute(self) -> None:
        """Runs until nothing can happen any more, then ends what is left and checks that nothing was lost."""
        now_ns = 0
        while self._instant(now_ns):
            now_ns = self._next_ns(now_ns)
        if self._sampled_ns != now_ns:
            self._sample(self._next_sample_ns)
        for request in self.requests:
            if request.outcome is None:
                self._leave(request, "unfinished", NEVER)
        self._check_conservation()

    def crashes(self) -> dict[int, int]:
        """How often a crash took a request off its replica, by its id."""
        return {request.id: request.crash_restarts for request in self.requests if request.crash_restarts}

    def use(self) -> FleetUse:
        """What the run used of its fleet."""
        replicas = [slot.replica for slot in self.slots]
        return FleetUse(
            pools=self._scenario.pools,
            pool_of=tuple(slot.pool_index for slot in self.slots),
            ns_in=tuple({state: slot.ns_in(state, self.end_ns) for state in PAID} for slot in self.slots),
            generated_tokens=tuple(replica.generated_tokens for replica in replicas),
            prefix_query_tokens=sum(replica.prefix_query_tokens for replica in replicas),
            prefix_hit_tokens=sum(replica.prefix_hit_tokens for replica in replicas),
            replicas_max=max(load.existing for load in self._loads),
            block_ns=self._integral([(load.now_ns, load.used_blocks) for load in self._loads]),
            running_ns=self._integral([(load.now_ns, load.running) for load in self._loads]),
            crashes=self.crashes(),
        )

    def _integral(self, values: list[tuple[int, int]]) -> int:
        """Of (time, value from then on) up to the end of the run."""
        ends = [min(time, self.end_ns) for time, _ in values[1:]] + [self.end_ns]
        return sum(value * max(0, end - time) for (time, value), end in zip(values, ends, strict=True))

    # What happens at one instant

    def _instant(self, now_ns: int) -> bool:
        """Goes through the steps; whether the run goes on."""
        self._end_iterations(now_ns)
        self._change_replicas(now_ns)
        self._arrive(now_ns)
        self._scale(now_ns)
        self._route(now_ns)
        self._start_iterations(now_ns)
        self._loads.append(self._load(now_ns))
        goes_on = self._goes_on(now_ns)
        if goes_on and self._scrape_ns is not None and now_ns % self._scrape_ns == 0:
            for slot in self.slots:
                slot.scraped = scraped(slot)
        if now_ns == self._next_sample_ns:
            self._sample(now_ns)
        return goes_on

    def _end_iterations(self, now_ns: int) -> None:
        for slot in self.slots:
            if slot.iteration_end_ns != now_ns:
                continue
            slot.iteration_end_ns = None
            self.end_ns = now_ns
            for request in slot.replica.end_iteration(now_ns):
                self._leave(request, "finished", now_ns)
                self._router_due = True

    def _change_replicas(self, now_ns: int) -> None:
        for slot in self.slots:
            if slot.repaired_ns == now_ns:
                slot.repaired_ns = None
                self.end_ns = now_ns
                slot.start(now_ns, self._cold_start_ns)
            if slot.ready_ns == now_ns:
                self.end_ns = now_ns
                slot.become_ready(now_ns)
                self._router_due = True
            slot.set_cost(now_ns)
            for down_ns in slot.crashes_at(now_ns):
                if slot.state not in ("off", "down"):
                    self._crash(slot, now_ns, down_ns)
        for slot in self.slots:
            if slot.state == "draining" and not slot.replica.requests:
                self.end_ns = now_ns
                slot.turn_off(now_ns)

    def _crash(self, slot: Slot, now_ns: int, down_ns: int) -> None:
        self.end_ns = now_ns
        if slot.state == "ready":
            self._router_due = True
        for request in slot.crash(now_ns, down_ns):
            self._router_due = True
            self._moved_ns = now_ns
            if any(other.replica.can_ever_hold(request) for other in self.slots):
                self._held.add(request.as_held())
            else:
                self._leave(request, "rejected", now_ns)

    def _arrive(self, now_ns: int) -> None:
        while self._to_come and self._to_come[0].arrival_ns == now_ns:
            request = self._to_come.pop(0)
            self.end_ns = self._moved_ns = now_ns
            if any(slot.replica.can_ever_hold(request) for slot in self.slots):
                self._held.add(request.as_held())
                self._router_due = True
            else:
                self._leave(request, "rejected", now_ns)

    def _scale(self, now_ns: int) -> None:
        if self._scaling is None:
            return
        before = [slot.state for slot in self.slots]
        for place, replicas in self._scaling.step(now_ns, lambda: self._fleet_sample(now_ns)):
            self.decisions.update(_DECISION.pack(now_ns, _WANTED, place, replicas))
        after = [slot.state for slot in self.slots]
        if before != after:
            self.end_ns = now_ns
        if any((old == "ready") != (new == "ready") for old, new in zip(before, after, strict=True)):
            self._router_due = True

    def _route(self, now_ns: int) -> None:
        due = self._router_due or self._timer_ns == now_ns
        self._router_due = False
        if not due or not self._held:
            return
        answer = list(self._router.route(self._held, self._cluster.at(now_ns)))
        self._held.forget_new()
        replicas = {view.id: view for view in self._cluster.replicas}
        pairs = checked_decisions(answer, self._held, replicas, self._router_name, now_ns)
        for request_id, replica_id in pairs:
            prompt_tokens = self.requests[request_id].prompt_tokens
            if not self.slots[replica_id].replica.can_ever_hold_prompt(prompt_tokens):
                raise IllegalDecision(self._router_name, now_ns, f"request {request_id} never fits there")
        for request_id, replica_id in pairs:
            self._give(self.requests[request_id], self.slots[replica_id], now_ns)
        self._set_timer(now_ns)

    def _give(self, request: Request, slot: Slot, now_ns: int) -> None:
        self._held.remove(request.id)
        self._moved_ns = now_ns
        self.decisions.update(_DECISION.pack(now_ns, _ROUTED, request.id, slot.id))
        request.replica = slot.id
        if request.routed_ns == NEVER:
            request.routed_ns = now_ns
        if slot.replica.can_ever_hold(request):
            slot.replica.enqueue(request)
        else:
            self._leave(request, "rejected", now_ns)
            self._router_due = True

    def _set_timer(self, now_ns: int) -> None:
        timer_s = getattr(self._router, "timer_s", None)
        self._timer_ns = None
        if timer_s is not None and self._held:
            if timer_s < 1e-3:
                raise IllegalDecision(self._router_name, now_ns, f"a timer of {timer_s} s")
            self._timer_ns = now_ns + duration_ns(timer_s)

    def _start_iterations(self, now_ns: int) -> None:
        for slot in self.slots:
            replica = slot.replica
            if replica.busy or replica.stuck or not replica.requests:
                continue
            ns = replica.start_iteration(now_ns)
            for decision in replica.decisions:
                self.decisions.update(_DECISION.pack(*decision))
            replica.decisions.clear()
            for request in replica.outgrown:
                self._leave(request, "rejected", now_ns)
                self._router_due = True
            if ns is not None:
                slot.iteration_end_ns = now_ns + ns

    # What is next

    def _goes_on(self, now_ns: int) -> bool:
        running = any(slot.iteration_end_ns is not None for slot in self.slots)
        if running or self._to_come or self._router_due:
            return True
        if not self._held and not any(slot.replica.requests for slot in self.slots):
            return False
        last_ns = self._moved_ns + PATIENCE_NS
        return any(now_ns < time <= last_ns for time in self._changes_ns(now_ns))

    def _changes_ns(self, now_ns: int) -> list[int]:
        """When something of step 1, a call of the autoscaler or the router's timer may be due."""
        times = [time for slot in self.slots for time in slot.times_ns()]
        if self._scaling is not None:
            times.append(self._scaling.next_ask_ns(now_ns))
        if self._timer_ns is not None:
            times.append(self._timer_ns)
        return times

    def _next_ns(self, now_ns: int) -> int:
        """The next instant at which anything may happen."""
        times = self._changes_ns(now_ns)
        times += [slot.iteration_end_ns for slot in self.slots if slot.iteration_end_ns is not None]
        times += [request.arrival_ns for request in self._to_come[:1]]
        if self._router_due:
            times.append(now_ns + 1)
        if self._scaling is not None:
            times.append(self._scaling.next_sample_ns(now_ns))
        if self._scrape_ns is not None:
            times.append((now_ns // self._scrape_ns + 1) * self._scrape_ns)
        times.append(self._next_sample_ns)
        return min(time for time in times if time > now_ns)

    # What is seen and counted

    def _sample(self, now_ns: int) -> None:
        self._sampled_ns = now_ns
        self._cluster.at(now_ns)
        row = self._row(now_ns)
        self.rows.append(row)
        if self._observer is not None:
            self._observer.on_sample(row)
        if len(self.rows) > row_limit(len(self.slots)):
            self.rows = self.rows[::2]
            self.interval_ns *= 2
        self._next_sample_ns = now_ns + self.interval_ns

    def _load(self, now_ns: int) -> Load:
        return Load(
            now_ns,
            used_blocks=sum(slot.replica.used_blocks for slot in self.slots),
            running=sum(len(slot.replica.running) for slot in self.slots),
            existing=sum(slot.state != "off" for slot in self.slots),
        )

    def _finished(self) -> list[Request]:
        return [request for request in self.requests if request.outcome == "finished"]

    def _row(self, now_ns: int) -> TelemetryRow:
        finished = self._finished()
        completion_ns = sum(request.finish_ns - request.arrival_ns for request in finished)
        replicas = [slot.replica for slot in self.slots]
        return TelemetryRow(
            t_ns=now_ns,
            waiting=tuple(len(replica.waiting) for replica in replicas),
            running=tuple(len(replica.running) for replica in replicas),
            kv_usage=tuple(round(replica.used_blocks / replica.total_blocks, USAGE_DIGITS) for replica in replicas),
            preemptions=tuple(replica.preemptions for replica in replicas),
            held=len(self._held),
            finished=len(finished),
            mean_completion_s=completion_ns / (len(finished) * NS_PER_S) if finished else None,
            generated_tokens=sum(replica.generated_tokens for replica in replicas),
            states=tuple(slot.state for slot in self.slots),
            completion_ns=completion_ns,
            ttft_ns=sum(request.first_token_ns - request.arrival_ns for request in finished),
            prefill_tokens=sum(replica.prefill_tokens for replica in replicas),
            prefix_query_tokens=sum(replica.prefix_query_tokens for replica in replicas),
            prefix_hit_tokens=sum(replica.prefix_hit_tokens for replica in replicas),
            crash_restarts=sum(request.crash_restarts for request in self.requests),
            cost_usd=cost_usd(prices_of(self._scenario.pools), self._paid_ns(now_ns)),
        )

    def _paid_ns(self, now_ns: int) -> list[int]:
        """By pool, for how long its replicas were paid."""
        return [
            sum(slot.ns_in(state, now_ns) for slot in self.slots if slot.pool_index == place for state in PAID)
            for place in range(len(self._scenario.pools))
        ]

    def _fleet_sample(self, now_ns: int) -> FleetSample:
        ready = [slot.replica for slot in self.slots if slot.state == "ready"]
        replicas = [slot.replica for slot in self.slots]
        arrived = [request for request in self.requests if request.arrival_ns <= now_ns]
        usage = 0.0
        for replica in ready:
            usage += replica.used_blocks / replica.total_blocks
        return FleetSample(
            t_ns=now_ns,
            ready=len(ready),
            present=sum(slot.state in ("ready", "starting") for slot in self.slots),
            waiting=sum(len(replica.waiting) for replica in replicas),
            running=sum(len(replica.running) for replica in replicas),
            held=len(self._held),
            kv_usage=usage / len(ready) if ready else 0.0,
            arrived_total=len(arrived),
            finished_total=len(self._finished()),
            prompt_tokens_total=sum(request.prompt_tokens for request in arrived),
            output_tokens_total=sum(replica.generated_tokens for replica in replicas),
        )

    def _leave(self, request: Request, outcome: str, now_ns: int) -> None:
        if request.outcome is not None:
            raise ConservationError(f"Request {request.id} ended twice: {request.outcome}, then {outcome}.")
        request.outcome = outcome
        request.finish_ns = now_ns
        self._moved_ns = max(self._moved_ns, now_ns)

    def _check_conservation(self) -> None:
        """Tokens add up, and replicas hold what their requests hold."""
        generated = sum(slot.replica.generated_tokens for slot in self.slots)
        booked = sum(request.generated_tokens for request in self.requests)
        whole = all(request.yielded == request.to_yield for request in self._finished())
        if generated != booked or not whole:
            raise ConservationError("Output tokens don't add up at the end of the run.")
        for slot in self.slots:
            left = [request.outcome for request in (*slot.replica.running, *slot.replica.waiting)]
            if any(outcome != "unfinished" for outcome in left) or (slot.replica.used_blocks and not left):
                raise ConservationError(f"Replica {slot.id} still holds what has left.")
