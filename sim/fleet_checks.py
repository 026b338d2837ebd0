"""What can't be together in a scenario: settings that are possible by themselves and contradict one another.

Every complaint is one sentence that names the file, the keys and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from sim.errors import ScenarioError
from sim.fleet_tables import AutoscalerTable, FaultTable
from sim.scenario import ClusterSpec, Fault, PoolSpec, Scenario

MAX_REPLICAS = 4096
NO_AUTOSCALER = "fixed"


def check_fleet(
    scenario: Scenario, autoscaler: AutoscalerTable | None, faults: Sequence[FaultTable], listed: bool, where: str
) -> None:
    """Raises ScenarioError for the first contradiction. ``autoscaler`` and ``faults``: as the file states them;
    ``listed``: whether it has sections ``[[pool]]``."""
    if autoscaler is None:
        _check_unscaled(scenario, where)
    else:
        _check_autoscaler(autoscaler, listed, where)
    _check_pools(scenario, listed, where)
    _check_engine(scenario, where)
    _check_faults(scenario, faults, where)


def _check_unscaled(scenario: Scenario, where: str) -> None:
    """Without ``[autoscaler]`` nothing may speak of one."""
    asked = "slots" if "autoscaler" in scenario.slots else "autoscaler"
    if asked == "slots" or scenario.autoscaler != NO_AUTOSCALER:
        raise ScenarioError(
            f"{where}: scenario.{asked}: an autoscaler needs a section [autoscaler] with interval_s, cold_start_s and "
            "max_replicas."
        )
    for pool in scenario.more_pools:
        if (pool.min_replicas, pool.max_replicas) != (pool.cluster.replicas, pool.cluster.replicas):
            raise ScenarioError(
                f"{where}: pool {pool.name!r}: min_replicas and max_replicas are an autoscaler's limits, and there is "
                "no section [autoscaler]; add it, or state replicas alone."
            )


def _check_autoscaler(stated: AutoscalerTable, listed: bool, where: str) -> None:
    if listed and (stated.min_replicas, stated.max_replicas) != (None, None):
        key = "min_replicas" if stated.max_replicas is None else "max_replicas"
        raise ScenarioError(f"{where}: autoscaler.{key}: every pool has its own limits; state them below [[pool]].")
    if not listed and stated.max_replicas is None:
        raise ScenarioError(f"{where}: autoscaler.max_replicas is missing.")
    if stated.sample_interval_s > stated.history_s:
        raise ScenarioError(
            f"{where}: autoscaler.sample_interval_s: {stated.sample_interval_s:g} s is longer than the history of "
            f"{stated.history_s:g} s; lower it or raise autoscaler.history_s."
        )


def _check_pools(scenario: Scenario, listed: bool, where: str) -> None:
    names = [pool.name for pool in scenario.pools]
    for name in names:
        if names.count(name) > 1:
            raise ScenarioError(f"{where}: there are {names.count(name)} pools {name!r}; give each a name of its own.")
    for pool in scenario.pools:
        here = f"{where}: pool {pool.name!r}" if listed else where
        _check_limits(pool, here)
        _check_memory(pool.cluster, here)
        if pool.cluster.block_tokens != scenario.cluster.block_tokens:
            raise ScenarioError(
                f"{where}: pool {pool.name!r}: block_tokens is {pool.cluster.block_tokens} and "
                f"cluster.block_tokens {scenario.cluster.block_tokens}; all replicas need the same."
            )
    most = sum(pool.max_replicas for pool in scenario.pools)
    if not 0 < most <= MAX_REPLICAS:
        raise ScenarioError(
            f"{where}: all pools together may have {most} replicas; it must be 1 to {MAX_REPLICAS} of them."
        )


def _check_limits(pool: PoolSpec, where: str) -> None:
    least, start, most = pool.min_replicas, pool.cluster.replicas, pool.max_replicas
    if least > most:
        raise ScenarioError(f"{where}: min_replicas {least} is more than max_replicas {most}; swap or change them.")
    if not least <= start <= most:
        raise ScenarioError(
            f"{where}: replicas {start} (there at the start) must lie between min_replicas {least} and "
            f"max_replicas {most}; change one of them."
        )


def _check_memory(cluster: ClusterSpec, where: str) -> None:
    if cluster.kv_blocks - cluster.watermark_blocks < 2:
        raise ScenarioError(
            f"{where}: cluster.watermark_fraction: {cluster.watermark_fraction} of {cluster.kv_blocks} KV blocks "
            "leaves no room for a request; lower it or raise cluster.kv_blocks."
        )


def _check_engine(scenario: Scenario, where: str) -> None:
    engine = scenario.engine
    for pool in scenario.pools:
        cluster = pool.cluster
        if engine.rules == "vllm-v1" and cluster.max_num_seqs > cluster.chunk_tokens:
            raise ScenarioError(
                f"{where}: cluster.max_num_seqs: under engine.rules 'vllm-v1' decodes share the token budget, so "
                f"{cluster.max_num_seqs} requests need chunk_tokens of at least as many, not {cluster.chunk_tokens}."
            )
        if engine.rules == "orca" and engine.reserved_tokens > cluster.kv_blocks * cluster.block_tokens:
            raise ScenarioError(
                f"{where}: engine.reserved_tokens: {engine.reserved_tokens} tokens for every request don't fit the "
                f"{cluster.kv_blocks} KV blocks of pool {pool.name!r}; lower it or raise kv_blocks."
            )
    if engine.vidur_compat and (engine.rules not in ("sarathi", "vllm") or engine.prefix_caching):
        raise ScenarioError(
            f"{where}: engine.vidur_compat: Vidur has defects to copy under engine.rules 'sarathi' and 'vllm' without "
            "prefix caching only; remove it."
        )


def _check_faults(scenario: Scenario, stated: Sequence[FaultTable], where: str) -> None:
    most = sum(pool.max_replicas for pool in scenario.pools)
    for number, fault in enumerate(stated, 1):
        here = f"{where}: [[fault]] number {number}"
        if fault.replica >= most:
            raise ScenarioError(f"{here}: there is never a replica {fault.replica}; they count from 0 to {most - 1}.")
        if fault.kind == "slow" and fault.percent in (None, 100):
            raise ScenarioError(
                f"{here}: a slowdown needs percent, other than 100: 200 makes iterations take twice as long."
            )
        if fault.kind == "crash" and fault.percent is not None:
            raise ScenarioError(f"{here}: percent belongs to kind 'slow'; a crash has none.")
    _check_overlaps(scenario.faults.listed, where)


def _check_overlaps(faults: Sequence[Fault], where: str) -> None:
    """Two faults of one kind on one replica at once: which of them counts would be anybody's guess."""
    ordered = sorted(faults, key=lambda fault: (fault.kind, fault.replica, fault.at_s))
    for first, second in pairwise(ordered):
        same = (first.kind, first.replica) == (second.kind, second.replica)
        if same and second.at_s < first.at_s + first.duration_s:
            raise ScenarioError(
                f"{where}: fault.at_s: replica {first.replica} has a fault of kind {first.kind!r} at {first.at_s:g} s "
                f"for {first.duration_s:g} s and another one at {second.at_s:g} s; keep them apart."
            )
