"""What must add up at the end of every run: requests, tokens and KV blocks. A failure is a defect of the simulator."""

from __future__ import annotations

from collections.abc import Sequence

from sim.errors import ConservationError
from sim.replica import Replica
from sim.request import Request
from sim.tally import Tally


def check_conservation(requests: Sequence[Request], replicas: Sequence[Replica], held: int, tally: Tally) -> None:
    """Raises ConservationError; to be called when every request has an outcome. ``held``: requests at the router."""
    for replica in replicas:
        if not replica.conserves():
            raise ConservationError(f"Replica {replica.id} still holds {replica.used_blocks} KV blocks at the end.")
    generated = sum(replica.generated_tokens - replica.forgotten_tokens for replica in replicas)
    finished = [request for request in requests if request.outcome == "finished"]
    if generated != sum(request.generated_tokens for request in requests):
        raise ConservationError(f"The replicas generated {generated} tokens, which isn't what the requests got.")
    whole = all(request.generated_tokens == request.output_tokens for request in finished)
    if not whole or len(finished) != tally.finished:
        raise ConservationError("A request counts as finished and has not all of its output tokens, or the reverse.")
    placed = sum(len(replica.waiting) + len(replica.running) for replica in replicas)
    left = tally.finished + tally.rejected_on_replica + tally.came_back
    if tally.routed != left + placed or tally.unserved != held + placed:
        raise ConservationError(
            f"Of {tally.routed} routings {left} ended and {placed} requests are on replicas; {held} are held and "
            f"{tally.unserved} have not left: that doesn't add up."
        )
