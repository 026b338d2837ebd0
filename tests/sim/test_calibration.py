"""The paper's benchmark over ten seeds: each published mean is met within a tenth.

A minute of computing, so it is a study of its own: `pytest -m study tests/sim`. One seed alone scatters by about a
sixth, because half of the trace's lengths are not public and the load is at the knee.
"""

from __future__ import annotations

import pytest

from sim.engine import Policies, simulate
from sim.metrics import pool
from sim.policies import make_router
from sim.scenario import load_scenario

PUBLISHED_MEAN_S = {"round-robin": 63.3, "least-outstanding": 59.6, "llq": 54.6, "hra": 24.1}


@pytest.mark.study
@pytest.mark.parametrize("router", PUBLISHED_MEAN_S)
def test_the_mean_completion_time_is_the_published_one_within_a_tenth(router):
    scenario = load_scenario("paper-routing")
    runs = [simulate(scenario, Policies(make_router(router, s), {"router": router}), s) for s in range(1, 11)]
    pooled = pool([run.summary for run in runs])
    assert pooled["e2e_s"]["mean"] == pytest.approx(PUBLISHED_MEAN_S[router], rel=0.1)
