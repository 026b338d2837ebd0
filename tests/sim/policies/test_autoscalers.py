"""Every shipped autoscaler's rule on hand-made fleets, and all of them on one that lives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from sim.api import FleetSample
from sim.engine import Policies, simulate
from sim.errors import UnknownPolicy
from sim.policies import make_autoscaler, make_router, policy_names
from sim.scenario import AutoscalerSpec, PoolSpec


@dataclass
class Pool:
    ready: int
    starting: int = 0
    down: int = 0
    draining: int = 0
    min_replicas: int = 0
    max_replicas: int = 100
    name: str = "main"


class Fleet:
    def __init__(self, now_s, *pools):
        self.now_s, self.pools = now_s, pools


def sample(t_s, load=0, waiting=0, held=0, kv_usage=0.0):
    return FleetSample(round(t_s * 10**9), 0, 0, waiting, load, held, kv_usage, 0, 0, 0, 0)


@pytest.fixture
def ask():
    """Asks a policy at ``t_s`` about a pool; the history is what was ever shown of it."""
    history = []

    def asked(policy, t_s, pool, **now):
        history.append(sample(t_s, **now))
        return policy.scale(Fleet(t_s, pool), tuple(history)).get("main")

    return asked


def test_the_catalogue():
    assert policy_names("autoscaler") == ["apa", "fixed", "hpa", "keda", "kpa"]
    with pytest.raises(UnknownPolicy, match="no autoscaler 'hpaa'; did you mean 'hpa'"):
        make_autoscaler("hpaa", 0)


def test_fixed_wants_nothing_else(ask):
    assert ask(make_autoscaler("fixed", 0), 0, Pool(3), load=999) is None


# -- hpa: 20 requests a replica


@pytest.mark.parametrize(
    ("load", "replicas", "wanted"),
    [(40, 2, 2), (43, 2, 2), (45, 2, 3), (100, 2, 5), (10_000, 2, 6), (10_000, 5, 10), (1, 0, 1), (0, 0, 0)],
    ids=["on target", "within tolerance", "above", "in proportion", "4 more", "twice as many", "from none", "none"],
)
def test_hpa_brings_the_load_of_each_replica_to_its_target(ask, load, replicas, wanted):
    assert ask(make_autoscaler("hpa", 0), 15, Pool(replicas), load=load) == wanted


def test_hpa_counts_what_waits_and_is_held_and_replicas_that_start(ask):
    pool = Pool(ready=1, starting=1)
    assert ask(make_autoscaler("hpa", 0), 15, pool, load=20, waiting=20, held=20) == 3


def test_hpa_scales_down_to_the_most_desired_in_five_minutes(ask):
    policy = make_autoscaler("hpa", 0)
    assert ask(policy, 15, Pool(5), load=100) == 5
    assert ask(policy, 30, Pool(5), load=60) == 5
    assert ask(policy, 300, Pool(5), load=20) == 5
    # What there was at 15 s is forgotten 300 s later, what was desired at 30 s isn't.
    assert ask(policy, 315, Pool(5), load=20) == 3
    assert ask(policy, 330, Pool(3), load=20) == 1
    assert policy.interval_s == 15.0


# -- kpa: 20 * 0.7 = 14 requests a replica


def test_kpa_follows_the_mean_of_a_minute(ask):
    policy = make_autoscaler("kpa", 0)
    wanted = [ask(policy, t_s, Pool(2), load=28 if t_s <= 30 else 0) for t_s in range(2, 122, 2)]
    # Full for half a minute: the mean falls below 14 when zeros are more than half of the window.
    assert wanted[14] == 2
    assert wanted[29] == 1
    assert wanted[-1] == 1
    assert policy.interval_s == 2.0


def test_kpa_panics_when_six_seconds_ask_for_twice_the_ready_replicas(ask):
    policy = make_autoscaler("kpa", 0)
    for t_s in range(2, 62, 2):
        assert ask(policy, t_s, Pool(2), load=28) == 2
    # 28, 28, 28 + 84: the mean of the panic window is 140 / 3, four replicas.
    assert ask(policy, 62, Pool(2), load=84) == 4
    assert ask(policy, 64, Pool(2, starting=2), load=84) == 5
    # It never scales down in panic, and panics until a minute after the last need.
    assert ask(policy, 66, Pool(5), load=0) == 5
    assert ask(policy, 124, Pool(5), load=0) == 5
    assert ask(policy, 126, Pool(5), load=0) == 2


def test_kpa_halves_at_most(ask):
    assert ask(make_autoscaler("kpa", 0), 2, Pool(9), load=0) == 4


# -- apa: half of the KV cache


@pytest.mark.parametrize(
    ("usage", "replicas", "wanted"),
    [(0.5, 4, 4), (0.55, 4, 4), (0.56, 4, 5), (1.0, 4, 8), (0.45, 4, 4), (0.44, 4, 4), (0.3, 4, 3), (0.0, 5, 2)],
)
def test_apa_is_proportional_outside_its_dead_band(ask, usage, replicas, wanted):
    assert ask(make_autoscaler("apa", 0), 10, Pool(replicas), kv_usage=usage) == wanted


def test_apa_counts_replicas_that_start(ask):
    policy = make_autoscaler("apa", 0)
    assert ask(policy, 10, Pool(ready=2, starting=2), kv_usage=0.6) == 5
    assert policy.interval_s == 10.0


def test_apa_of_no_replica_wants_one_as_soon_as_a_request_is_held(ask):
    policy = make_autoscaler("apa", 0)
    assert ask(policy, 10, Pool(ready=0), held=0) == 0
    assert ask(policy, 20, Pool(ready=0), held=3) == 1


# -- keda: one for five that wait


@pytest.mark.parametrize(
    ("waiting", "replicas", "wanted"),
    [(5, 1, 1), (6, 1, 2), (23, 2, 5), (0, 0, 0), (1, 0, 1), (99, 0, 1)],
)
def test_keda_wants_a_replica_for_five_that_wait(ask, waiting, replicas, wanted):
    assert ask(make_autoscaler("keda", 0), 15, Pool(replicas, min_replicas=1), waiting=waiting) == wanted


def test_keda_counts_what_is_held_and_not_what_runs(ask):
    assert ask(make_autoscaler("keda", 0), 15, Pool(1), load=500, waiting=5, held=5) == 2


def test_keda_halves_at_most_in_a_minute_once_five_minutes_have_passed(ask):
    policy = make_autoscaler("keda", 0)
    assert ask(policy, 15, Pool(8), waiting=40) == 8
    assert ask(policy, 300, Pool(8)) == 8
    assert ask(policy, 330, Pool(8)) == 4
    assert ask(policy, 345, Pool(4)) == 4
    assert ask(policy, 405, Pool(4)) == 2
    assert policy.interval_s == 15.0


def test_keda_leaves_one_replica_until_its_cooldown_is_over(ask):
    policy = make_autoscaler("keda", 0)
    assert ask(policy, 15, Pool(1), waiting=1) == 1
    assert ask(policy, 375, Pool(1)) == 1
    assert ask(policy, 390, Pool(1)) == 0
    assert ask(policy, 400, Pool(1, min_replicas=1)) == 1


# -- all of them


@pytest.mark.parametrize("name", policy_names("autoscaler"))
def test_of_several_pools_the_elastic_one_is_scaled(name):
    pools = Pool(1, max_replicas=1, name="fixed"), Pool(1, name="elastic")
    answer = make_autoscaler(name, 0).scale(Fleet(15.0, *pools), (sample(15.0, load=70, waiting=9, kv_usage=0.9),))
    assert set(answer) <= {"elastic"}


@pytest.mark.parametrize("name", policy_names("autoscaler"))
def test_a_fleet_under_a_shipped_autoscaler_serves_everything(smoke, name):
    pool = PoolSpec("main", replace(smoke.cluster, replicas=1), smoke.cost, 1, 6)
    scenario = replace(smoke, more_pools=(pool,), autoscaling=AutoscalerSpec(interval_s=5.0, cold_start_s=3.0))
    policies = Policies(make_router("llq", 1), {"router": "llq"}, autoscaler=make_autoscaler(name, 1))
    summary = simulate(scenario, policies, 1).summary
    assert summary["requests"]["finished"] == summary["requests"]["arrived"]
    assert (summary["replicas_max"] > 1) is (name != "fixed")
    assert summary["replicas_mean"] <= summary["replicas_max"]
