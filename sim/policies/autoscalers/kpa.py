"""KPA, Knative's autoscaler: concurrency over a minute, and over six seconds when a burst comes.

Every 2 s: ``desired = ceil(concurrency / (target * 0.7))``, where the concurrency is the mean number of requests in the
system (running, waiting, held) over the stable window of 60 s; and the same over the panic window, a tenth of it. If
the latter asks for twice the ready replicas or more, it panics: the higher number counts, and there is no scaling down
until 60 s have passed without such a need (knative.dev, autoscaling/kpa-specific). Up to 1,000 times the ready replicas
at once, down to half of them.

Knative's default target is a container's concurrency limit of 100; the default here is the one of ``hpa``.
"""

import math
from collections.abc import Mapping, Sequence

from sim.api import Fleet, FleetSample

TARGET_CONCURRENCY = 20.0
UTILISATION = 0.7
STABLE_WINDOW_S = 60.0
PANIC_WINDOW_S = 6.0
PANIC_THRESHOLD = 2.0
MAX_UP_RATE, MAX_DOWN_RATE = 1000, 2


class KnativePodAutoscaler:
    interval_s = 2.0

    def __init__(self, target: float = TARGET_CONCURRENCY) -> None:
        self._per_replica = target * UTILISATION
        self._panic_since_s: float | None = None
        """When the last need to panic was seen, while it panics."""
        self._most_in_panic = 0

    def scale(self, fleet: Fleet, history: Sequence[FleetSample]) -> Mapping[str, int]:
        pool = max(fleet.pools, key=lambda pool: pool.max_replicas - pool.min_replicas)
        ready = max(pool.ready, 1)
        wanted_in_panic = math.ceil(self._concurrency(history, PANIC_WINDOW_S) / self._per_replica)
        stable = self._limited(math.ceil(self._concurrency(history, STABLE_WINDOW_S) / self._per_replica), ready)
        panic = self._limited(wanted_in_panic, ready)
        if wanted_in_panic / ready >= PANIC_THRESHOLD:
            if self._panic_since_s is None:
                self._most_in_panic = pool.ready + pool.starting + pool.down
            self._panic_since_s = fleet.now_s
        elif self._panic_since_s is not None and fleet.now_s - self._panic_since_s > STABLE_WINDOW_S:
            self._panic_since_s = None
        if self._panic_since_s is None:
            return {pool.name: stable}
        self._most_in_panic = max(self._most_in_panic, panic)
        return {pool.name: self._most_in_panic}

    def _concurrency(self, history: Sequence[FleetSample], window_s: float) -> float:
        """Mean requests in the system over the last ``window_s``."""
        since_s = history[-1].t_s - window_s
        loads = [sample.running + sample.waiting + sample.held for sample in history if sample.t_s > since_s]
        return sum(loads) / len(loads)

    def _limited(self, wanted: int, ready: int) -> int:
        return min(max(wanted, ready // MAX_DOWN_RATE), ready * MAX_UP_RATE)
