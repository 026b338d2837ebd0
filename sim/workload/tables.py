"""The section ``[workload]`` of a scenario file and the sections below it, as they may be written.

Imported only where a scenario file is read: it needs pydantic, and a running simulation does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from sim.tables import Name, PositiveFloat, PositiveInt, Table, Text
from sim.workload.lengths import LONGEST_TOKENS
from sim.workload.loaders import LoadedTrace
from sim.workload.spec import (
    Arrivals,
    DiurnalShape,
    FileWorkload,
    GammaArrivals,
    GeneratedWorkload,
    Lengths,
    LogNormalArrivals,
    LogNormalLengths,
    LogNormalWorkload,
    MmppArrivals,
    PairLengths,
    PoissonArrivals,
    ProfileShape,
    QuantileLengths,
    RampShape,
    ReplayArrivals,
    Sessions,
    Shape,
    SloClass,
    StepsShape,
    TraceWorkload,
    WorkloadSpec,
)

Rate = Annotated[float, Field(ge=1e-6, le=1e6, allow_inf_nan=False)]
Duration = Annotated[float, Field(ge=1e-3, le=1e9, allow_inf_nan=False)]
"""Seconds, of which simulated time can tell the parts: it counts in ns."""
Sigma = Annotated[float, Field(ge=0, le=5)]
Factor = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Tokens = Annotated[int, Field(gt=0, le=LONGEST_TOKENS)]
MedianTokens = Annotated[float, Field(ge=1, le=LONGEST_TOKENS)]
Cv = Annotated[float, Field(ge=0.05, le=50)]
Scale = Annotated[float, Field(ge=1e-3, le=1e3, allow_inf_nan=False)]


class _Drawn(Table):
    rate_rps: Rate
    duration_s: Duration


class PoissonTable(_Drawn):
    process: Literal["poisson"]

    def spec(self) -> Arrivals:
        return PoissonArrivals(**self.model_dump(exclude={"process"}))


class GammaTable(_Drawn):
    process: Literal["gamma"]
    cv: Cv

    def spec(self) -> Arrivals:
        return GammaArrivals(**self.model_dump(exclude={"process"}))


class LogNormalGapsTable(_Drawn):
    process: Literal["lognormal"]
    sigma: Sigma

    def spec(self) -> Arrivals:
        return LogNormalArrivals(**self.model_dump(exclude={"process"}))


class MmppTable(_Drawn):
    process: Literal["mmpp"]
    burst_factor: Annotated[float, Field(ge=1, le=1e4)]
    mean_burst_s: PositiveFloat
    mean_calm_s: PositiveFloat

    def spec(self) -> Arrivals:
        return MmppArrivals(**self.model_dump(exclude={"process"}))


class ReplayTable(Table):
    process: Literal["replay"]
    trace: Text
    duration_s: Duration
    rate_scale: Scale = 1.0
    start_s: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | None = None

    def spec(self) -> Arrivals:
        return ReplayArrivals(**self.model_dump(exclude={"process"}))


ArrivalsTable: TypeAlias = PoissonTable | GammaTable | LogNormalGapsTable | MmppTable | ReplayTable


class DiurnalTable(Table):
    kind: Literal["diurnal"]
    period_s: Duration
    peak_to_trough: Annotated[float, Field(ge=1, le=1e6)]
    peak_at_s: Annotated[float, Field(ge=0, le=1e9)]

    def spec(self) -> Shape:
        return DiurnalShape(**self.model_dump(exclude={"kind"}))


class ProfileTable(Table):
    kind: Literal["profile"]
    period_s: Duration
    weights: Annotated[list[Factor], Field(min_length=1, max_length=1000)]

    def spec(self) -> Shape:
        return ProfileShape(self.period_s, tuple(self.weights))


class RampTable(Table):
    kind: Literal["ramp"]
    end_factor: Factor

    def spec(self) -> Shape:
        return RampShape(self.end_factor)


class StepsTable(Table):
    kind: Literal["steps"]
    steps: Annotated[
        list[Annotated[list[Factor], Field(min_length=2, max_length=2)]], Field(min_length=1, max_length=1000)
    ]

    def spec(self) -> Shape:
        return StepsShape(tuple((at_s, factor) for at_s, factor in self.steps))


ShapeTable: TypeAlias = DiurnalTable | ProfileTable | RampTable | StepsTable


class _Capped(Table):
    max_prompt_tokens: PositiveInt | None = None
    max_output_tokens: PositiveInt | None = None


class PairsTable(_Capped):
    kind: Literal["pairs"]
    source: Text

    def spec(self) -> Lengths:
        return PairLengths(**self.model_dump(exclude={"kind"}))


Quantiles = Annotated[
    list[Annotated[list[Annotated[float, Field(ge=0, le=LONGEST_TOKENS)]], Field(min_length=2, max_length=2)]],
    Field(min_length=2, max_length=1000),
]


class QuantilesTable(_Capped):
    kind: Literal["quantiles"]
    prompt_quantiles: Quantiles
    output_quantiles: Quantiles

    def spec(self) -> Lengths:
        rows = [
            tuple((share, round(tokens)) for share, tokens in quantiles)
            for quantiles in (self.prompt_quantiles, self.output_quantiles)
        ]
        return QuantileLengths(rows[0], rows[1], self.max_prompt_tokens, self.max_output_tokens)


class LogNormalLengthsTable(_Capped):
    kind: Literal["lognormal"]
    prompt_median_tokens: MedianTokens
    prompt_sigma: Sigma
    output_median_tokens: MedianTokens
    output_sigma: Sigma

    def spec(self) -> Lengths:
        return LogNormalLengths(**self.model_dump(exclude={"kind"}))


LengthsTable: TypeAlias = PairsTable | QuantilesTable | LogNormalLengthsTable


class SessionsTable(Table):
    mean_turns: Annotated[float, Field(ge=1, le=1e4)]
    max_turns: Annotated[int, Field(ge=1, le=10_000)] = 100
    turn_gap_median_s: PositiveFloat
    turn_gap_sigma: Sigma = 1.0
    max_context_tokens: Tokens
    system_prompts: Annotated[int, Field(ge=0, le=100_000)] = 0
    system_prompt_tokens: Annotated[int, Field(ge=0, le=LONGEST_TOKENS)] = 0
    system_prompt_zipf: Annotated[float, Field(ge=0, le=10)] = 1.0
    content_block_tokens: Annotated[int, Field(gt=0, le=65_536)] = 64

    def spec(self) -> Sessions:
        return Sessions(**self.model_dump())


class TierTable(Table):
    name: Name
    share: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    ttft_slo_s: PositiveFloat | None = None

    def spec(self) -> SloClass:
        return SloClass(**self.model_dump())


class TraceTable(Table):
    kind: Literal["trace"]
    trace: Text

    def spec(self) -> WorkloadSpec:
        return TraceWorkload(self.trace)


class LogNormalTable(Table):
    kind: Literal["lognormal"]
    rate_rps: Rate
    sigma: Sigma
    duration_s: Duration
    lengths: Text
    max_prompt_tokens: PositiveInt | None = None
    max_output_tokens: PositiveInt | None = None

    def spec(self) -> WorkloadSpec:
        return LogNormalWorkload(**self.model_dump(exclude={"kind"}))


_Arrivals = Annotated[ArrivalsTable, Field(discriminator="process")]
_Shape = Annotated[ShapeTable, Field(discriminator="kind")]
_Lengths = Annotated[LengthsTable, Field(discriminator="kind")]
_Tiers = Annotated[list[TierTable], Field(default_factory=list, max_length=100)]


class GeneratedTable(Table):
    kind: Literal["generated"]
    arrivals: _Arrivals
    shape: _Shape | None = None
    lengths: _Lengths
    sessions: SessionsTable | None = None
    tier: _Tiers

    def spec(self) -> WorkloadSpec:
        return GeneratedWorkload(
            self.arrivals.spec(),
            self.lengths.spec(),
            None if self.shape is None else self.shape.spec(),
            None if self.sessions is None else self.sessions.spec(),
            tuple(tier.spec() for tier in self.tier),
        )


class FileTable(Table):
    kind: Literal["file"]
    path: Text
    format: Text | None = None
    rate_scale: Scale = 1.0
    limit: PositiveInt | None = None
    max_prompt_tokens: PositiveInt | None = None
    max_output_tokens: PositiveInt | None = None
    arrivals: _Arrivals | None = None
    shape: _Shape | None = None
    tier: _Tiers

    def spec(self, trace: LoadedTrace) -> WorkloadSpec:
        """``trace``: what the file holds."""
        return FileWorkload(
            trace.path,
            trace.format,
            trace.sha256,
            self.rate_scale,
            self.limit,
            self.max_prompt_tokens,
            self.max_output_tokens,
            None if self.arrivals is None else self.arrivals.spec(),
            None if self.shape is None else self.shape.spec(),
            tuple(tier.spec() for tier in self.tier),
        )


WorkloadTable: TypeAlias = TraceTable | LogNormalTable | GeneratedTable | FileTable

SECTIONS: Mapping[str, tuple[type[Table], ...]] = {
    "workload": (TraceTable, LogNormalTable, GeneratedTable, FileTable),
    "workload.arrivals": (PoissonTable, GammaTable, LogNormalGapsTable, MmppTable, ReplayTable),
    "workload.shape": (DiurnalTable, ProfileTable, RampTable, StepsTable),
    "workload.lengths": (PairsTable, QuantilesTable, LogNormalLengthsTable),
    "workload.sessions": (SessionsTable,),
    "workload.tier": (TierTable,),
}
"""The tables that each section may be; a section below ``workload`` is a key of some kinds of it."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "workload.kind": ("trace", "lognormal", "generated", "file"),
    "workload.arrivals.process": ("poisson", "gamma", "lognormal", "mmpp", "replay"),
    "workload.shape.kind": ("diurnal", "profile", "ramp", "steps"),
    "workload.lengths.kind": ("pairs", "quantiles", "lognormal"),
}
"""What decides which of its tables a section is."""
