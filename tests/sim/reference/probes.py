"""Routers that note down everything they are shown, and runs of either engine as one comparable record."""

from __future__ import annotations

from random import Random

from sim.engine import Policies

FIELDS = ("id", "accepts", "num_waiting", "num_running", "kv_blocks_used", "kv_blocks_total")


def snapshot(queue, cluster):
    """Everything a router can see at this instant."""
    replicas = [
        (*(getattr(replica, field) for field in FIELDS), tuple(replica.waiting), tuple(replica.running))
        for replica in cluster.replicas
    ]
    return (cluster.now_ns, cluster.now_s, cluster.block_tokens, tuple(queue), tuple(queue.new), tuple(replicas))


class Spy:
    """Asks ``router`` and notes what it was shown, before its answer and while it is being given."""

    def __init__(self, router):
        self.seen = []
        self._router = router

    def route(self, queue, cluster):
        self.seen.append(snapshot(queue, cluster))
        for decision in self._router.route(queue, cluster):
            self.seen.append(cluster.replicas[-1].kv_blocks_used)
            yield decision


class Whimsical:
    """Holds, reorders, routes many at once, and once in a while (``faults``) decides what can't be done or fails."""

    def __init__(self, seed, holding, faults):
        self._random = Random(seed)
        self._holding = holding
        self._faults = faults
        self._routed = []

    def route(self, queue, cluster):
        if self._random.random() < self._holding:
            return []
        chosen = [request for request in queue if self._random.random() >= self._holding]
        if self._random.random() < 0.5:
            self._random.shuffle(chosen)
        favourite = self._random.choice(cluster.replicas)
        spread = self._random.random() < 0.7
        answer = [(r, self._random.choice(cluster.replicas) if spread else favourite) for r in chosen]
        if self._random.random() < self._faults:
            answer.append(self._random.choice([(queue[0], None), None, *((r, favourite) for r in self._routed[-1:])]))
        if self._random.random() < self._faults / 2:
            raise ZeroDivisionError(f"at {cluster.now_ns}")
        self._routed += chosen
        return answer


class LeastMemory:
    """Reads blocks and processed tokens of everything and holds what doesn't fit: its choices hang on every digit."""

    def route(self, queue, cluster):
        taken = dict.fromkeys((replica.id for replica in cluster.replicas), 0)
        for request in sorted(queue, key=lambda r: (r.prompt_tokens, r.id)):
            need = -(-request.prompt_tokens // cluster.block_tokens)
            replica = min(cluster.replicas, key=lambda r: (r.kv_blocks_used + taken[r.id], self._progress(r), r.id))
            if replica.num_waiting and replica.kv_blocks_used + taken[replica.id] + need > replica.kv_blocks_total:
                continue
            taken[replica.id] += need
            yield request, replica

    def _progress(self, replica):
        return sum(request.processed_tokens for request in replica.running)


class Watcher:
    """Keeps the rows, and looks at views it was once given: they show the present."""

    def __init__(self, spy):
        self.rows = []
        self.kept = []
        self._spy = spy

    def on_sample(self, row):
        self.rows.append(row)
        if self._spy.cluster is not None:
            self.kept.append([(r.kv_blocks_used, tuple(r.running)) for r in self._spy.cluster.replicas])


class Keeping(Spy):
    """A spy that keeps the cluster it was shown."""

    cluster = None

    def route(self, queue, cluster):
        self.cluster = cluster
        return super().route(queue, cluster)


def record(simulate_workload, scenario, work, router):
    """All that a run yields, shows or raises, as one value."""
    spy = Keeping(router)
    watcher = Watcher(spy)
    try:
        result = simulate_workload(scenario, work, Policies(spy, {"router": "probe"}), 3, watcher)
    except Exception as error:
        ending = (type(error), str(error))
    else:
        table = {name: getattr(result.requests, name).tolist() for name in result.requests.__slots__}
        ending = (table, result.summary, result.telemetry, result.decisions_sha256)
    return {"ending": ending, "seen": spy.seen, "rows": watcher.rows, "kept": watcher.kept}
