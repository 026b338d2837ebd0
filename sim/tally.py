"""What a run counts as it goes: requests that came, left and moved, and the times of those that finished."""

from __future__ import annotations


class Tally:
    """Counts since the start. ``completion_ns`` and ``ttft_ns``: sums over finished requests.

    Every routing is undone by one of four: the request finished, was rejected, came back from a failed replica, or is
    still on its replica when the run is over. ``moved_ns``: when a request last arrived, was routed, came back or left.
    """

    __slots__ = (
        "arrived",
        "came_back",
        "completion_ns",
        "finished",
        "moved_ns",
        "prompt_tokens",
        "rejected",
        "rejected_on_replica",
        "routed",
        "ttft_ns",
    )

    def __init__(self) -> None:
        self.arrived = self.prompt_tokens = 0
        self.routed = self.came_back = 0
        self.finished = self.rejected = self.rejected_on_replica = 0
        self.completion_ns = self.ttft_ns = 0
        self.moved_ns = 0

    @property
    def unserved(self) -> int:
        """Requests that have arrived and not left."""
        return self.arrived - self.finished - self.rejected
