"""Random cases for both engines, from which hypothesis shrinks to the smallest that tells them apart.

Time is coarse on purpose: an iteration takes a few beats (``BEAT_NS``), and arrivals, faults, scrapes, samples and
calls of policies fall on beats too, so that all of them meet at the same instants again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
from hypothesis import strategies as st

from sim.cost import Cost, IterationCost, Profile, load_profile
from sim.policies import make_autoscaler, make_router, make_scheduler, policy_names, router_names
from sim.scenario import (
    AutoscalerSpec,
    CostSpec,
    EngineSpec,
    Fault,
    FaultsSpec,
    PoolSpec,
    Scenario,
    load_scenario,
)
from sim.workload import Workload
from sim.workload.build import make_workload
from tests.sim.reference.probes import LeastMemory, RandomWalk, Schedulers, Whimsical

SMOKE = load_scenario("smoke")
RULES = ("sarathi", "vllm-v1", "vllm", "orca")
BEAT_NS = 1_000_000
"""Cases with a fleet tick in milliseconds: a router's timer and an autoscaler may not be faster."""
PATIENCE_BEATS = 1_500
"""In place of an hour: a run in which nothing moves any more must end soon."""
MOST_SAMPLES = 80
"""So that long runs halve their telemetry again and again."""


def _profile(name: str, num_tokens: tuple[int, ...], beats: tuple[int, ...], beat_ns: int = 1) -> Profile:
    return Profile(name, "A10", "Llama-3-8B", "made up", num_tokens, tuple(ns * beat_ns for ns in beats))


PROFILES = {
    profile.name: profile
    for profile in (
        _profile("flat", (1, 50), (7, 7)),
        _profile("steep", (1, 100), (1, 100)),
        _profile("kinked", (1, 3, 20), (40, 41, 500)),
        _profile("bent", (1, 3, 20), (3, 41, 50)),
        _profile("slow-flat", (1, 50), (7, 7), BEAT_NS),
        _profile("slow-steep", (1, 100), (1, 10), BEAT_NS),
        _profile("slow-kinked", (1, 3, 100), (4, 5, 20), BEAT_NS),
        _profile("slow-bent", (1, 3, 20), (3, 5, 9), BEAT_NS),
    )
}


class BentCost:
    """A cost that isn't linear in the context, as a roofline isn't: reading is hidden behind computing, and back."""

    linear = False

    def __init__(self, straight: IterationCost, percent: int = 100) -> None:
        self._straight = straight
        self._percent = percent

    def decodes_ns(self, decodes: int, context_tokens: int) -> tuple[int, int]:
        raise AssertionError("iterations of a cost that isn't linear are asked for one by one")

    def iteration_ns(
        self,
        decodes: int,
        decode_context_tokens: int,
        prefills: int,
        prefill_tokens: int,
        prefill_half_pairs: int,
    ) -> int:
        computing = self._straight.iteration_ns(decodes, 0, prefills, prefill_tokens, prefill_half_pairs)
        one = self._straight.iteration_ns(1, 0, 0, 0, 0)
        reading = one * (decode_context_tokens // 16 + decode_context_tokens % 5)
        return max(1, max(computing + prefills, reading) * self._percent // 100)

    def scaled(self, percent: int) -> BentCost:
        return BentCost(self._straight, percent)


def patch_limits(patch: Any) -> None:
    """Lets both engines find the profiles above, thin out telemetry soon, and end soon when nothing moves."""
    patience_ns = PATIENCE_BEATS * BEAT_NS

    def load(name: str) -> Profile:
        return PROFILES.get(name) or load_profile(name)

    def made(profile: Profile, **constants: int) -> Cost:
        straight = IterationCost(profile, **constants)
        return BentCost(straight) if profile.name.endswith("bent") else straight

    patch.setattr("sim.cost.load_profile", load)
    patch.setattr("sim.cost.IterationCost", made)
    patch.setattr("sim.telemetry.MAX_SAMPLES", MOST_SAMPLES)
    patch.setattr("sim.telemetry.MIN_ROWS", MOST_SAMPLES // 4)
    patch.setattr("sim.run.PATIENCE_NS", patience_ns)
    patch.setattr("tests.sim.reference.engine.PATIENCE_NS", patience_ns)


@dataclass(frozen=True)
class Case:
    """What :func:`tests.sim.reference.probes.record` runs. The ``new_*`` make the same fresh policy each time."""

    scenario: Scenario
    work: Workload
    new_router: Callable[[], object]
    new_scheduler: Callable[[], object] | None = None
    new_autoscaler: Callable[[], object] | None = None
    seed: int = 3


# Workloads

PROMPT = st.one_of(st.integers(1, 12), st.integers(1, 90), st.integers(1, 700))
OUTPUT = st.one_of(st.just(1), st.integers(1, 8), st.integers(1, 80), st.integers(1, 400))
SHORT = st.one_of(st.integers(1, 6), st.integers(1, 40))
BEATS = st.one_of(st.just(0), st.sampled_from([1, 7, 14, 40]), st.integers(0, 600))


@st.composite
def workloads(draw, gap_ns, prompt=PROMPT, output=OUTPUT, max_size=30):
    """Row by row: shrinks best, but is rarely crowded."""
    rows = draw(st.lists(st.tuples(gap_ns, prompt, output), min_size=0, max_size=max_size))
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    if draw(st.booleans()):
        table[:, 0] = 0  # a burst at one instant
    return make_workload(np.cumsum(table[:, 0]), table[:, 1], table[:, 2])


@st.composite
def crowds(draw, cluster, beat_ns=1, most_tokens=400):
    """Many requests whose lengths are a good part of a replica's memory, from one seed: they crowd each other out."""
    memory = (cluster.kv_blocks - cluster.watermark_blocks) * cluster.block_tokens
    random = Random(draw(st.integers(0, 2**32)))
    size = draw(st.integers(2, 24))
    prompts = max(1, min(memory, most_tokens) // draw(st.sampled_from([2, 4, 8, 8, 16, 16])))
    outputs = max(1, min(memory, most_tokens // 2) // draw(st.sampled_from([1, 2, 4, 8])))
    gap = draw(st.sampled_from([0, 1, 7, 50, 400, 2_000]))
    table = [[_about(random, gap), 1 + _about(random, prompts), 1 + _about(random, outputs)] for _ in range(size)]
    columns = np.array(table, dtype=np.int64)
    return make_workload(np.cumsum(columns[:, 0]) * beat_ns, columns[:, 1], columns[:, 2])


def _about(random: Random, mean: int) -> int:
    return random.choice([0, mean, random.randint(0, 2 * mean), random.randint(0, 2 * mean)])


@st.composite
def with_columns(draw, work):
    """The same workload with priorities, sessions and promises."""
    random = Random(draw(st.integers(0, 2**32)))

    def column(*values):
        return np.array([random.choice(values) for _ in range(len(work))], dtype=np.int64)

    return replace(
        work,
        priority=column(0, 1, 2) if draw(st.booleans()) else None,
        session=column(-1, 0, 1) if draw(st.booleans()) else None,
        ttft_slo_ns=column(-1, 500) if draw(st.booleans()) else None,
    )


@st.composite
def with_content(draw, work, block_tokens):
    """The same workload with content ids: each request follows one of three stems for a while.

    Two stems have their first units in common. A stem goes on through outputs: a later prompt may hold an earlier
    answer, as in a conversation.
    """
    size = block_tokens * draw(st.sampled_from([1, 1, 2, 3]))
    totals = (work.prompt_tokens + work.output_tokens).tolist()
    random = Random(draw(st.integers(0, 2**32)))
    most_shared = draw(st.sampled_from([1, 4, 12, 1_000]))
    content = []
    for request, total in enumerate(totals):
        stem, shared = random.randint(0, 2), random.randint(0, most_shared)
        content.append(tuple(_content_id(request, stem, shared, unit) for unit in range(total // size)))
    return replace(work, content=tuple(content), content_block_tokens=size)


def _content_id(request: int, stem: int, shared: int, unit: int) -> int:
    if unit >= shared:
        return 1_000_000 * (request + 10) + unit
    return unit if stem < 2 and unit < 2 else 1_000 * (stem + 1) + unit


# Clusters and engines


@st.composite
def clusters(draw, chunk_tokens, replicas=None, tokens=None, block_tokens=None):
    block = draw(st.sampled_from([1, 2, 3, 4, 16, 64])) if block_tokens is None else block_tokens
    if tokens is None:
        tokens = st.one_of(st.integers(4, 200), st.integers(100, 3_000))
    return replace(
        SMOKE.cluster,
        replicas=draw(st.integers(1, 3) if replicas is None else replicas),
        kv_blocks=-(-draw(tokens) // block) + 1,
        block_tokens=block,
        watermark_fraction=draw(st.sampled_from([0.0, 0.01, 0.3])),
        max_num_seqs=draw(st.sampled_from([128, 8, 3, 2, 1])),
        chunk_tokens=draw(chunk_tokens),
    )


KINDS = ("bent", "flat", "kinked", "steep")
COSTS = st.builds(CostSpec, st.sampled_from(KINDS), st.sampled_from([0, 1, 2, 13]), st.sampled_from([0, 500, 3_001]))
SLOW_COSTS = st.builds(
    CostSpec,
    st.sampled_from([f"slow-{kind}" for kind in KINDS]),
    st.sampled_from([0, 0, BEAT_NS // 100, BEAT_NS // 7]),
    st.sampled_from([0, 5 * BEAT_NS]),
)
CHUNK_TOKENS = st.one_of(st.integers(1, 8), st.integers(1, 120), st.just(8192))


VARIANTS = (
    *((rules, variant) for rules in RULES for variant in ("", "prefixes")),
    *((rules, "compat") for rules in ("sarathi", "vllm")),
)
"""Rules, and what is switched on besides."""


@st.composite
def engines(draw, variants=VARIANTS):
    rules, variant = draw(st.sampled_from(variants))
    return EngineSpec(
        rules=rules,
        prefix_caching=variant == "prefixes",
        reserved_tokens=draw(st.sampled_from([20, 1, 100, 1_000])),
        vidur_compat=variant == "compat",
    )


def allowed(cluster, engine):
    """The cluster with no more seats than a scenario's checks would let it have."""
    if engine.rules != "vllm-v1":
        return cluster
    return replace(cluster, max_num_seqs=min(cluster.max_num_seqs, cluster.chunk_tokens))


# Policies

NO_TIMER = st.none()


def longest_prompt(pool: PoolSpec, engine: EngineSpec) -> int:
    """Tokens of the longest prompt that fits a replica of the pool."""
    spec = pool.cluster
    if engine.rules == "orca":
        whole = spec.kv_blocks * spec.block_tokens
        return whole if engine.reserved_tokens <= whole else 0
    return (spec.kv_blocks - spec.watermark_blocks) * spec.block_tokens


@st.composite
def routers(draw, scenario, timer_s=NO_TIMER):
    """A function that makes the same fresh router each time."""
    kind = draw(st.sampled_from(["whimsical", "whimsical", "memory", "shipped"]))
    most = {pool.name: longest_prompt(pool, scenario.engine) for pool in scenario.pools}
    if kind == "memory":
        return lambda: LeastMemory(most)
    seed = draw(st.integers(0, 2**32))
    if kind == "shipped":
        name = draw(st.sampled_from(router_names()))
        return lambda: make_router(name, seed)
    holding = draw(st.sampled_from([0.0, 0.0, 0.2, 0.7]))
    faults = draw(st.sampled_from([0.0, 0.0, 0.0, 0.05]))
    timer = draw(timer_s)
    return lambda: Whimsical(seed, holding, faults, most, timer)


@st.composite
def schedulers(draw):
    """As :func:`routers`."""
    if draw(st.integers(0, 9)) == 9:
        name = draw(st.sampled_from(policy_names("scheduler")))
        return lambda: make_scheduler(name, 3)
    hooks = draw(st.sets(st.sampled_from(["admit", "chunk", "victim"]), min_size=1))
    seed = draw(st.integers(0, 2**32))
    holding = draw(st.sampled_from([0.0, 0.0, 0.3]))
    faults = draw(st.sampled_from([0.0, 0.0, 0.0, 0.02]))
    looks = draw(st.sampled_from([0.0, 0.1, 1.0]))
    return lambda: Schedulers(sorted(hooks), seed, holding, faults, looks)


@st.composite
def autoscalers(draw):
    """As :func:`routers`."""
    if draw(st.integers(0, 9)) == 9:
        name = draw(st.sampled_from(policy_names("autoscaler")))
        return lambda: make_autoscaler(name, 3)
    seed = draw(st.integers(0, 2**32))
    faults = draw(st.sampled_from([0.0, 0.0, 0.05]))
    looks = draw(st.sampled_from([0.0, 0.5]))
    interval_s = draw(st.sampled_from([None, None, 0.1, 0.35]))
    return lambda: RandomWalk(seed, faults, looks, interval_s)


# Whole cases


@st.composite
def plain_cases(draw):
    """Equal replicas under ``sarathi``, all sorts of routers."""
    cluster = draw(clusters(CHUNK_TOKENS))
    interval_ns = draw(st.sampled_from([400, 1_000, 10_000]))
    scenario = replace(SMOKE, cluster=cluster, cost=draw(COSTS), telemetry_interval_s=interval_ns * 1e-9)
    work = draw(st.one_of(workloads(st.one_of(BEATS, st.integers(0, 20_000))), crowds(cluster)))
    return Case(scenario, work, draw(routers(scenario)))


@st.composite
def beating_cases(draw, variants=VARIANTS):
    """Every iteration takes 7 ns and everything arrives on that beat, long outputs first."""
    engine = draw(engines(variants))
    cluster = allowed(draw(clusters(st.integers(2, 50))), engine)
    scenario = replace(SMOKE, cluster=cluster, engine=engine, cost=CostSpec("flat", 0, 0), telemetry_interval_s=7e-9)
    rows = draw(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 20), OUTPUT), min_size=2, max_size=12))
    table = np.array(rows, dtype=np.int64)
    work = make_workload(np.cumsum(7 * table[:, 0]), table[:, 1], np.sort(table[:, 2])[::-1])
    if engine.prefix_caching:
        work = draw(with_content(work, cluster.block_tokens))
    return Case(scenario, work, draw(routers(scenario)))


@st.composite
def engine_cases(draw, variants=VARIANTS):
    """One or two equal replicas under any rules, with prefixes and batch schedulers."""
    engine = draw(engines(variants))
    cluster = allowed(draw(clusters(CHUNK_TOKENS, replicas=st.sampled_from([1, 1, 2]))), engine)
    interval_ns = draw(st.sampled_from([1_000, 10_000]))
    scenario = replace(SMOKE, cluster=cluster, engine=engine, cost=draw(COSTS), telemetry_interval_s=interval_ns * 1e-9)
    work = draw(st.one_of(workloads(BEATS, max_size=8), crowds(cluster), crowds(cluster)))
    if engine.prefix_caching:
        work = draw(with_content(work, cluster.block_tokens))
    work = draw(with_columns(work))
    scheduler = draw(st.one_of(st.none(), schedulers(), schedulers()))
    return Case(scenario, work, draw(routers(scenario)), scheduler)


HARDWARE = (
    ("A10", "Llama-3-8B", 1, CostSpec("a10-llama3-8b")),
    ("A100-80GB", "Llama-2-70B", 4, CostSpec(kind="roofline")),
    ("H100-SXM", "Mixtral-8x7B", 2, CostSpec(kind="roofline")),
)


@st.composite
def measured_cases(draw, variants=VARIANTS):
    """As :func:`engine_cases`, with the iteration times of hardware: nothing falls on anything else."""
    engine = draw(engines(variants))
    gpu, model, tensor_parallel, cost = draw(st.sampled_from(HARDWARE))
    cluster = draw(clusters(st.sampled_from([16, 64, 512]), st.integers(1, 3), st.integers(60, 600)))
    cluster = replace(allowed(cluster, engine), gpu=gpu, model=model, tensor_parallel=tensor_parallel)
    scenario = replace(SMOKE, cluster=cluster, engine=engine, cost=cost, telemetry_interval_s=0.5)
    work = draw(crowds(cluster, 3_000_000))
    if engine.prefix_caching:
        work = draw(with_content(work, cluster.block_tokens))
    scheduler = draw(st.one_of(st.none(), schedulers()))
    return Case(scenario, work, draw(routers(scenario)), scheduler)


@st.composite
def faults(draw, replicas, listed_only):
    """Crashes and slowdowns, those of one kind on one replica apart from one another."""
    beats = st.one_of(st.integers(0, 20), st.integers(0, 500))
    kinds = st.sampled_from(["crash", "slow"])
    rows = draw(st.lists(st.tuples(kinds, st.integers(0, replicas - 1), beats, st.integers(1, 300)), max_size=6))
    free_from: dict[tuple[str, int], int] = {}
    listed = []
    for kind, replica, gap, duration in rows:
        begin = free_from.get((kind, replica), 0) + gap
        free_from[kind, replica] = begin + duration
        percent = draw(st.sampled_from([150, 50, 300, 1])) if kind == "slow" else 100
        listed.append(Fault(kind, replica, begin * BEAT_NS / 1e9, duration * BEAT_NS / 1e9, percent))
    mean = None if listed_only else draw(st.sampled_from([None, None, 1.0, 4.0]))
    return FaultsSpec(mean, draw(st.sampled_from([0.01, 0.2])), tuple(listed))


@st.composite
def pools(draw, engine, block_tokens, scaled):
    """One or two pools of different memory, rules' limits and cost."""
    made = []
    for name in ["small", "large"][: draw(st.integers(1, 2))]:
        memory = st.one_of(st.integers(20, 200), st.integers(100, 2_000))
        cluster = draw(clusters(CHUNK_TOKENS, st.integers(0 if scaled else 1, 2), memory, block_tokens))
        price, gpus = draw(st.sampled_from([(1.0, 1), (0.7, 1), (0.7, 2)]))
        cluster = replace(allowed(cluster, engine), usd_per_gpu_hour=price, tensor_parallel=gpus)
        least = draw(st.integers(0, cluster.replicas)) if scaled else cluster.replicas
        most = max(1, cluster.replicas + draw(st.integers(0, 3))) if scaled else cluster.replicas
        made.append(PoolSpec(name, cluster, draw(SLOW_COSTS), least, most))
    return tuple(made)


@st.composite
def fleet_cases(draw, variants=VARIANTS):
    """Pools that are scaled and fail under stale telemetry, with everything else that there is."""
    engine = draw(engines(variants))
    block_tokens = draw(st.sampled_from([1, 2, 4, 16]))
    scaled = draw(st.booleans())
    made = draw(pools(engine, block_tokens, scaled))
    spec = None
    if scaled:
        beats = [draw(st.sampled_from(choice)) for choice in ([7, 20, 100], [0, 1, 30, 200], [7, 20, 50], [50, 100])]
        spec = AutoscalerSpec(*(value * BEAT_NS / 1e9 for value in beats))
    scenario = replace(
        SMOKE,
        cluster=made[0].cluster,
        cost=made[0].cost,
        engine=engine,
        autoscaling=spec,
        faults=draw(faults(sum(pool.max_replicas for pool in made), listed_only=False)),
        scrape_interval_s=draw(st.sampled_from([0, 0, 7, 30])) * BEAT_NS / 1e9,
        telemetry_interval_s=draw(st.sampled_from([40, 100, 400])) * BEAT_NS / 1e9,
        more_pools=made,
    )
    short = workloads(BEATS.map(lambda beats: beats * BEAT_NS), SHORT, SHORT, max_size=8)
    crowded = draw(st.sampled_from(made)).cluster
    work = draw(st.one_of(short, crowds(crowded, BEAT_NS, 100), crowds(crowded, BEAT_NS, 100)))
    if engine.prefix_caching:
        work = draw(with_content(work, block_tokens))
    work = draw(with_columns(work))
    router = draw(routers(scenario, timer_s=st.sampled_from([None, 0.001, 0.007, 0.25])))
    scheduler = draw(st.one_of(st.none(), st.none(), schedulers()))
    autoscaler = draw(st.one_of(autoscalers(), autoscalers(), st.none())) if scaled else None
    return Case(scenario, work, router, scheduler, autoscaler, draw(st.integers(0, 3)))
