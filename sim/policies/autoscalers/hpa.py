"""HPA, the Kubernetes horizontal pod autoscaler: as many replicas as bring the load of each to a target.

``desired = ceil(replicas * load / target)``, and no change while the load is within a tenth of the target (Kubernetes
documentation, Horizontal Pod Autoscaling: the algorithm and its default behaviour). Asked every 15 s. Up by 100% or 4
replicas at a time, whichever is more; down only to the most that was desired in the last 300 s.

The load is the requests in the system per replica: running, waiting and held at the router. Unlike the KV usage it has
no ceiling, so it says by how much too few replicas there are; unlike the queue alone it says when there are too many.
The default target, 20, is what fills 56% of an A10's cache (2,240 blocks beside Llama-3-8B) with requests of 1,000
tokens. Replicas that start count as replicas, as unready pods do, so a cold start isn't answered with another one.
"""

import math
from collections.abc import Mapping, Sequence

from sim.api import Fleet, FleetSample

TARGET_REQUESTS = 20.0
TOLERANCE = 0.1
DOWN_STABILISATION_S = 300.0
MAX_UP_FACTOR, MAX_UP_REPLICAS = 2, 4


class HorizontalPodAutoscaler:
    interval_s = 15.0

    def __init__(self, target: float = TARGET_REQUESTS) -> None:
        self._target = target
        self._desired: list[tuple[float, int]] = []
        """What was desired, and when, in the stabilisation window; at first what there was."""

    def scale(self, fleet: Fleet, history: Sequence[FleetSample]) -> Mapping[str, int]:
        pool = max(fleet.pools, key=lambda pool: pool.max_replicas - pool.min_replicas)
        now = history[-1]
        replicas = pool.ready + pool.starting + pool.down
        load = now.running + now.waiting + now.held
        desired = replicas
        if not replicas or abs(load / (replicas * self._target) - 1) > TOLERANCE:
            desired = math.ceil(load / self._target)
        most = max(replicas * MAX_UP_FACTOR, replicas + MAX_UP_REPLICAS)
        return {pool.name: min(self._stabilised(desired, replicas, fleet.now_s), most)}

    def _stabilised(self, desired: int, replicas: int, now_s: float) -> int:
        """The most that was desired in the window; more than there is is never held back by it."""
        if not self._desired:
            self._desired.append((now_s, replicas))
        self._desired = [(t_s, n) for t_s, n in self._desired if t_s > now_s - DOWN_STABILISATION_S]
        self._desired.append((now_s, desired))
        highest = max(n for _, n in self._desired)
        return min(highest, replicas) if desired < replicas else desired
