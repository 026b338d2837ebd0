"""How long one iteration takes, in integer nanoseconds.

Two models stand behind one protocol: a *profile* (:mod:`sim.cost.profile`), measured times by tokens in the batch plus
attention terms, and a *roofline* (:mod:`sim.cost.roofline`), computed from a GPU's peaks and a model's shape. Both are
sums of integer terms (:mod:`sim.cost.terms`), the same on every machine, and linear in the context of a fixed batch of
decodes, so that many iterations have a closed form (:mod:`sim.stretch`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.cost.profile import IterationCost, Profile, load_profile, profile_names
from sim.cost.protocol import Cost
from sim.cost.roofline import roofline_cost
from sim.hardware import find_gpu
from sim.models import find_model

if TYPE_CHECKING:
    from sim.scenario import PoolSpec

__all__ = ["Cost", "IterationCost", "Profile", "cost_of", "load_profile", "profile_names", "roofline_cost"]


def cost_of(pool: PoolSpec) -> Cost:
    """The iteration time of a pool's replicas."""
    spec, cluster = pool.cost, pool.cluster
    if spec.kind == "roofline":
        return roofline_cost(
            find_gpu(cluster.gpu),
            find_model(cluster.model),
            cluster.tensor_parallel,
            overhead_us=spec.overhead_us,
            overhead_us_per_seq=spec.overhead_us_per_seq,
        )
    return IterationCost(
        load_profile(spec.profile),
        decode_attention_ns_per_token=spec.decode_attention_ns_per_token,
        prefill_attention_ps_per_pair=spec.prefill_attention_ps_per_pair,
    )
