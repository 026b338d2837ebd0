"""vLLM FCFS: waiting requests in the engine's order, head first; memory is taken from the last running request.

The rules that the engine has without a policy (vLLM 0.33, v1/core/sched/scheduler.py, ``policy="fcfs"``), written out:
by its name this scheduler is the engine itself, as a file it makes the same decisions.
"""

from collections.abc import Sequence

from sim.api import Engine, ReplicaRequest


class FirstComeFirstServed:
    def admit(self, waiting: Sequence[ReplicaRequest], engine: Engine) -> Sequence[ReplicaRequest]:
        return waiting

    def victim(self, candidates: Sequence[ReplicaRequest], engine: Engine) -> ReplicaRequest:
        return candidates[-1]
