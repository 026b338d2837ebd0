"""How requests were served: within their SLOs or not, by tier, and how evenly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.api import NO_SLO, NS_PER_S
from sim.request import Request
from sim.scenario import SloSpec
from sim.telemetry import Json

ALL = "all"


def tpot_ns(request: Request) -> int:
    """Time per output token after the first, of a finished request with two or more."""
    return (request.finish_ns - request.first_token_ns) // (request.output_tokens - 1)


def meets_slo(request: Request, slo: SloSpec) -> bool:
    """Whether a finished request was in time; what was promised to it comes before the scenario's TTFT."""
    ttft_ns = slo.ttft_s * NS_PER_S if request.ttft_slo_ns == NO_SLO else request.ttft_slo_ns
    in_time = request.first_token_ns - request.arrival_ns <= ttft_ns
    return in_time and (request.output_tokens < 2 or tpot_ns(request) <= slo.tpot_s * NS_PER_S)


def slo_attainment(requests: Sequence[Request], slo: SloSpec) -> dict[str, Json]:
    """Share of all requests that finished in time: of ``all``, and of each tier if there are several.

    A tier is a priority, or a promised TTFT where all have the same priority.
    """
    met: dict[str, list[bool]] = {ALL: []}
    tier_of = _tiers(requests)
    for request in requests:
        good = request.outcome == "finished" and meets_slo(request, slo)
        met[ALL].append(good)
        if tier_of is not None:
            met.setdefault(tier_of[request.id], []).append(good)
    return {tier: sum(good) / len(good) if good else 0.0 for tier, good in sorted(met.items())}


def _tiers(requests: Sequence[Request]) -> Mapping[int, str] | None:
    if len({request.priority for request in requests}) > 1:
        return {request.id: f"priority_{request.priority}" for request in requests}
    if len({request.ttft_slo_ns for request in requests}) > 1:
        return {request.id: _promise(request.ttft_slo_ns) for request in requests}
    return None


def _promise(ttft_slo_ns: int) -> str:
    return "no_promise" if ttft_slo_ns == NO_SLO else f"ttft_{ttft_slo_ns / NS_PER_S:g}s"


def jain_fairness(finished: Sequence[Request]) -> float | None:
    """Jain's index of the output tokens per second that sessions got, or requests that belong to none: 1 is even.

    ``(sum x)**2 / (n * sum x**2)``; R. Jain et al., DEC-TR-301, 1984. None if nothing finished.
    """
    shares: dict[tuple[bool, int], list[int]] = {}
    for request in finished:
        alone = request.session < 0
        tokens_and_ns = shares.setdefault((alone, request.id if alone else request.session), [0, 0])
        tokens_and_ns[0] += request.output_tokens
        tokens_and_ns[1] += request.finish_ns - request.arrival_ns
    rates = [tokens * NS_PER_S * 1000 // ns for tokens, ns in shares.values()]
    squares = sum(rate * rate for rate in rates)
    return sum(rates) ** 2 / (len(rates) * squares) if squares else None
