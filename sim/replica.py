"""One replica: continuous batching at iteration level over a paged KV cache, by Vidur's ``sarathi`` rules.

An iteration is composed when the replica is idle and has work, its duration is known at its start, and nothing
joins or leaves until it ends. Composition, in this order:

1. **Decodes.** Running requests whose prefill is complete, oldest arrival first, one token each, always. A request
   needs a block only if its next token has no room in its last one (Vidur demands a free block for every decode,
   even if none is allocated; that rule is not copied). While no block is free, the youngest running request not yet
   placed in this batch, possibly the request itself, is preempted.
2. **Running prefills.** The next chunk of each, oldest first, as far as the token budget reaches.
3. **Admission.** The head of the waiting queue, while fewer than ``max_num_seqs`` requests run, budget is left and
   the blocks of its whole prefill fit and leave the watermark free. The head blocks those behind it.

Preemption is by recompute: the victim's blocks are freed at once, it goes to the front of the waiting queue, and it
must prefill its prompt and everything it has generated (see :mod:`sim.request` for the token accounting). The blocks
of a request that finishes are freed at the iteration's end. A preempted request whose prefill could not be admitted
even to an empty replica has outgrown the replica and is rejected: it would otherwise wait for ever.

Iterations are not simulated one by one. As long as nothing but decodes runs, the batch changes only when one of them
finishes or the free blocks run out; until then the replica runs ahead, as one stretch (:mod:`sim.stretch`) of
counters (:mod:`sim.lockstep`). What arrives meanwhile and could be admitted cuts the stretch at the end of the
iteration that runs. Whoever looks at the replica within a stretch sees it as after the iterations that have ended,
with the blocks of the one that has started. tests/ holds an engine that does touch every request in every iteration,
and the two equal.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections import deque
from operator import attrgetter

from sim.cost import Cost
from sim.hooks import SchedulerHooks
from sim.lockstep import Lockstep
from sim.request import NEVER, Request
from sim.scenario import EngineSpec, PoolSpec
from sim.stretch import Stretch

_by_age = attrgetter("id")


class Replica:
    """Invariant: ``used_blocks`` is the sum of the running requests' blocks; waiting requests hold none.

    While the replica is busy, ``used_blocks`` and ``generated_tokens`` are those of the stretch's first iteration;
    :meth:`used_blocks_at` and :meth:`generated_tokens_at` give those of any time in it.
    """

    __slots__ = (
        "_block_ns",
        "_block_tokens",
        "_chunk_tokens",
        "_chunks",
        "_cost",
        "_decodes",
        "_half_prefilled",
        "_max_num_seqs",
        "_watermark_blocks",
        "generated_tokens",
        "id",
        "most_prompt_tokens",
        "outgrown",
        "preemptions",
        "prefix_hit_tokens",
        "prefix_query_tokens",
        "running",
        "stretch",
        "total_blocks",
        "used_blocks",
        "waiting",
    )

    def __init__(
        self,
        replica_id: int,
        pool: PoolSpec,
        engine: EngineSpec,
        cost: Cost,
        hooks: SchedulerHooks | None,
        decisions: array[int],
        content_block_tokens: int,
    ) -> None:
        """``decisions``: where it appends its own (time, kind, request, replica). ``hooks``: None for the engine's
        own rules. ``content_block_tokens``: tokens per id of the requests' content, 0 if they name none."""
        spec = pool.cluster
        self.id = replica_id
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []
        """Oldest arrival first."""
        self.stretch = Stretch()
        """What runs, nothing while the replica is idle."""
        self.total_blocks = spec.kv_blocks
        self.used_blocks = 0
        self.most_prompt_tokens = (spec.kv_blocks - spec.watermark_blocks) * spec.block_tokens
        """A longer prompt could not be admitted even if the replica were empty (``orca``: whatever its output)."""
        self.prefix_query_tokens = self.prefix_hit_tokens = 0
        """Tokens that were looked for in the prefix cache, and found, by admissions so far."""
        self.preemptions = 0
        self.generated_tokens = 0
        self.outgrown: list[Request] = []
        """Requests that left in a composition because they can never be admitted again; for the engine to take."""
        self._block_tokens = spec.block_tokens
        self._chunk_tokens = spec.chunk_tokens
        self._max_num_seqs = spec.max_num_seqs
        self._watermark_blocks = spec.watermark_blocks
        self._cost = cost
        self._decodes = Lockstep(spec.block_tokens)
        self._half_prefilled: Request | None = None
        """The running request whose prefill is incomplete: never more than one, for its chunks leave no budget."""
        self._chunks: list[tuple[Request, int]] = []
        self._block_ns = 0
        """Sum of freed blocks times the time they were freed at, minus that of the taken ones, in block * ns."""

    def enqueue(self, request: Request) -> bool:
        """Puts a routed request at the end of the waiting queue; True if the running stretch could admit it.

        As long as the batch is unchanged, batch size and budget stay and free blocks only get fewer: what could not
        be admitted at the start of a stretch can't be within it, nor can what waits behind it.
        """
        self.waiting.append(request)
        if self.stretch.count <= 1 or len(self.waiting) > 1:
            return False
        if len(self.running) >= self._max_num_seqs or self._decodes.size >= self._chunk_tokens:
            return False
        blocks = -(-request.prefill_target // self._block_tokens)
        return self.total_blocks - self.used_blocks - blocks >= self._watermark_blocks

    def start(self, now_ns: int) -> int | None:
        """Composes the next batch; returns when its stretch ends, or None if there is nothing to run."""
        decodes = self._decodes
        if decodes.size:
            self._place_decodes(now_ns)
        if self.waiting or self._half_prefilled is not None:
            self._place_chunks(now_ns)
        if self._chunks:
            return self._start_mixed(now_ns)
        if not decodes.size:
            return None
        first_ns, step_ns = self._cost.decodes_ns(decodes.size, decodes.context_tokens())
        count = decodes.unchanged(self.total_blocks - self.used_blocks)
        return self.stretch.begin(now_ns, first_ns, step_ns, count)

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
        stretch, decodes = self.stretch, self._decodes
        count = stretch.count
        if count > 1:
            blocks, block_ns = decodes.grown(stretch)
            self.used_blocks += blocks
            self._block_ns -= block_ns
        self.generated_tokens += decodes.size * count
        stretch.count = 0
        finished = decodes.advance(count)
        if self._chunks:
            finished = finished + self._end_chunks(now_ns)
        for request in finished:
            del self.running[bisect_left(self.running, request.id, key=_by_age)]
            self._free(request, now_ns)
        return sorted(finished, key=_by_age) if len(finished) > 1 else finished

    def crash(self, now_ns: int) -> list[Request]:
        """The iteration that runs is lost with all caches; returns every request, by (arrival, id), restarted.

        Iterations of the stretch that end by ``now_ns`` have ended before. The replica is empty and idle then.
        """
        raise NotImplementedError

    def set_cost(self, cost: Cost) -> None:
        """Iterations composed from now on take their times from ``cost``; cut a running stretch first."""
        self._cost = cost

    def cold(self) -> None:
        """Empties the prefix cache of a replica that has no requests: it starts anew."""

    def can_ever_admit(self, request: Request) -> bool:
        """Whether ``request``, with what it has generated, could be admitted if the replica were empty."""
        return request.prefill_target <= self.most_prompt_tokens

    def cached_tokens(self, request: Request, now_ns: int, started: bool = False) -> int:
        """The prefix-cache hit that ``request`` (not running here) would get at ``now_ns``; ``started`` as below."""
        return 0

    def conserves(self) -> bool:
        """Whether the used blocks are those of the running requests: none if nothing runs."""
        return not (self.used_blocks or self.running)

    def used_blocks_at(self, t_ns: int, started: bool) -> int:
        """KV blocks in use at ``t_ns``, within what runs; ``started``: also by an iteration that starts right then."""
        stretch = self.stretch
        if stretch.count <= 1:
            return self.used_blocks
        ended = stretch.ended_by(t_ns)
        if not started and stretch.boundary_ns(ended) == t_ns:
            ended -= 1
        return self.used_blocks + self._decodes.growth(ended) if ended > 0 else self.used_blocks

    def generated_tokens_at(self, t_ns: int) -> int:
        """Output tokens generated until ``t_ns``, within what runs."""
        return self.generated_tokens + self._decodes.size * self.stretch.ended_by(t_ns)

    def steps_at(self, t_ns: int) -> int:
        """The lockstep clock at ``t_ns``, within what runs."""
        return self._decodes.steps + self.stretch.ended_by(t_ns)

    def block_ns(self, now_ns: int) -> int:
        """Integral of the used blocks over time so far, in block * ns; the replica must be idle."""
        return self._block_ns + self.used_blocks * now_ns

    def _start_mixed(self, now_ns: int) -> int:
        """One iteration with prefill chunks in it."""
        decodes = self._decodes
        tokens = half_pairs = 0
        for request, chunk in self._chunks:
            tokens += chunk
            half_pairs += chunk * (2 * request.kv_tokens + chunk)
        duration_ns = self._cost.iteration_ns(
            decodes.size, decodes.context_tokens(), len(self._chunks), tokens, half_pairs
        )
        return self.stretch.begin(now_ns, duration_ns, 0, 1)

    def _place_decodes(self, now_ns: int) -> None:
        """Gives every decode the room for its next token, preempting the youngest while blocks are lacking."""
        blocks = self._decodes.growth_now()
        if self.used_blocks + blocks <= self.total_blocks:
            self.used_blocks += blocks
            self._block_ns -= blocks * now_ns
            return
        growing = self._decodes.growing(self.running)
        free = self.total_blocks - self.used_blocks
        self._take(free, now_ns)
        for request in growing[free:]:
            lost_its_place = request.decoding_since == NEVER
            if lost_its_place or not self._free_a_block_for(request, now_ns):
                return
            self._take(1, now_ns)

    def _free_a_block_for(self, request: Request, now_ns: int) -> bool:
        """Preempts the youngest until a block is free; False if that cost ``request`` itself its place.

        The youngest running request is never one already placed: those are all older than ``request``.
        """
        while self.used_blocks == self.total_blocks:
            victim = self.running.pop()
            self._preempt(victim, now_ns)
            if victim is request:
                return False
        return True

    def _preempt(self, victim: Request, now_ns: int) -> None:
        if victim is self._half_prefilled:
            self._half_prefilled = None
        else:
            self._decodes.leave(victim)
        self._free(victim, now_ns)
        victim.lose_cache()
        self.preemptions += 1
        if victim.prefill_target <= self.most_prompt_tokens:
            self.waiting.appendleft(victim)
        else:
            self.outgrown.append(victim)

    def _place_chunks(self, now_ns: int) -> None:
        """The running prefill, then admissions, as far as the token budget reaches."""
        budget = self._chunk_tokens - self._decodes.size
        if self._half_prefilled is not None and budget > 0:
            budget = self._place_chunk(self._half_prefilled, budget)
        waiting, running = self.waiting, self.running
        while waiting and budget > 0 and len(running) < self._max_num_seqs:
            request = waiting[0]
            blocks = -(-request.prefill_target // self._block_tokens)
            if self.total_blocks - self.used_blocks - blocks < self._watermark_blocks:
                return
            waiting.popleft()
            self._take(blocks, now_ns)
            if running and running[-1].id > request.id:
                insort(running, request, key=_by_age)
            else:
                running.append(request)
            if request.first_scheduled_ns == NEVER:
                request.first_scheduled_ns = now_ns
            budget = self._place_chunk(request, budget)

    def _place_chunk(self, request: Request, budget: int) -> int:
        chunk = min(request.prefill_target - request.kv_tokens, budget)
        self._chunks.append((request, chunk))
        return budget - chunk

    def _end_chunks(self, now_ns: int) -> list[Request]:
        """Books the chunks; a completed prefill yields a token, and its request decodes on or has finished."""
        finished = []
        self._half_prefilled = None
        for request, chunk in self._chunks:
            request.kv_tokens += chunk
            if request.kv_tokens < request.prefill_target:
                self._half_prefilled = request
                continue
            request.generated_tokens += 1
            self.generated_tokens += 1
            if request.first_token_ns == NEVER:
                request.first_token_ns = now_ns
            if request.generated_tokens == request.output_tokens:
                finished.append(request)
            else:
                self._decodes.join(request)
        self._chunks = []
        return finished

    def _take(self, blocks: int, now_ns: int) -> None:
        self.used_blocks += blocks
        self._block_ns -= blocks * now_ns

    def _free(self, request: Request, now_ns: int) -> None:
        """Frees the blocks of a running request: those of its whole prefill, or of what it has in the cache since."""
        kv_tokens, target = request.kv_tokens, request.prefill_target
        blocks = -(-(kv_tokens if kv_tokens > target else target) // self._block_tokens)
        self.used_blocks -= blocks
        self._block_ns += blocks * now_ns
