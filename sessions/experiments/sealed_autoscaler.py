"""A sealed design as the autoscaler of the simulator's process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sessions.experiments import wire
from sessions.experiments.sealed import SealedDesign
from sessions.experiments.sealed_views import ReplicaTelling, flat, pool_line
from sim.api import Fleet, FleetSample, Pool


class SealedAutoscaler:
    """An autoscaler in the sense of :class:`sim.api.Autoscaler`: ``design``'s.

    The history is mirrored in the design's process: a question tells only the samples that it hasn't been told.
    ``interval_s``: as it was when last asked.
    """

    def __init__(self, design: SealedDesign) -> None:
        self._design = design
        self._replicas = ReplicaTelling(design)
        self._pools: list[str] = []
        self._told_ns = -1
        (interval,) = design.loaded
        self.interval_s = design.seconds(interval)

    def scale(self, fleet: Fleet, history: Sequence[FleetSample]) -> int | Mapping[str, int]:
        """Asks the design; raises :class:`sessions.experiments.sealed.DesignFailed`."""
        pools = fleet.pools
        names = [pool.name for pool in pools]
        self._replicas.show(fleet.replicas, [] if names == self._pools else [pool_line(pool) for pool in pools])
        self._pools = names
        new = list(self._new_of(history))[::-1]
        replicas = self._replicas.numbers()
        numbers = [fleet.now_ns, len(history), len(new), len(pools)]
        numbers += [len(replicas) // wire.REPLICA_FIELDS, int(self._replicas.blocks_told)]
        numbers += flat(_sample_numbers(sample) for sample in new)
        numbers += flat(_pool_numbers(pool) for pool in pools)
        numbers += replicas
        if new:
            self._told_ns = new[-1].t_ns
        most = 1 + 2 * len(pools)
        interval, *wanted = self._design.ask(fleet.now_ns, wire.SCALE, numbers, self._replicas.serve, 1, most)
        self.interval_s = self._design.seconds(interval)
        return self._wanted(wanted)

    def _new_of(self, history: Sequence[FleetSample]) -> Iterator[FleetSample]:
        for sample in reversed(history):
            if sample.t_ns <= self._told_ns:
                return
            yield sample

    def _wanted(self, numbers: list[int]) -> int | Mapping[str, int]:
        if len(numbers) == 2 and numbers[0] == -1:
            return numbers[1]
        if len(numbers) % 2 or not all(0 <= place < len(self._pools) for place in numbers[::2]):
            raise self._design.broke("sent pools that there are not")
        return {self._pools[place]: count for place, count in zip(numbers[::2], numbers[1::2], strict=True)}


def _sample_numbers(sample: FleetSample) -> tuple[int, ...]:
    s = sample
    counts = (s.t_ns, s.ready, s.present, s.waiting, s.running, s.held, wire.bits(s.kv_usage))
    return (*counts, s.arrived_total, s.finished_total, s.prompt_tokens_total, s.output_tokens_total)


def _pool_numbers(pool: Pool) -> tuple[int, ...]:
    return pool.ready, pool.starting, pool.draining, pool.down
