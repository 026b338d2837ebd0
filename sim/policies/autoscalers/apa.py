"""APA, AIBrix's autoscaler: in proportion to a usage, with a dead band and at most a factor of two.

``ratio = usage / target``. Above 1.1: ``min(ceil(n * ratio), 2 n)``; below 0.9: ``max(ceil(n * ratio), floor(n / 2))``;
between them nothing changes (vllm-project/aibrix, pkg/controller/podautoscaler/algorithm/apa.go). Asked every 10 s.

The usage is the mean share of the KV cache in use, of ready replicas; the target of one half leaves room for outputs
that grow. It can't exceed 1, so one step never more than doubles the fleet anyway. Replicas that start count in ``n``:
without that, load that stays while they start doubles the fleet again and again (aibrix issues 2670 and 2671). Of
no replica there is no usage: one is wanted then as soon as a request is held.
"""

import math
from collections.abc import Mapping, Sequence

from sim.api import Fleet, FleetSample

TARGET_KV_USAGE = 0.5
UP_FLUCTUATION, DOWN_FLUCTUATION = 0.1, 0.1
MAX_UP_RATE, MAX_DOWN_RATE = 2, 2


class AiBrixPodAutoscaler:
    interval_s = 10.0

    def __init__(self, target: float = TARGET_KV_USAGE) -> None:
        self._target = target

    def scale(self, fleet: Fleet, history: Sequence[FleetSample]) -> Mapping[str, int]:
        pool = max(fleet.pools, key=lambda pool: pool.max_replicas - pool.min_replicas)
        replicas = pool.ready + pool.starting + pool.down
        if not replicas:
            return {pool.name: min(1, history[-1].held)}
        ratio = history[-1].kv_usage / self._target
        if ratio > 1 + UP_FLUCTUATION:
            return {pool.name: min(math.ceil(replicas * ratio), replicas * MAX_UP_RATE)}
        if ratio < 1 - DOWN_FLUCTUATION:
            return {pool.name: max(math.ceil(replicas * ratio), replicas // MAX_DOWN_RATE)}
        return {pool.name: replicas}
