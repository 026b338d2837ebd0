"""Policies that note down everything they are shown, and runs of either engine as one comparable record."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from sim.engine import Policies
from sim.errors import IllegalDecision
from sim.hooks import SchedulerHooks

FIELDS = (
    *("id", "accepts", "state", "pool", "hardware"),
    *("num_waiting", "num_running", "kv_blocks_used", "kv_blocks_total"),
)
ENGINE_FIELDS = (
    *("now_ns", "now_s", "replica", "block_tokens", "kv_blocks_total", "kv_blocks_used", "watermark_blocks"),
    *("max_num_seqs", "token_budget", "tokens_left", "num_running"),
)
POOL_FIELDS = ("name", "hardware", "ready", "starting", "draining", "down", "min_replicas", "max_replicas")


def replicas_shown(replicas):
    """Everything that can be read of replicas without asking for a request."""
    return [
        (*(getattr(replica, field) for field in FIELDS), tuple(replica.waiting), tuple(replica.running))
        for replica in replicas
    ]


def snapshot(queue, cluster):
    """Everything a router can see at this instant."""
    return (
        *(cluster.now_ns, cluster.now_s, cluster.block_tokens, cluster.content_block_tokens),
        *(tuple(queue), tuple(queue.new), len(queue), replicas_shown(cluster.replicas)),
        [[replica.cached_tokens(request) for request in _asked(queue)] for replica in cluster.replicas],
    )


def _asked(queue):
    """The held requests, and ids that are or were elsewhere, haven't arrived or don't exist."""
    return [*queue, *(replace(queue[0], id=other) for other in (0, queue[-1].id + 1, 10**6, -1))]


def engine_shown(engine):
    """Everything a batch scheduler can see but the requests it is asked about."""
    return (*(getattr(engine, field) for field in ENGINE_FIELDS), tuple(engine.running))


class Spy:
    """Asks ``router`` and notes what it was shown, before its answer and while it is being given."""

    def __init__(self, router):
        self.seen = []
        self.cluster = None
        self._router = router

    @property
    def timer_s(self):
        return getattr(self._router, "timer_s", None)

    def route(self, queue, cluster):
        self.cluster = cluster
        self.seen.append(snapshot(queue, cluster))
        for decision in self._router.route(queue, cluster):
            if cluster.replicas:
                self.seen.append(cluster.replicas[-1].kv_blocks_used)
            yield decision


class Whimsical:
    """Holds, reorders, routes many at once, and once in a while (``faults``) decides what can't be done or fails.

    Unless it decides what can't be done, it knows which replicas accept.
    """

    def __init__(self, seed, holding, faults, most_tokens, timer_s=None):
        """``most_tokens``: the longest prompt that fits a replica, by the name of its pool."""
        self._random = Random(seed)
        self._holding = holding
        self._faults = faults
        self._most_tokens = most_tokens
        self._routed = []
        self.timer_s = timer_s

    def route(self, queue, cluster):
        if self._random.random() < self._holding:
            return []
        faulty = self._random.random() < self._faults
        replicas = [replica for replica in cluster.replicas if faulty or replica.accepts]
        if not replicas:
            return []
        chosen = [request for request in queue if self._random.random() >= self._holding]
        if self._random.random() < 0.5:
            self._random.shuffle(chosen)
        favourite = self._random.choice(replicas)
        spread = self._random.random() < 0.7
        answer = []
        for request in chosen:
            replica = self._random.choice(replicas) if spread else favourite
            if faulty or request.prompt_tokens <= self._most_tokens[replica.pool]:
                answer.append((request, replica))
        if faulty:
            answer.append(self._random.choice([(queue[0], None), None, *((r, favourite) for r in self._routed[-1:])]))
        if self._random.random() < self._faults / 2:
            raise ZeroDivisionError(f"at {cluster.now_ns}")
        self._routed += [request for request, _ in answer[: len(chosen)]]
        return answer


class LeastMemory:
    """Reads blocks, progress and cached prefixes of everything and holds what doesn't fit: each digit counts."""

    def __init__(self, most_tokens):
        self._most_tokens = most_tokens

    def route(self, queue, cluster):
        taken = dict.fromkeys((replica.id for replica in cluster.replicas), 0)
        for request in sorted(queue, key=lambda r: (r.prompt_tokens, r.id)):
            replicas = [r for r in cluster.replicas if r.accepts and self._fits(request, r)]
            if not replicas:
                continue
            need = -(-request.prompt_tokens // cluster.block_tokens)
            replica = min(replicas, key=lambda r: (self._load(r, request) + taken[r.id], self._progress(r), r.id))
            if replica.num_waiting and replica.kv_blocks_used + taken[replica.id] + need > replica.kv_blocks_total:
                continue
            taken[replica.id] += need
            yield request, replica

    def _fits(self, request, replica):
        return request.prompt_tokens <= self._most_tokens[replica.pool]

    def _load(self, replica, request):
        return replica.kv_blocks_used - replica.cached_tokens(request)

    def _progress(self, replica):
        return sum(request.processed_tokens for request in replica.running)


class WhimsicalScheduler:
    """Admits in odd orders, holds back, cuts prompts to odd pieces and preempts whom it likes.

    ``looks``: how often it reads all there is to see. ``faults``: how often it answers what can't be done.
    """

    def __init__(self, replica, seed, holding, faults, looks, seen):
        self._random = Random(f"{seed} {replica}")
        self._holding = holding
        self._faults = faults
        self._looks = looks
        self._seen = seen
        self.wake_iterations = self._random.choice([None, None, 1, 2, 5, 50])

    def admit(self, waiting, engine):
        self._look(engine, waiting)
        if self._random.random() < self._looks:
            self._seen.append([engine.cached_tokens(request) for request in waiting])
        self.wake_iterations = self._random.choice([self.wake_iterations, None, 1, 3])
        if self._random.random() < 0.2:
            return waiting if self._random.random() < 0.7 else waiting[: self._random.randint(0, 3)]
        chosen = [request for request in waiting if self._random.random() >= self._holding]
        if self._random.random() < 0.4:
            self._random.shuffle(chosen)
        if self._random.random() < self._faults:
            chosen.append(self._random.choice([waiting[-1], None, *engine.running]))
        if self._random.random() < self._faults / 2:
            raise ZeroDivisionError(f"admit at {engine.now_ns}")
        return self._one_by_one(chosen, engine) if self._random.random() < 0.5 else chosen

    def _one_by_one(self, chosen, engine):
        for request in chosen:
            if self._random.random() < self._looks / 4:
                self._seen.append(engine.kv_blocks_used)
            yield request

    def chunk(self, request, budget, engine):
        self._look(engine, request, budget)
        if self._random.random() < self._faults:
            return self._random.choice([-1, budget + 1, None])
        odd = self._random.randint(0, budget)
        return self._random.choice([budget, budget, odd, min(budget, odd % 7), 0 if self._holding else budget])

    def victim(self, candidates, engine):
        self._look(engine, candidates)
        if self._random.random() < self._faults:
            return self._random.choice([None, *engine.running])
        return self._random.choice([candidates[0], candidates[-1], self._random.choice(list(candidates))])

    def _look(self, engine, *asked):
        if self._random.random() < self._looks:
            self._seen.append((engine_shown(engine), *(tuple(a) if hasattr(a, "__len__") else a for a in asked)))


class Schedulers:
    """Makes a scheduler for each replica and keeps what they all saw, in order of time."""

    def __init__(self, hooks, seed, holding, faults, looks):
        self.seen = []
        self._hooks = hooks
        self._options = (seed, holding, faults, looks, self.seen)

    def __call__(self, replica):
        self.seen.append(replica)
        policy = WhimsicalScheduler(replica, *self._options)
        hooks = {name: getattr(policy, name) for name in self._hooks}
        return SchedulerHooks(name="odd", wake_iterations=lambda: policy.wake_iterations, **hooks)


class RandomWalk:
    """Wants a few replicas more or less every time; names some pools, or the only one by a number alone."""

    def __init__(self, seed, faults, looks, interval_s=None):
        self.seen = []
        self._random = Random(seed)
        self._faults = faults
        self._looks = looks
        self._wanted = {}
        if interval_s is not None:
            self.interval_s = interval_s

    def scale(self, fleet, history):
        pools = [(*(getattr(pool, field) for field in POOL_FIELDS), pool.cold_start_s) for pool in fleet.pools]
        self.seen.append((fleet.now_ns, fleet.now_s, pools, tuple(history)))
        if self._random.random() < self._looks:
            self.seen.append(replicas_shown(fleet.replicas))
        if self._random.random() < self._faults:
            if self._random.random() < 0.2:
                raise ZeroDivisionError(f"scale at {fleet.now_ns}")
            return self._random.choice([None, -1, {"nowhere": 1}, {fleet.pools[0].name: 1.5}])
        for pool in fleet.pools:
            present = pool.ready + pool.starting + pool.down
            step = self._random.choice([-3, -1, -1, 0, 0, 1, 1, 3])
            self._wanted[pool.name] = max(0, self._wanted.get(pool.name, present) + step)
            if self._random.random() < 0.3:
                self._wanted[pool.name] = self._random.randint(pool.min_replicas, pool.max_replicas)
        if len(fleet.pools) == 1 and self._random.random() < 0.5:
            return self._wanted[fleet.pools[0].name]
        return {name: wanted for name, wanted in self._wanted.items() if self._random.random() < 0.8}


class Watcher:
    """Keeps the rows, and looks at views a router was once given: they show the present."""

    def __init__(self, spy):
        self.rows = []
        self.kept = []
        self._spy = spy

    def on_sample(self, row):
        self.rows.append(row)
        if self._spy.cluster is not None:
            self.kept.append((self._spy.cluster.now_ns, replicas_shown(self._spy.cluster.replicas)))


def record(simulate_workload, scenario, work, new_router, new_scheduler=None, new_autoscaler=None, seed=3):
    """All that a run yields, shows or raises, as one value. Of an illegal decision only whose it was, and when."""
    spy = Spy(new_router())
    watcher = Watcher(spy)
    scheduler = None if new_scheduler is None else new_scheduler()
    autoscaler = None if new_autoscaler is None else new_autoscaler()
    policies = Policies(spy, {"router": "probe", "autoscaler": "walk"}, scheduler, autoscaler)
    try:
        result = simulate_workload(scenario, work, policies, seed, watcher)
    except IllegalDecision as error:
        ending = (error.slot, error.policy, error.time_ns)
    except Exception as error:
        ending = (type(error), str(error))
    else:
        table = {name: getattr(result.requests, name).tolist() for name in result.requests.__slots__}
        ending = {"table": table, "summary": result.summary, "telemetry": result.telemetry}
    return {
        "router": spy.seen,
        "scheduler": getattr(scheduler, "seen", []),
        "autoscaler": getattr(autoscaler, "seen", []),
        "rows": watcher.rows,
        "kept": watcher.kept,
        "ending": ending,
    }
