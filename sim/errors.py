"""The simulator's exceptions: each carries one sentence that tells the user what to do.

Standard library only, because this module is also loaded inside the process of an untrusted design.
"""

from __future__ import annotations


class SimError(Exception):
    """Base of everything the simulator raises on purpose; ``str(error)`` is the sentence for the user."""


class ScenarioError(SimError):
    """An unknown scenario or a malformed scenario file; names the file, the field and the nearest known one."""


class UnknownPolicy(SimError):
    """A policy name that is not shipped; names the nearest one that is."""


class PolicyInterfaceError(SimError):
    """A design file that does not define exactly one policy of the slot's form."""


class IllegalDecision(SimError):
    """A decision the cluster can't carry out. ``time_ns`` is simulated time; ``slot``: what kind of policy made it."""

    def __init__(self, policy: str, time_ns: int, decision: str, slot: str = "Router") -> None:
        super().__init__(f"{slot} {policy!r} made an illegal decision at {time_ns / 1e9:.6f} s: {decision}.")
        self.policy = policy
        self.time_ns = time_ns
        self.decision = decision
        self.slot = slot

    def __reduce__(self) -> tuple[type[IllegalDecision], tuple[str, int, str, str]]:
        return IllegalDecision, (self.policy, self.time_ns, self.decision, self.slot)


class ConservationError(SimError):
    """The simulator lost or duplicated a request or a KV block: a defect of the simulator, never of a design."""


class TraceFileError(ScenarioError):
    """A trace file that holds no workload; names the file, the line, the field and what to do."""
