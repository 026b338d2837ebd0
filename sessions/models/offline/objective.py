"""What a better design is, as the engineer's words set it: one figure, and constraints against the baseline."""

from __future__ import annotations

from dataclasses import dataclass

from sessions.models.offline.knowledge import Knowledge, Trial, as_float


@dataclass(frozen=True, slots=True)
class Objective:
    """``metric`` is minimised; ``limits``: how much worse than the study's baseline a figure may get (0.05: 5%)."""

    metric: str
    limits: dict[str, float]

    def value(self, trial: Trial) -> float:
        return trial.candidate(self.metric)

    def violated(self, trial: Trial, baseline: Trial) -> list[str]:
        """The limited figures that are past their limit."""
        return [
            name
            for name, limit in self.limits.items()
            if trial.candidate(name) > (1 + limit) * baseline.candidate(name)
        ]


def objective(known: Knowledge) -> Objective:
    """The scenario's metric, unless the engineer chose another; the newest word on each figure counts."""
    metric = str(known.card.get("metric", "e2e_s.mean"))
    limits: dict[str, float] = {}
    for directive in known.directives:
        if directive.action == "focus":
            metric = directive.what
        elif directive.action == "keep":
            limits[directive.what] = (directive.value or 0.0) / 100
    return Objective(metric, limits)


def shown_better(trial: Trial, metric: str) -> bool:
    """True if the interval of the paired difference on ``metric`` lies below zero."""
    return trial.comparison(metric).get("verdict") == "better"


def shown_worse(trial: Trial, metric: str) -> bool:
    return trial.comparison(metric).get("verdict") == "worse"


def change(trial: Trial, metric: str) -> float:
    """Relative change of ``metric`` against the trial's own baseline (-0.4: 40% lower)."""
    return as_float(trial.comparison(metric).get("relative"))


def incumbent(known: Knowledge, *, composed: bool = False) -> Trial:
    """The best design so far under the objective: the baseline's trial, or one shown to beat its predecessor.

    ``composed``: only designs made from the library count, because only those can be changed one mechanism at a
    time; an engineer's own source can be accepted but not taken apart.

    A design replaces the incumbent only if the paired interval on the same seeds says that it is *better*; figures
    inside the noise replace nothing, and a design that breaks a constraint doesn't count.
    """
    goal = objective(known)
    base = known.baseline_trial
    assert base is not None
    best = base
    for trial in known.finished:
        if trial is base or goal.violated(trial, base) or (composed and trial.design not in known.specs):
            continue
        if trial.verdict_against(best.design, goal.metric) == "better":
            best = trial
    return best
