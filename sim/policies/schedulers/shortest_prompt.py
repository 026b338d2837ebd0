"""Shortest prompt: the waiting request with the fewest prompt tokens first; ties to the earlier arrival.

Shortest job first by the part of a job that is known at its arrival. Long prompts wait as long as shorter ones come.
"""

from collections.abc import Sequence

from sim.api import Engine, ReplicaRequest


class ShortestPrompt:
    def admit(self, waiting: Sequence[ReplicaRequest], engine: Engine) -> Sequence[ReplicaRequest]:
        return sorted(waiting, key=lambda request: (request.prompt_tokens, request.arrival_ns, request.id))
