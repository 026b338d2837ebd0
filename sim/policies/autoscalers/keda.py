"""KEDA on waiting requests, as vLLM's production stack ships it: one replica for every five requests that wait.

KEDA feeds an HPA with the sum of ``vllm:num_requests_waiting`` and an average value of 5: ``desired = ceil(waiting /
5)``, within the HPA's tolerance of a tenth, polled every 15 s. Down to the most that was desired in the last 300 s, and
by at most 50% in 60 s. From 0 to 1 replica when anything waits, and from 1 to 0 after 360 s without (production-stack,
tutorial on KEDA). What is held at the router waits too.

A queue that is empty says nothing of how busy the replicas are: under steady load it scales down until a queue forms.
"""

import math
from collections.abc import Mapping, Sequence

from sim.api import Fleet, FleetSample

WAITING_PER_REPLICA = 5
TOLERANCE = 0.1
DOWN_STABILISATION_S = 300.0
DOWN_SHARE, DOWN_PERIOD_S = 0.5, 60.0
COOLDOWN_S = 360.0


class KedaOnWaitingRequests:
    interval_s = 15.0

    def __init__(self, threshold: int = WAITING_PER_REPLICA) -> None:
        self._threshold = threshold
        self._desired: list[tuple[float, int]] = []
        self._replicas: list[tuple[float, int]] = []
        self._active_s = 0.0
        """When anything last waited."""

    def scale(self, fleet: Fleet, history: Sequence[FleetSample]) -> Mapping[str, int]:
        pool = max(fleet.pools, key=lambda pool: pool.max_replicas - pool.min_replicas)
        replicas = pool.ready + pool.starting + pool.down
        waiting = history[-1].waiting + history[-1].held
        if waiting:
            self._active_s = fleet.now_s
        if replicas == 0:
            return {pool.name: 1 if waiting else 0}
        if replicas == 1 and pool.min_replicas == 0 and fleet.now_s - self._active_s > COOLDOWN_S:
            return {pool.name: 0}
        desired = replicas
        if abs(waiting / (replicas * self._threshold) - 1) > TOLERANCE:
            desired = max(1, math.ceil(waiting / self._threshold))
        return {pool.name: self._not_too_fast(desired, replicas, fleet.now_s)}

    def _not_too_fast(self, desired: int, replicas: int, now_s: float) -> int:
        """Up at once; down as far as the two windows let it."""
        if not self._desired:
            self._desired.append((now_s, replicas))
        self._desired = [(t_s, n) for t_s, n in self._desired if t_s > now_s - DOWN_STABILISATION_S]
        self._replicas = [(t_s, n) for t_s, n in self._replicas if t_s > now_s - DOWN_PERIOD_S]
        self._desired.append((now_s, desired))
        self._replicas.append((now_s, replicas))
        if desired >= replicas:
            return desired
        least = math.ceil(max(n for _, n in self._replicas) * (1 - DOWN_SHARE))
        return max(min(max(n for _, n in self._desired), replicas), least)
