"""Turns an executed design module into the policy of one slot, whichever form it has.

Standard library only: these modules are also loaded inside the process of an untrusted design, one by one and without
this file. What a design file must look like is said in :mod:`sim.api`; which of its names count, in
:mod:`sim.adapt.loading`.
"""

from sim.adapt.autoscaler import load_autoscaler
from sim.adapt.loading import SLOTS
from sim.adapt.router import load_router
from sim.adapt.scheduler import load_scheduler

__all__ = ["SLOTS", "load_autoscaler", "load_policy", "load_router", "load_scheduler"]

load_policy = load_router
