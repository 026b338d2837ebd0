"""What the offline researcher says: short paragraphs, every claim tied to a measured figure."""

from __future__ import annotations

from collections.abc import Callable

from sessions.figures import FIGURES, show
from sessions.models.offline import steering
from sessions.models.offline.ideas import Idea, avoided_mechanisms
from sessions.models.offline.knowledge import JsonDict, Knowledge, Trial, as_float
from sessions.models.offline.mechanisms import RouterSpec
from sessions.models.offline.objective import change, incumbent, objective, shown_better

WHO = "I am the offline researcher: rule-based, no language model."


def greeting(known: Knowledge) -> str:
    return (
        f"{WHO} I know a small library of router mechanisms; what helps here I have to measure. "
        "First I read what is being designed for and the baseline's source."
    )


def propose(idea: Idea) -> str:
    p = idea.prediction
    if p.kind == "relative":
        expected = f"{FIGURES[p.metric].title} {_percent(p.low)} to {_percent(p.high)} against {idea.against}"
    else:
        expected = f"{FIGURES[p.metric].title} between {show(p.metric, p.low)} and {show(p.metric, p.high)}"
    return f"**Hypothesis.** {idea.hypothesis} **Prediction.** {expected}; refuted if {p.refuted_if}."


def _percent(change: float) -> str:
    """A change in percent: two significant digits at least, with a typographic sign as on the proposal's card."""
    return f"{change:+.{0 if abs(change) >= 10 else 1}f}%".replace("-", "−")


def analysis(known: Knowledge, trial: Trial) -> str:
    """The result against the prediction, and what it says about the mechanism."""
    if trial.decision in ("redirect", "reject"):
        return _declined(known, trial)
    if trial.result.get("outcome") == "cancelled":
        return f"{trial.experiment} was interrupted, so nothing was learned from it. Say *continue* or steer."
    if not trial.ok:
        return (
            f"{trial.experiment} failed ({trial.result.get('outcome')}): {trial.result.get('message')} "
            "A failure is no figure; I leave this design."
        )
    metric = objective(known).metric
    if trial.idea == "baseline":
        values = [f"{FIGURES[name].title} {show(name, trial.candidate(name))}" for name in _SHOWN]
        return f"**{trial.experiment}.** {trial.design} stands at " + ", ".join(values) + "."
    prediction = str(trial.result.get("prediction", "undecided"))
    text = f"**{trial.experiment}.** {_compared(trial, metric)} The prediction is **{prediction}**."
    if trial.edited:
        text += " This measured your edited version; the record names you as its author."
    return text + " " + _meaning(known, trial, metric)


_SHOWN = ("e2e_s.mean", "e2e_s.p99", "ttft_s.mean", "preempted_share")


def _declined(known: Knowledge, trial: Trial) -> str:
    what = f"{trial.experiment} isn't run"
    words = str(trial.result.get("words", "")).strip()
    if not words:
        return f"{what}, as you say. I take the next idea."
    return f"{what}. {answer_directives(steering.parse(words), known)}"


def _compared(trial: Trial, metric: str) -> str:
    c = trial.comparison(metric)
    low, high = (as_float(v) for v in c.get("ci95") or [0, 0])  # type: ignore[union-attr]
    return (
        f"{trial.design} against {trial.against}: {FIGURES[metric].title} "
        f"{show(metric, as_float(c.get('candidate')))} against {show(metric, as_float(c.get('baseline')))} "
        f"({as_float(c.get('relative')):+.1%}; 95% interval of the difference {show(metric, low)} to "
        f"{show(metric, high)}): {c.get('verdict')}."
    )


def _meaning(known: Knowledge, trial: Trial, metric: str) -> str:
    preempted = (trial.baseline("preempted_share"), trial.candidate("preempted_share"))
    moved = f"Preempted requests went from {preempted[0]:.1%} to {preempted[1]:.1%}"
    tail = (
        f"P99 from {show('e2e_s.p99', trial.baseline('e2e_s.p99'))} to "
        f"{show('e2e_s.p99', trial.candidate('e2e_s.p99'))}"
    )
    if shown_better(trial, metric):
        return f"{moved}, {tail}. {incumbent(known).design} is what I go on from."
    if preempted[1] < 0.5 * preempted[0]:
        return (
            f"{moved}, {tail}: the mechanism does what it should, but the time lost to restarts became time "
            "waiting at the router. The wait itself is what has to be shortened."
        )
    return f"{moved}, {tail}. I go on from {incumbent(known).design}."


def insight(known: Knowledge, trial: Trial) -> str:
    """One sentence for the record."""
    metric = objective(known).metric
    if trial.idea == "baseline":
        return (
            f"Under {trial.design}, {trial.candidate('preempted_share'):.1%} of the requests are preempted at "
            f"mean KV usage {trial.candidate('kv_usage_mean'):.0%}; {FIGURES[metric].title} "
            f"{show(metric, trial.candidate(metric))}."
        )
    verdict = trial.comparison(metric).get("verdict")
    return (
        f"{trial.call.arguments.get('title')}: {FIGURES[metric].title} {change(trial, metric):+.1%} against "
        f"{trial.against} ({verdict}); preempted {trial.baseline('preempted_share'):.1%} to "
        f"{trial.candidate('preempted_share'):.1%}."
    )


def diagnosis(seen: JsonDict) -> str:
    """The telemetry in one sentence."""
    return (
        f"**Diagnosis.** {as_float(seen.get('preempted_share')):.1%} of the requests are preempted, KV usage is "
        f"{as_float(seen.get('kv_usage_mean')):.0%} on average and at least 95% for "
        f"{as_float(seen.get('kv_full_share')):.0%} of the time; {as_float(seen.get('wait_share')):.0%} of a mean "
        f"completion is waiting for the first token (held at the router {as_float(seen.get('held_mean')):.0f}, "
        f"waiting at replicas {as_float(seen.get('waiting_mean')):.0f}, running "
        f"{as_float(seen.get('running_mean')):.0f} requests); batches differ by "
        f"{as_float(seen.get('running_spread')):.0%} of their mean."
    )


def answer_directives(said: steering.Steering, known: Knowledge | None) -> str:
    """An answer to the engineer's words; ``known`` is ``None`` where only an acknowledgement is wanted."""
    parts: list[str] = []
    for directive in said.directives:
        reply = _ANSWERS[directive.action]
        parts.append(reply(directive, known))
    if said.unknown:
        quoted = "; ".join(said.unknown)
        parts.append(
            f"I can't act on “{quoted[:200]}”: I am rule-based and understand this:\n\n```\n{steering.HELP}\n```"
        )
    return "\n\n".join(part for part in parts if part)


def _explain(directive: steering.Directive, known: Knowledge | None) -> str:
    if known is None or known.baseline_trial is None:
        return "I have measured nothing yet; after the first experiment I can explain that."
    name, best, base = directive.what, incumbent(known), known.baseline_trial
    text = f"{FIGURES[name].title}: {show(name, base.candidate(name))} under {base.design}"
    if best is not base:
        text += f", {show(name, best.candidate(name))} under {best.design}"
    seen = known.diagnosis(best) or known.diagnosis(base)
    return text + ". " + _CAUSES.get(name.split(".")[-1], _cause_of_mean)(best, seen)


def _cause_of_tail(trial: Trial, seen: JsonDict) -> str:
    ratio = trial.candidate("e2e_s.p99") / max(trial.candidate("e2e_s.p50"), 1e-9)
    return (
        f"It is {ratio:.0f} times the median ({show('e2e_s.p50', trial.candidate('e2e_s.p50'))}); "
        f"{trial.candidate('preempted_share'):.1%} of the requests were preempted and started over, and the "
        f"maximum is {show('e2e_s.max', trial.candidate('e2e_s.max'))}. Under an order by prompt length the "
        "tail is long prompts that are overtaken; a waiting bound would act on that."
    )


def _cause_of_mean(trial: Trial, seen: JsonDict) -> str:
    return (
        f"{as_float(seen.get('wait_share')):.0%} of it is waiting for the first token "
        f"({show('ttft_s.mean', trial.candidate('ttft_s.mean'))}); on average "
        f"{as_float(seen.get('held_mean')):.0f} requests are held at the router and "
        f"{as_float(seen.get('waiting_mean')):.0f} wait at replicas."
    )


def _cause_of_preemption(trial: Trial, seen: JsonDict) -> str:
    return (
        f"A decoding request takes a KV block every 16 tokens; blocks are at least 95% used "
        f"{as_float(seen.get('kv_full_share')):.0%} of the time, and when none is free the youngest request "
        "loses its cache and starts over. Admission head-room acts on that."
    )


_CAUSES: dict[str, Callable[[Trial, JsonDict], str]] = {
    "p99": _cause_of_tail,
    "p90": _cause_of_tail,
    "max": _cause_of_tail,
    "preempted_share": _cause_of_preemption,
    "kv_usage_mean": _cause_of_preemption,
}


def status(known: Knowledge) -> str:
    if not known.finished:
        return "Nothing is measured yet."
    metric = objective(known).metric
    best = incumbent(known)
    lines = [
        f"- {t.experiment} {t.design}: {FIGURES[metric].title} {show(metric, t.candidate(metric))}"
        + ("" if t.idea == "baseline" else f" ({_verdict(t, metric)})")
        for t in known.finished
    ]
    return "\n".join(lines) + f"\n\nWhat stands: **{best.design}**."


def _verdict(trial: Trial, metric: str) -> str:
    verdict = str(trial.comparison(metric).get("verdict"))
    link = "to" if verdict == "no difference shown" else "than"
    return f"{verdict} {link} {trial.against}"


def _accept(directive: steering.Directive, known: Knowledge | None) -> str:
    return ""  # the acceptance proposal that follows is the answer


_ANSWERS: dict[str, Callable[[steering.Directive, Knowledge | None], str]] = {
    "focus": lambda d, k: f"From now on a better design is one with a lower {FIGURES[d.what].title}.",
    "keep": lambda d, k: (
        f"Constraint noted: {FIGURES[d.what].title} at most {d.value or 0:g}% above the baseline's. Designs "
        "that break it are shown but not built upon."
    ),
    "try": lambda d, k: f"I try {d.what}{'' if d.value is None else f' {d.value:g}'} next.",
    "avoid": lambda d, k: f"I leave {d.what} out from now on.",
    "ablate": lambda d, k: "I ablate next: one mechanism out, everything else as it was.",
    "explain": _explain,
    "status": lambda d, k: status(k) if k else "",
    "accept": _accept,
    "continue": lambda d, k: "I go on.",
    "stop": lambda d, k: "I stop here.",
}


def design_name(spec: RouterSpec) -> str:
    """A slug that says what is in a composed design: ``spf-hr368m5-kv-w24``."""
    parts = ["spf" if spec.order == "shortest-prompt" else "fifo"]
    if spec.headroom:
        parts.append(f"hr{spec.reserve_tokens}m{spec.margin * 100:g}".replace(".", "p"))
    if spec.placement == "least-kv":
        parts.append("kv")
    if spec.wait_bound_s:
        parts.append(f"w{spec.wait_bound_s:g}".replace(".", "p"))
    return "-".join(parts)


def card(idea: Idea, spec: RouterSpec) -> str:
    mechanisms = ", ".join(spec.mechanisms) or "none"
    return f"{idea.title}\n\nMechanisms: {mechanisms}.\n\n{idea.hypothesis}\n\n{idea.mechanism}"


def reason(known: Knowledge, trial: Trial) -> str:
    """Why a design is proposed for acceptance."""
    metric = objective(known).metric
    base = known.baseline_trial
    assert base is not None
    worse = [n for n in ("e2e_s.p99", "e2e_s.max") if trial.candidate(n) > base.candidate(n)]
    cost = (
        " Its price: "
        + " and ".join(
            f"{FIGURES[n].title} {show(n, trial.candidate(n))} against {show(n, base.candidate(n))}" for n in worse
        )
        + "."
        if worse
        else " P99 and maximum are no worse."
    )
    gain = trial.candidate(metric) / max(base.candidate(metric), 1e-9) - 1
    return (
        f"{trial.design}: {FIGURES[metric].title} {show(metric, trial.candidate(metric))} against "
        f"{show(metric, base.candidate(metric))} under {base.design} ({gain:+.1%}) on the explore seeds.{cost}"
    )


def closing(known: Knowledge) -> str:
    """What is said when the plan is at its end."""
    avoided = ", ".join(sorted(avoided_mechanisms(known)))
    rest = f" Left out on your word: {avoided}." if avoided else ""
    return f"My plan is at its end.\n\n{status(known)}{rest} Steer me on, or say *stop*."
