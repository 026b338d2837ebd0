"""Predicted SJF (needs a length predictor, no design): the fewest predicted output tokens first.

Speculative shortest job first (SSJF, arXiv 2404.08509): a proxy model predicts the output length of a request at its
arrival, and waiting requests are ordered by it; ties to the earlier arrival. The predictor is simulated: it knows the
length up to a random factor (:mod:`sim.predictor`), so this scheduler ships, and no design can be one like it.
"""

from collections.abc import Callable, Sequence

from sim.api import Engine, ReplicaRequest


class PredictedShortestJob:
    def __init__(self, predicted_tokens: Callable[[int], int]) -> None:
        self._predicted_tokens = predicted_tokens

    def admit(self, waiting: Sequence[ReplicaRequest], engine: Engine) -> Sequence[ReplicaRequest]:
        return sorted(waiting, key=self._length)

    def _length(self, request: ReplicaRequest) -> tuple[int, int, int]:
        return self._predicted_tokens(request.id), request.arrival_ns, request.id
