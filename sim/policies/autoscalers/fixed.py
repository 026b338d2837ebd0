"""Fixed: every pool keeps the replicas that it has at the start. The baseline, and the most expensive calm one."""

from collections.abc import Mapping, Sequence

from sim.api import Fleet, FleetSample


def scale(fleet: Fleet, history: Sequence[FleetSample]) -> Mapping[str, int]:
    """A pool that isn't named stays as it is."""
    return {}
