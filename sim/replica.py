"""One replica in time: continuous batching at iteration level over a paged KV cache.

An iteration is composed when the replica is idle and has work, its duration is known at its start, and nothing joins
or leaves until it ends. How it is composed is the engine's rules' business (:mod:`sim.rules`).

Iterations are not simulated one by one. As long as nothing but decodes runs, the batch changes only when one of them
finishes or the free blocks run out; until then the replica runs ahead, as one stretch (:mod:`sim.stretch`) of
counters (:mod:`sim.lockstep`). What arrives meanwhile and could be admitted cuts the stretch at the end of the
iteration that runs. Whoever looks at the replica within a stretch sees it as after the iterations that have ended,
with the blocks of the one that has started. A cost that isn't linear, and a policy that wants to be asked every
iteration, make stretches of one. tests/ holds an engine that does touch every request in every iteration, and the two
equal.
"""

from __future__ import annotations

from collections import deque
from operator import attrgetter

from sim.composer import Composer
from sim.cost import Cost
from sim.hooks import SchedulerHooks
from sim.request import Request
from sim.rules import rules_of
from sim.scenario import EngineSpec, PoolSpec
from sim.stretch import Stretch

_by_age = attrgetter("id")


class Replica:
    """While the replica is busy, the counters are those of the stretch's first iteration; :meth:`used_blocks_at` and
    :meth:`generated_tokens_at` give those of any time in it.
    """

    __slots__ = (
        "_cost",
        "_linear",
        "_state",
        "can_ever_admit",
        "id",
        "outgrown",
        "running",
        "stretch",
        "total_blocks",
        "waiting",
    )

    def __init__(
        self,
        replica_id: int,
        pool: PoolSpec,
        engine: EngineSpec,
        cost: Cost,
        hooks: SchedulerHooks | None,
        decisions: list[int],
        content_block_tokens: int,
    ) -> None:
        """``decisions``: where it appends its own (time, kind, request, replica). ``hooks``: None for the engine's
        own rules. ``content_block_tokens``: tokens per id of the requests' content, 0 if they name none."""
        state: Composer = rules_of(engine)(replica_id, pool.cluster, engine, hooks, decisions, content_block_tokens)
        self.id = replica_id
        self.waiting: deque[Request] = state.waiting
        self.running: list[Request] = state.running
        """In the engine's order."""
        self.outgrown: list[Request] = state.outgrown
        """Requests that left in a composition because they can never be admitted again; for the run to take."""
        self.total_blocks = state.total_blocks
        self.can_ever_admit = state.can_ever_admit
        """Whether a request, with what it has generated, could be admitted if the replica were empty."""
        self.stretch = Stretch()
        """What runs, nothing while the replica is idle."""
        self._state = state
        self.set_cost(cost)

    def enqueue(self, request: Request) -> bool:
        """Puts a routed request at the end of the waiting queue; True if the running stretch should be cut for it.

        As long as the batch is unchanged, batch size and budget stay and free blocks and prefix hits only get fewer:
        what could not be admitted at the start of a stretch can't be within it, nor can what waits behind it.
        """
        state = self._state
        state.waiting.append(request)
        if state.slot is not None:
            state.slot.came(request)
        if self.stretch.count <= 1 or len(state.running) >= state.seats:
            return False
        if state.slot is not None and state.slot.admits:
            return state.budget_left() and state.slot.any_fits()
        return len(state.waiting) == 1 and state.could_admit(request)

    def start(self, now_ns: int) -> int | None:
        """Composes the next batch; returns when its stretch ends, or None if there is nothing to run."""
        state = self._state
        state.now_ns = now_ns
        state.preempted = False
        state.compose()
        if state.chunks or state.paused:
            return self._start_mixed(now_ns)
        decodes = state.decodes
        if not decodes.size:
            return self.start(now_ns) if state.preempted else None
        context_tokens = decodes.context_tokens()
        if not self._linear:
            duration_ns = self._cost.iteration_ns(decodes.size, context_tokens, 0, 0, 0)
            return self.stretch.begin(now_ns, duration_ns, 0, 1)
        first_ns, step_ns = self._cost.decodes_ns(decodes.size, context_tokens)
        spare_blocks = state.total_blocks - state.used_blocks - state.vidur_compat
        count = decodes.unchanged(spare_blocks) if spare_blocks >= 0 else 1
        if state.slot is not None or state.preempted:
            count = min(count, state.most_iterations())
        stretch = self.stretch
        stretch.start_ns, stretch.first_ns, stretch.step_ns, stretch.count = now_ns, first_ns, step_ns, count
        return now_ns + count * first_ns + step_ns * (count * (count - 1) // 2)

    def cut(self, now_ns: int) -> int:
        """Lets the running stretch end with the iteration that runs at ``now_ns`` or ends then; returns that end.

        ``now_ns`` lies within the stretch: after its start, before its end.
        """
        stretch = self.stretch
        count = stretch.ended_by(now_ns)
        if stretch.boundary_ns(count) < now_ns:
            count += 1
        stretch.count = count
        return stretch.boundary_ns(count)

    def end(self, now_ns: int) -> list[Request]:
        """Books the stretch's tokens and returns the requests that finished, oldest first, their blocks freed."""
        state, count = self._state, self.stretch.count
        state.now_ns = now_ns
        finished: list[Request] = []
        if state.decodes_run:
            if count > 1:
                blocks, block_ns = state.decodes.grown(self.stretch)
                state.used_blocks += blocks
                state.block_ns -= block_ns
                if state.cache is not None:
                    state.cache.trim(state.total_blocks - state.used_blocks)
            state.generated_tokens += state.decodes.size * count
            finished = state.decodes.advance(count)
        self.stretch.count = 0
        if state.slot is not None:
            state.slot.ended(count, bool(state.chunks or finished))
        if state.chunks:
            finished = finished + state.end_chunks()
        if state.paused:
            state.resume_paused()
        if len(finished) > 1:
            finished.sort(key=_by_age)
        for request in finished:
            state.release(request)
        return finished

    def crash(self, now_ns: int) -> list[Request]:
        """The iteration that runs is lost with all caches; returns every request, by (arrival, id), restarted.

        Iterations of the stretch that end by ``now_ns`` have ended before. The replica is empty and idle then.
        """
        state, stretch = self._state, self.stretch
        state.now_ns = now_ns
        ended = stretch.ended_by(now_ns)
        if ended:
            stretch.count = ended + 1  # whose blocks are taken
            blocks, block_ns = state.decodes.grown(stretch)
            state.used_blocks += blocks
            state.block_ns -= block_ns
            state.generated_tokens += state.decodes.size * ended
            state.decodes.steps += ended
        stretch.count = 0
        if state.slot is not None:
            state.slot.emptied()
        return sorted(state.lose_everything(ended), key=_by_age)

    def set_cost(self, cost: Cost) -> None:
        """Iterations composed from now on take their times from ``cost``; cut a running stretch first."""
        self._cost = cost
        self._linear = cost.linear

    def cold(self) -> None:
        """Empties the prefix cache of a replica that has no requests: it starts anew."""
        if self._state.cache is not None:
            self._state.cache.clear()

    def cached_tokens(self, request: Request, now_ns: int, started: bool = False) -> int:
        """The prefix-cache hit that ``request``, not running here, would get at ``now_ns``; ``started`` as below."""
        cache = self._state.cache
        if cache is None:
            return 0
        cache.trim(self.total_blocks - self.used_blocks_at(now_ns, started))
        return cache.lookup(request).units * cache.unit_tokens

    def used_blocks_at(self, t_ns: int, started: bool) -> int:
        """KV blocks in use at ``t_ns``, within what runs; ``started``: also by an iteration that starts right then."""
        stretch, used_blocks = self.stretch, self._state.used_blocks
        if stretch.count <= 1:
            return used_blocks
        ended = stretch.ended_by(t_ns)
        if not started and stretch.boundary_ns(ended) == t_ns:
            ended -= 1
        return used_blocks + self._state.decodes.growth_in(ended) if ended > 0 else used_blocks

    def generated_tokens_at(self, t_ns: int) -> int:
        """Output tokens generated until ``t_ns``, within what runs."""
        if self.stretch.count <= 1:
            return self._state.generated_tokens
        return self._state.generated_tokens + self._state.decodes.size * self.stretch.ended_by(t_ns)

    def steps_at(self, t_ns: int) -> int:
        """The lockstep clock at ``t_ns``, within what runs."""
        if self.stretch.count <= 1:
            return self._state.decodes.steps
        return self._state.decodes.steps + self.stretch.ended_by(t_ns)

    def block_ns(self, now_ns: int) -> int:
        """Integral of the used blocks over time so far, in block * ns; the replica must be idle."""
        return self._state.block_ns + self._state.used_blocks * now_ns

    def running_ns(self, now_ns: int) -> int:
        """Integral of the running requests over time so far, in request * ns."""
        return self._state.running_ns + len(self.running) * now_ns

    def conserves(self) -> bool:
        """Whether the used blocks are those of the running requests; the replica must be idle."""
        return self._state.conserves()

    @property
    def most_prompt_tokens(self) -> int:
        """A longer prompt could not be admitted even if the replica were empty (``orca``: whatever its output)."""
        return self._state.most_prompt_tokens

    @property
    def used_blocks(self) -> int:
        return self._state.used_blocks

    @property
    def preemptions(self) -> int:
        return self._state.preemptions

    @property
    def generated_tokens(self) -> int:
        """Output tokens generated so far, those that were generated twice counted twice."""
        return self._state.generated_tokens

    @property
    def forgotten_tokens(self) -> int:
        """Of the generated tokens those that no request counts as its own any more (only under Vidur's rules)."""
        return self._state.forgotten_tokens

    @property
    def prefill_tokens(self) -> int:
        """Prefill tokens that ended iterations computed, those of restarts too."""
        return self._state.prefill_tokens

    @property
    def prefix_query_tokens(self) -> int:
        """Tokens that admissions so far looked for in the prefix cache."""
        return 0 if self._state.cache is None else self._state.cache.query_tokens

    @property
    def prefix_hit_tokens(self) -> int:
        """Tokens of those that were there."""
        return 0 if self._state.cache is None else self._state.cache.hit_tokens

    def _start_mixed(self, now_ns: int) -> int:
        """One iteration with prefill chunks in it."""
        state = self._state
        tokens = half_pairs = 0
        for request, chunk in state.chunks:
            tokens += chunk
            half_pairs += chunk * (2 * request.kv_tokens + chunk)
        decodes = context_tokens = 0
        if state.decodes_run and state.decodes.size:
            decodes, context_tokens = state.decodes.size, state.decodes.context_tokens()
        duration_ns = self._cost.iteration_ns(decodes, context_tokens, len(state.chunks), tokens, half_pairs)
        return self.stretch.begin(now_ns, duration_ns, 0, 1)
