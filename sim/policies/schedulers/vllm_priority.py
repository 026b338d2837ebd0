"""vLLM priority: the most urgent waiting request first; memory is taken from the least urgent running one.

vLLM 0.33 with ``policy="priority"`` (v1/core/sched/request_queue.py and scheduler.py): waiting is a heap by (priority,
arrival), lower first, and so is a preempted request's place in it; the victim is the largest of the same. vLLM may also
take back a request that it has already placed in the iteration; here only those not placed yet can be chosen.
"""

from collections.abc import Sequence

from sim.api import Engine, ReplicaRequest


def _urgency(request: ReplicaRequest) -> tuple[int, int, int]:
    return request.priority, request.arrival_ns, request.id


class Priority:
    def admit(self, waiting: Sequence[ReplicaRequest], engine: Engine) -> Sequence[ReplicaRequest]:
        return sorted(waiting, key=_urgency)

    def victim(self, candidates: Sequence[ReplicaRequest], engine: Engine) -> ReplicaRequest:
        return max(candidates, key=_urgency)
