"""Takes a run's telemetry: one row every interval, the last thing at its instant."""

from __future__ import annotations

from collections.abc import Sequence

from sim.alarms import FAR
from sim.api import NS_PER_S
from sim.machines import Machines
from sim.member import PAID, Member
from sim.tally import Tally
from sim.telemetry import USAGE_DIGITS, Observer, TelemetryRow, row_limit
from sim.use import cost_usd, prices_of
from sim.views import HeldQueue


class Sampler:
    """``rows`` so far, ``interval_ns`` apart; ``due_ns``: when the next one is taken."""

    def __init__(
        self,
        interval_ns: int,
        caching: bool,
        machines: Machines,
        members: Sequence[Member],
        held: HeldQueue,
        tally: Tally,
        observer: Observer | None,
    ) -> None:
        self.rows: list[TelemetryRow] = []
        self.interval_ns = interval_ns
        self.due_ns = FAR
        self._machines = machines
        self._members = members
        self._held = held
        self._tally = tally
        self._observer = observer
        self._caching = caching
        self._row_limit = row_limit(len(members))
        pools = {member.pool_index: member.pool for member in members}
        self._pools = range(len(pools))
        self._prices = prices_of(pools.values())
        self._bill: list[tuple[int, int]] = []
        """By pool, how many replicas are paid for, and for how long it was by the last change of that, in ns."""
        self._billed_ns = 0
        self.bill(0)

    def bill(self, now_ns: int) -> None:
        """Another number of replicas is paid for from now on."""
        self._billed_ns = now_ns
        self._bill = []
        for index in self._pools:
            pool = [member for member in self._members if member.pool_index == index]
            spent_ns = sum(member.ns_in(state, now_ns) for member in pool for state in PAID)
            self._bill.append((sum(member.state in PAID for member in pool), spent_ns))

    def take(self, now_ns: int) -> None:
        row = self._row(now_ns)
        self.rows.append(row)
        if self._observer is not None:
            self._observer.on_sample(row)
        if len(self.rows) > self._row_limit:
            self.rows = self.rows[::2]
            self.interval_ns *= 2

    def _row(self, now_ns: int) -> TelemetryRow:
        tally, replicas = self._tally, self._machines.replicas
        finished = tally.finished
        return TelemetryRow(
            t_ns=now_ns,
            waiting=tuple([len(r.waiting) for r in replicas]),
            running=tuple([len(r.running) for r in replicas]),
            kv_usage=tuple([round(r.used_blocks_at(now_ns, True) / r.total_blocks, USAGE_DIGITS) for r in replicas]),
            preemptions=tuple([r.preemptions for r in replicas]),
            held=len(self._held),
            finished=finished,
            mean_completion_s=tally.completion_ns / (finished * NS_PER_S) if finished else None,
            generated_tokens=sum([r.generated_tokens_at(now_ns) for r in replicas]),
            states=tuple([member.state for member in self._members]),
            completion_ns=tally.completion_ns,
            ttft_ns=tally.ttft_ns,
            prefill_tokens=sum([r.prefill_tokens for r in replicas]),
            prefix_query_tokens=sum([r.prefix_query_tokens for r in replicas]) if self._caching else 0,
            prefix_hit_tokens=sum([r.prefix_hit_tokens for r in replicas]) if self._caching else 0,
            crash_restarts=tally.came_back,
            cost_usd=cost_usd(self._prices, self._paid_ns(now_ns)),
        )

    def _paid_ns(self, now_ns: int) -> list[int]:
        since_ns = now_ns - self._billed_ns
        return [spent_ns + count * since_ns for count, spent_ns in self._bill]
