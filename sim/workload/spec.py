"""Which workload a scenario asks for, as values; the seconds and rates of people become integers when it is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class TraceWorkload:
    """A recorded trace that ships; the lengths it lacks are drawn from the seed."""

    trace: str


@dataclass(frozen=True, slots=True)
class LogNormalWorkload:
    """Log-normal gaps of mean ``1 / rate_rps`` for ``duration_s``; (prompt, output) pairs of the trace ``lengths``.

    ``sigma``: standard deviation of the gaps' logarithm. The caps shorten what is drawn; None leaves it.
    """

    rate_rps: float
    sigma: float
    duration_s: float
    lengths: str
    max_prompt_tokens: int | None = None
    max_output_tokens: int | None = None


# -- when requests arrive


@dataclass(frozen=True, slots=True)
class PoissonArrivals:
    """Independent exponential gaps."""

    rate_rps: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class GammaArrivals:
    """Gamma gaps of coefficient of variation ``cv``: shape ``1 / cv**2`` (vLLM's benchmark calls it burstiness)."""

    rate_rps: float
    duration_s: float
    cv: float


@dataclass(frozen=True, slots=True)
class LogNormalArrivals:
    """Log-normal gaps; ``sigma``: standard deviation of their logarithm."""

    rate_rps: float
    duration_s: float
    sigma: float


@dataclass(frozen=True, slots=True)
class MmppArrivals:
    """Poisson arrivals whose rate is ``burst_factor`` times higher in bursts than between them.

    Bursts and calms last exponential times of the two means; ``rate_rps`` is the mean over both.
    """

    rate_rps: float
    duration_s: float
    burst_factor: float
    mean_burst_s: float
    mean_calm_s: float


@dataclass(frozen=True, slots=True)
class ReplayArrivals:
    """As many arrivals in every second as were recorded in ``trace``, at random instants within it.

    ``rate_scale``: how much faster than recorded. ``start_s``: where in the record it begins, None for a place drawn
    from the seed; the record goes round.
    """

    trace: str
    duration_s: float
    rate_scale: float = 1.0
    start_s: float | None = None


Arrivals: TypeAlias = PoissonArrivals | GammaArrivals | LogNormalArrivals | MmppArrivals | ReplayArrivals


# -- how the rate changes


@dataclass(frozen=True, slots=True)
class DiurnalShape:
    """A sinusoid around the mean rate; ``peak_at_s``: when it is highest."""

    period_s: float
    peak_to_trough: float
    peak_at_s: float


@dataclass(frozen=True, slots=True)
class ProfileShape:
    """``weights``: relative rates of equal parts of the period, 24 for hours of a day; their mean is the mean rate."""

    period_s: float
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RampShape:
    """From the stated rate at the start, evenly, to ``end_factor`` times as much at the end."""

    end_factor: float


@dataclass(frozen=True, slots=True)
class StepsShape:
    """``steps``: (from when on in s, times the stated rate), in order; before the first the stated rate."""

    steps: tuple[tuple[float, float], ...]


Shape: TypeAlias = DiurnalShape | ProfileShape | RampShape | StepsShape


# -- how long requests are


@dataclass(frozen=True, slots=True)
class PairLengths:
    """(prompt, output) pairs of recorded lengths ``source``, drawn with replacement."""

    source: str
    max_prompt_tokens: int | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class QuantileLengths:
    """Prompts and outputs apart, from (share of requests, at most so many tokens) rows, linear in between."""

    prompt_quantiles: tuple[tuple[float, int], ...]
    output_quantiles: tuple[tuple[float, int], ...]
    max_prompt_tokens: int | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class LogNormalLengths:
    """Prompts and outputs apart, log-normal; ``*_sigma``: standard deviation of the logarithm."""

    prompt_median_tokens: float
    prompt_sigma: float
    output_median_tokens: float
    output_sigma: float
    max_prompt_tokens: int | None = None
    max_output_tokens: int | None = None


Lengths: TypeAlias = PairLengths | QuantileLengths | LogNormalLengths


# -- what else requests have


@dataclass(frozen=True, slots=True)
class Sessions:
    """Conversations: every turn's prompt is the one before, its answer, and new words; the lengths are those of what
    is new in a turn.

    ``mean_turns`` is of the geometric distribution, before ``max_turns`` and ``max_context_tokens`` (prompt + output
    of a turn) end a conversation early. ``turn_gap_*``: log-normal time from one turn's arrival to the next.
    ``system_prompts`` different openings of ``system_prompt_tokens`` tokens, the k-th as popular as ``k**-zipf``.
    """

    mean_turns: float
    max_turns: int
    turn_gap_median_s: float
    turn_gap_sigma: float
    max_context_tokens: int
    system_prompts: int = 0
    system_prompt_tokens: int = 0
    system_prompt_zipf: float = 1.0
    content_block_tokens: int = 64


@dataclass(frozen=True, slots=True)
class SloClass:
    """A tier of requests: its ``share`` of them (of all shares), priority (lower is more urgent), promised TTFT."""

    name: str
    share: float
    priority: int = 0
    ttft_slo_s: float | None = None


@dataclass(frozen=True, slots=True)
class GeneratedWorkload:
    """Arrivals × lengths × sessions × classes, all drawn from the seed."""

    arrivals: Arrivals
    lengths: Lengths
    shape: Shape | None = None
    sessions: Sessions | None = None
    classes: tuple[SloClass, ...] = ()


@dataclass(frozen=True, slots=True)
class FileWorkload:
    """The requests of a file; ``sha256`` of its bytes when the scenario was read.

    ``rate_scale``: how much faster than recorded. ``limit``: only the first so many. ``arrivals`` and ``shape`` take
    the place of the file's times (a file without times needs them); lengths are then drawn from the file's.
    """

    path: str
    format: str
    sha256: str
    rate_scale: float = 1.0
    limit: int | None = None
    max_prompt_tokens: int | None = None
    max_output_tokens: int | None = None
    arrivals: Arrivals | None = None
    shape: Shape | None = None
    classes: tuple[SloClass, ...] = ()


WorkloadSpec: TypeAlias = TraceWorkload | LogNormalWorkload | GeneratedWorkload | FileWorkload
