"""Which experiment comes next, and why: from the diagnosis to a hypothesis with a prediction.

Each idea names a cause seen in the figures, the mechanism that would act on it and what will be measured if that
is so. Predicted ranges follow from the measured shares, never from earlier studies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sessions.events import Prediction
from sessions.figures import FIGURES
from sessions.models.offline.knowledge import Knowledge, Trial, as_float
from sessions.models.offline.mechanisms import RouterSpec
from sessions.models.offline.objective import incumbent, objective, shown_worse

FIRST_MARGIN = 0.05
TAIL = ("e2e_s.p99", "e2e_s.max")


@dataclass(frozen=True, slots=True)
class Idea:
    """``key`` makes it unique; ``spec`` is the design to write (``None``: the baseline as it ships);
    ``against``: the design it is measured against."""

    key: str
    title: str
    spec: RouterSpec | None
    against: str
    hypothesis: str
    mechanism: str
    prediction: Prediction


def baseline_idea(known: Knowledge) -> Idea:
    """The first experiment of every study: measure before changing anything."""
    name = known.baseline_name
    return Idea(
        "baseline",
        f"measure {name} before changing anything",
        None,
        name,
        f"Under {name} the KV cache is the scarce resource: replicas take more requests than fit in the end.",
        "A running request takes KV blocks as it decodes; when none is free the youngest is preempted and starts over.",
        Prediction(
            metric="preempted_share",
            kind="absolute",
            low=0.05,
            high=1.0,
            refuted_if="fewer than 5% of the requests are preempted",
        ),
    )


def next_idea(known: Knowledge) -> Idea | None:
    """The first idea of the agenda that hasn't been tried and isn't avoided.

    What the engineer redirected away from comes once more when nothing else is left; what was rejected doesn't.
    """
    if known.baseline_trial is None:
        return baseline_idea(known) if known.may_measure_baseline else None
    avoided = avoided_mechanisms(known)
    allowed = [i for i in _agenda(known) if i.spec is None or not avoided & set(i.spec.mechanisms)]
    tried = [known.specs[t.design] for t in known.trials if t.design in known.specs and not t.edited and t.decided]
    untried = (idea for idea in allowed if not known.done(idea.key) and idea.spec not in tried)
    return next(untried, None) or next((idea for idea in allowed if known.postponed(idea.key)), None)


def avoided_mechanisms(known: Knowledge) -> set[str]:
    """What the engineer ruled out; a later ``try`` of the same mechanism takes that back."""
    avoided: set[str] = set()
    for directive in known.directives:
        if directive.action == "avoid":
            avoided.add(directive.what)
        elif directive.action == "try":
            avoided.discard(directive.what)
    return avoided


def _agenda(known: Knowledge) -> Iterator[Idea]:
    best = incumbent(known, composed=True)
    spec = known.specs.get(best.design, RouterSpec())
    yield from _asked_for(known, best, spec)
    if known.sent_back:
        yield from _ablate(known, best, spec)
    yield from _explore(known, best, spec)
    yield from _tail(known, best, spec)
    yield from _ablate(known, best, spec)
    yield from _tune(known, best, spec)


def _asked_for(known: Knowledge, best: Trial, spec: RouterSpec) -> Iterator[Idea]:
    """What the engineer told us to try or to ablate."""
    for number, directive in enumerate(known.directives):
        if directive.action == "try":
            wanted = with_mechanism(known, spec, directive.what, directive.value)
            yield Idea(
                f"asked-{number}",
                f"{directive.what}, as the engineer asked",
                wanted,
                best.design,
                f"The engineer asked for {directive.what}: it improves on {best.design}.",
                f"{directive.what} is added to {best.design}; everything else stays.",
                _relative(objective(known).metric, -50.0, 0.0, "the change isn't an improvement"),
            )
        elif directive.action == "ablate":
            chosen = [directive.what] if directive.what in spec.mechanisms else list(spec.mechanisms)
            for mechanism in chosen:
                yield _ablation(known, best, spec, mechanism, f"asked-{number}-{mechanism}")


def _explore(known: Knowledge, best: Trial, spec: RouterSpec) -> Iterator[Idea]:
    """Causes in the order in which they are cheap to remove and hide each other."""
    base = known.baseline_trial
    assert base is not None
    metric = objective(known).metric
    seen = known.diagnosis(best) or known.diagnosis(base)
    preempted, waits = as_float(seen.get("preempted_share")), as_float(seen.get("wait_share"))
    if not spec.headroom and preempted > 0.02:
        low, high = -round(min(95.0, 300 * preempted)), -max(1, round(min(50.0, 50 * preempted)))
        yield Idea(
            "head-room",
            "hold requests until their KV fits",
            with_mechanism(known, spec, "head-room", None),
            best.design,
            f"Under {best.design} {preempted:.0%} of the requests are preempted and start over; that work "
            "makes completion slow. Holding requests at the router until a replica has room for them removes it.",
            "Admission head-room: prompt plus an output allowance must fit in the blocks not yet committed.",
            _relative(metric, low, high, f"the {FIGURES[metric].title} falls by less than {-high}%"),
        )
    if spec.order == "arrival" and waits > 0.2:
        ordered = with_mechanism(known, spec, "shortest-prompt", None)
        yield Idea(
            "order",
            "serve held requests shortest prompt first",
            ordered,
            best.design,
            f"Under {best.design} {waits:.0%} of a mean completion is waiting for the first token: a few long prompts "
            "stand in front of many short ones. Serving the shortest first lowers the mean wait.",
            "Head-of-line blocking: with the queue held at the router, its order is ours to choose.",
            _relative(metric, -100 * waits, -40 * waits, f"the change is smaller than {40 * waits:.0f}%"),
        )
    spread = as_float(seen.get("running_spread"))
    if spec.placement == "fewest-requests" and spread > 0.25:
        yield Idea(
            "placement",
            "place by committed KV instead of request count",
            replace(spec, placement="least-kv"),
            best.design,
            f"Under {best.design} replicas' batches differ by {spread:.0%} of their mean: "
            "requests differ in KV by two orders of "
            "magnitude, so equal counts are unequal loads.",
            "Placement on the replica with the fewest committed KV blocks evens out memory.",
            _relative(metric, -20.0, -1.0, "the change is smaller than 1%"),
        )


def _tail(known: Knowledge, best: Trial, spec: RouterSpec) -> Iterator[Idea]:
    """A bound on waiting, when long prompts pay for the mean or the tail is the objective."""
    base = known.baseline_trial
    assert base is not None
    goal = objective(known)
    last = known.finished[-1]
    candidates = [best] + ([last] if goal.violated(last, base) else [])
    for trial in candidates:
        ordered = known.specs.get(trial.design)
        if ordered is None or ordered.order == "arrival" or ordered.wait_bound_s:
            continue
        worse = [name for name in TAIL if trial.candidate(name) > base.candidate(name)]
        watched = goal.metric in TAIL or any(name in goal.limits for name in TAIL)
        if not worse and not watched:
            continue
        bound = float(max(5, round(trial.candidate("e2e_s.mean"))))
        name = worse[0] if worse else "e2e_s.p99"
        yield Idea(
            f"waiting-bound-{trial.design}",
            f"bound the wait of long prompts at {bound:.0f} s",
            replace(ordered, wait_bound_s=bound),
            trial.design,
            f"Long prompts pay for the mean: the {FIGURES[name].title} is {trial.candidate(name):.0f} s against "
            f"{base.candidate(name):.0f} s under {base.design}. They starve behind the short ones that keep coming.",
            f"A request held longer than {bound:.0f} s (about one mean completion) goes first.",
            _relative("e2e_s.p99", -60.0, -5.0, "P99 falls by less than 5%"),
        )


def _ablate(known: Knowledge, best: Trial, spec: RouterSpec) -> Iterator[Idea]:
    """Each mechanism of the best design off, one at a time, unless that composition was measured already."""
    if len(spec.mechanisms) < 2:
        return
    for mechanism in spec.mechanisms:
        yield _ablation(known, best, spec, mechanism, f"ablate-{best.design}-{mechanism}")


def untried_ablations(known: Knowledge) -> list[str]:
    """The mechanisms of the best composed design whose removal hasn't been measured."""
    best = incumbent(known, composed=True)
    spec = known.specs.get(best.design, RouterSpec())
    tried = [known.specs[t.design] for t in known.finished if t.design in known.specs and not t.edited]
    return [mechanism for mechanism in spec.mechanisms if spec.without(mechanism) not in tried]


def _ablation(known: Knowledge, best: Trial, spec: RouterSpec, mechanism: str, key: str) -> Idea:
    metric = objective(known).metric
    return Idea(
        key,
        f"ablation: {best.design} without {mechanism}",
        spec.without(mechanism),
        best.design,
        f"{mechanism} carries part of the gain of {best.design}: without it the {FIGURES[metric].title} rises.",
        f"{mechanism} is taken out; everything else stays.",
        _relative(metric, 1.0, 400.0, f"without {mechanism} the change is below 1%"),
    )


def _tune(known: Knowledge, best: Trial, spec: RouterSpec) -> Iterator[Idea]:
    """The constants of the best design, one at a time, doubled and halved."""
    if not spec.headroom:
        return
    settings = {
        "reserve-up": (
            replace(spec, reserve_tokens=2 * spec.reserve_tokens or 64),
            "twice the output allowance",
        ),
        "reserve-down": (replace(spec, reserve_tokens=spec.reserve_tokens // 2), "half the output allowance"),
        "margin-up": (replace(spec, margin=round(spec.margin * 2 or 0.02, 4)), "twice the margin"),
        "margin-down": (replace(spec, margin=round(spec.margin / 2, 4)), "half the margin"),
    }
    metric = objective(known).metric
    for key, (tuned, what) in settings.items():
        if _hopeless(known, key):
            continue
        yield Idea(
            f"tune-{key}-{best.design}",
            f"tune {best.design}: {what}",
            tuned,
            best.design,
            f"The constants were set from the first measurement, not searched: {what} may serve better.",
            "More held back means fewer preemptions and emptier replicas; less means the opposite.",
            _relative(metric, -15.0, -0.5, "the change is smaller than 0.5%"),
        )


def _hopeless(known: Knowledge, key: str) -> bool:
    """True if the same step was shown to be worse on an earlier incumbent."""
    return any(t.idea.startswith(f"tune-{key}") and shown_worse(t, objective(known).metric) for t in known.finished)


def with_mechanism(known: Knowledge, spec: RouterSpec, mechanism: str, value: float | None) -> RouterSpec:
    """``spec`` plus one mechanism; what it needs comes along (an order needs a held queue)."""
    base = known.baseline_trial
    mean_output = int(as_float(known.diagnosis(base).get("mean_output_tokens"))) if base else 0
    held = (
        spec
        if spec.headroom
        else replace(spec, headroom=True, reserve_tokens=_round_to_block(mean_output), margin=FIRST_MARGIN)
    )
    match mechanism:
        case "head-room":
            return held if value is None else replace(held, reserve_tokens=int(value))
        case "shortest-prompt":
            return replace(held, order="shortest-prompt")
        case "waiting-bound":
            return replace(held, wait_bound_s=60.0 if value is None else value)
        case _:
            return replace(spec, placement="least-kv")


def _round_to_block(tokens: int, block: int = 16) -> int:
    return max(block, round(tokens / block) * block)


def _relative(metric: str, low: float, high: float, refuted_if: str) -> Prediction:
    return Prediction(metric=metric, kind="relative", low=round(low, 1), high=round(high, 1), refuted_if=refuted_if)
