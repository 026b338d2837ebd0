"""How requests were served: within their SLOs or not, by tier, and how evenly."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from sim.api import NO_SLO, NS_PER_S
from sim.request import Request
from sim.scenario import SloSpec
from sim.telemetry import Json

ALL = "all"


def tpot_ns(request: Request) -> int:
    """Time per output token after the first, of a finished request with two or more."""
    return (request.finish_ns - request.first_token_ns) // (request.output_tokens - 1)


def in_time(finished: Sequence[Request], slo: SloSpec) -> list[Request]:
    """The finished requests that met their SLO; what was promised to one comes before the scenario's TTFT."""
    promised_ns, most_tpot_ns = slo.ttft_s * NS_PER_S, slo.tpot_s * NS_PER_S
    good = []
    for request in finished:
        ttft_ns = promised_ns if request.ttft_slo_ns == NO_SLO else request.ttft_slo_ns
        if request.first_token_ns - request.arrival_ns > ttft_ns:
            continue
        if request.output_tokens < 2 or tpot_ns(request) <= most_tpot_ns:
            good.append(request)
    return good


def slo_attainment(requests: Sequence[Request], good: Sequence[Request]) -> dict[str, Json]:
    """Share of all requests that are ``good`` (:func:`in_time`): of ``all``, and of each tier if there are several.

    A tier is a priority, or a promised TTFT where all have the same priority.
    """
    shares: dict[str, Json] = {ALL: len(good) / len(requests) if requests else 0.0}
    tier = _tiers(requests)
    if tier is not None:
        of_tier, met = Counter(map(tier, requests)), Counter(map(tier, good))
        shares |= {name: met[name] / of_tier[name] for name in sorted(of_tier)}
    return shares


def _tiers(requests: Sequence[Request]) -> Callable[[Request], str] | None:
    if len({request.priority for request in requests}) > 1:
        return lambda request: f"priority_{request.priority}"
    if len({request.ttft_slo_ns for request in requests}) > 1:
        return lambda request: _promise(request.ttft_slo_ns)
    return None


def _promise(ttft_slo_ns: int) -> str:
    return "no_promise" if ttft_slo_ns == NO_SLO else f"ttft_{ttft_slo_ns / NS_PER_S:g}s"


def jain_fairness(finished: Sequence[Request]) -> float | None:
    """Jain's index of the output tokens per second that sessions got, or requests that belong to none: 1 is even.

    ``(sum x)**2 / (n * sum x**2)``; R. Jain et al., DEC-TR-301, 1984. None if nothing finished.
    """
    alone = [(r.output_tokens, r.finish_ns - r.arrival_ns) for r in finished if r.session < 0]
    tokens_of: dict[int, int] = defaultdict(int)
    ns_of: dict[int, int] = defaultdict(int)
    for request in finished if len(alone) < len(finished) else ():
        if request.session >= 0:
            tokens_of[request.session] += request.output_tokens
            ns_of[request.session] += request.finish_ns - request.arrival_ns
    together = [(tokens, ns_of[session]) for session, tokens in tokens_of.items()]
    rates = [tokens * NS_PER_S * 1000 // ns for tokens, ns in [*alone, *together]]
    squares = sum([rate * rate for rate in rates])
    return sum(rates) ** 2 / (len(rates) * squares) if squares else None
