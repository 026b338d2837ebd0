"""A study whose events the test writes: what the app needs of a session, and a record of what the app asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import numpy as np
from pydantic import JsonValue

from sessions import events as ev
from sessions.errors import SessionError
from sessions.experiments.statistics import compare
from sessions.state import StudyState, apply

LLQ = """\
\"\"\"Fewest waiting and running requests first.\"\"\"


def pick(request, cluster):
    return min(cluster.replicas, key=lambda r: (r.num_waiting + r.num_running, r.id))
"""
SHORTEST = """\
\"\"\"Shortest prompt first; a request is held until a replica has room for it.\"\"\"

HEADROOM = 0.03


def route(queue, cluster):
    room = {r.id: r.kv_blocks_total - r.kv_blocks_used for r in cluster.replicas}
    for request in sorted(queue, key=lambda q: (q.prompt_tokens, q.arrival_ns)):
        replica = max(cluster.replicas, key=lambda r: (room[r.id], -r.id))
        blocks = -(-request.prompt_tokens // cluster.block_tokens)
        if room[replica.id] - blocks < HEADROOM * replica.kv_blocks_total:
            break
        room[replica.id] -= blocks
        yield request, replica
"""


@dataclass(frozen=True)
class Title:
    scenario: str = "paper-routing-family"
    hardware: str = "4×A10 · Llama-3-8B"
    backend_label: str = "offline researcher (rule-based)"
    workspace: str = "/home/ada/glia"
    isolation: str = "process"


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now

    def after(self, delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
        """Calls ``call`` when the clock has been moved by ``delay_s``; returns what calls that off."""
        waiting = (self.now + delay_s, call)
        self.waiting.append(waiting)
        return lambda: self.waiting.remove(waiting) if waiting in self.waiting else None

    def advance(self, seconds: float) -> None:
        """Lets time pass, and calls what is due."""
        self.now += seconds
        for waiting in [one for one in self.waiting if one[0] <= self.now]:
            self.waiting.remove(waiting)
            waiting[1]()


@dataclass
class ScriptedSession:
    """``refuse``: the sentence that :meth:`answer` gives instead of taking an answer."""

    title: Title = field(default_factory=Title)
    state: StudyState = field(default_factory=StudyState)
    recorded: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    answers: list[tuple[str, str, str, str | None]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    gates: list[str] = field(default_factory=list)
    budgets: list[int | None] = field(default_factory=list)
    interrupts: int = 0
    closed: int = 0
    draft: str = ""
    refuse: str = ""
    mailboxes: list[asyncio.Queue[ev.Event | ev.TextDelta | ev.Progress]] = field(default_factory=list)

    # -- what the app calls

    async def subscribe(self) -> AsyncIterator[ev.Event | ev.TextDelta | ev.Progress]:
        mailbox: asyncio.Queue[ev.Event | ev.TextDelta | ev.Progress] = asyncio.Queue()
        self.mailboxes.append(mailbox)
        while True:
            yield await mailbox.get()

    async def run(self) -> None:
        await asyncio.Event().wait()

    def say(self, text: str) -> None:
        self.said.append(text)
        self.emit("engineer", ev.EngineerSaid(text=text))

    def interrupt(self) -> bool:
        self.interrupts += 1
        return True

    async def answer(self, approval: str, verb: ev.Verb, words: str = "", source: str | None = None) -> str:
        self.answers.append((approval, verb, words, source))
        if self.refuse:
            return self.refuse
        self.emit("engineer", ev.ApprovalAnswered(approval=approval, verb=verb, words=words))
        return ""

    def set_gate(self, mode: ev.GateMode) -> None:
        self.gates.append(mode)
        self.emit("engineer", ev.GateChanged(mode=mode))

    async def set_budget(self, max_experiments: int | None) -> None:
        self.budgets.append(max_experiments)
        self.emit("engineer", ev.BudgetChanged(max_experiments=max_experiments, max_minutes=None))

    def telemetry(self, digest: str) -> dict[str, JsonValue]:
        try:
            return self.recorded[digest]
        except KeyError:
            raise SessionError(f"There is no recorded telemetry {digest}.") from None

    def source_of(self, design: str) -> str:
        if design in self.state.designs:
            return self.state.designs[design].source
        if design == "llq":
            return LLQ
        raise SessionError(f"There is no design {design!r}.")

    def steering_help(self) -> str:
        return "try MECHANISM        propose it next\navoid MECHANISM      leave it out\nfocus on tail        weigh P99"

    def keep_draft(self, text: str) -> None:
        self.draft = text

    def save(self) -> None:
        self.closed += 1

    async def close(self) -> None:
        self.closed += 1

    # -- what the test calls

    def emit(self, actor: ev.Actor, data: ev.Payload) -> None:
        """Records an event as the session would: the state first, then the mailboxes."""
        event = ev.Event(
            v=ev.SCHEMA_VERSION, seq=len(self.state.events), time="2026-01-01T00:00:00Z", actor=actor,
            context="main", data=data, prev="", hash="",
        )  # fmt: skip
        apply(self.state, event)
        self.send(event)

    def send(self, item: ev.Event | ev.TextDelta | ev.Progress) -> None:
        for mailbox in self.mailboxes:
            mailbox.put_nowait(item)

    def start(self, gate: ev.GateMode = "supervised", max_experiments: int | None = 40) -> ScriptedSession:
        self.emit(
            "system",
            ev.SessionStarted(
                session="s-20260101-1", product="0", simulator="sim-1", playground="serving",
                scenario="paper-routing-family", scenario_digest="0" * 64, slot="router", baseline="llq",
                metric="e2e_s.mean", backend="offline", gate=gate, seed=0, seeds_per_experiment=10,
                max_experiments=max_experiments, max_minutes=None, isolation="process",
            ),
        )  # fmt: skip
        return self

    def write(self, design: str, source: str = SHORTEST, parent: str = "") -> None:
        self.emit(
            "researcher",
            ev.DesignWritten(
                design=design, slot="router", source=source, card=f"# {design}", parent=parent, digest=design
            ),
        )

    def propose(
        self,
        number: int = 1,
        design: str = "shortest-first",
        title: str = "Shortest prompt first",
        hypothesis: str = "",
    ) -> str:
        """A proposal that waits for its answer; returns the approval's id."""
        if design != "llq" and design not in self.state.designs:
            self.write(design)
        experiment = f"exp-{number}"
        self.emit(
            "researcher",
            ev.ExperimentProposed(
                experiment=experiment,
                call_id=f"call-{number}",
                title=title,
                hypothesis=hypothesis
                or "Short requests wait behind long ones at full replicas, so most of the mean is queueing.",
                mechanism="Hold requests at the router and release the shortest prompt first, only where it fits.",
                design=design,
                baseline="llq",
                scenario="paper-routing-family",
                prediction=ev.Prediction(
                    metric="e2e_s.mean",
                    kind="relative",
                    low=-60,
                    high=-30,
                    refuted_if="the mean falls by less than 10%",
                ),
                seeds=list(range(1, 11)),
                estimate_s=9.0,
            ),
        )
        return self.ask(number, "experiment", experiment)

    def ask(self, number: int, kind: ev.EffectKind, subject: str) -> str:
        approval = f"ask-{number}"
        self.emit("system", ev.ApprovalAsked(approval=approval, kind=kind, subject=subject))
        return approval

    def finish(self, number: int = 1, mean: float = 24.1, baseline: float = 54.6, telemetry: bool = True) -> None:
        """The experiment's result, with telemetry of a run of both arms."""
        experiment = f"exp-{number}"
        design = self.state.experiments[experiment].design
        rng = np.random.default_rng(number)
        scatter = rng.normal(0, 2.0, 10)
        ours = {seed: float(mean + scatter[seed - 1]) for seed in range(1, 11)}
        theirs = {seed: float(baseline + 1.6 * scatter[seed - 1]) for seed in range(1, 11)}
        digests: dict[str, str] = {}
        if telemetry:
            digests = {"candidate": f"{experiment}-c", "baseline": f"{experiment}-b"}
            self.recorded[f"{experiment}-c"] = telemetry_of(mean, seed=number)
            self.recorded[f"{experiment}-b"] = telemetry_of(baseline, seed=number + 100)
        comparison = compare("e2e_s.mean", "s", theirs, ours)
        self.emit(
            "system",
            ev.ExperimentFinished(
                experiment=experiment, outcome="ok", candidate=arm(design, ours), baseline=arm("llq", theirs),
                comparison=comparison, prediction="confirmed" if -0.6 <= comparison.relative <= -0.3 else "refuted",
                telemetry=digests, telemetry_seed=3, wall_s=9.4,
            ),
        )  # fmt: skip


def arm(design: str, means: dict[int, float]) -> ev.Arm:
    """An arm whose other figures follow from the mean."""
    mean = sum(means.values()) / len(means)

    def figures(value: float) -> dict[str, JsonValue]:
        return {
            "e2e_s": {
                "mean": value,
                "p50": value * 0.7,
                "p99": 200 + value * 0.4,
                "mean_ci95": [mean - 1.3, mean + 1.3],
            },
            "ttft_s": {"mean": value * 0.6, "p99": value * 4},
            "requests": {"arrived": 7859, "finished": 7859},
            "requests_preempted": round(value * 36),
            "preemptions": round(value * 50),
        }

    per_seed: list[dict[str, JsonValue]] = [{"seed": seed, **figures(value)} for seed, value in means.items()]
    return ev.Arm(design=design, digest=design, metrics=figures(mean), per_seed=per_seed)


def telemetry_of(mean_s: float, seed: int = 0, samples: int = 600, replicas: int = 4) -> dict[str, JsonValue]:
    """Made-up telemetry of a run that climbs to ``mean_s``."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples, dtype=np.float64) * 1.8
    share = np.clip(t / t[-1] * 1.4, 0, 1)
    load = np.clip(share - np.clip(t / t[-1] - 0.8, 0, 1) * 4, 0, 1)
    mean: list[JsonValue] = (mean_s * share**0.8 + rng.normal(0, 0.3, samples)).clip(0.5).tolist()
    mean[:4] = [None] * 4
    kv = np.clip(load[:, None] * 1.1 + rng.normal(0, 0.05, (samples, replicas)), 0, 1)
    waiting = np.round(load[:, None] * mean_s * 4 + rng.normal(0, 4, (samples, replicas))).clip(0)
    running = np.round(load[:, None] * 60 + rng.normal(0, 5, (samples, replicas))).clip(0)
    preemptions = np.round(np.cumsum(np.ones((samples, replicas)), axis=0) * mean_s / 20)

    def series(values: JsonValue, per_replica: bool) -> dict[str, JsonValue]:
        return {"unit": "", "per_replica": per_replica, "values": values}

    return {
        "interval_s": 1.8,
        "replicas": replicas,
        "t_s": t.tolist(),
        "series": {
            "vllm:num_requests_waiting": series(waiting.tolist(), True),
            "vllm:num_requests_running": series(running.tolist(), True),
            "vllm:kv_cache_usage_perc": series(kv.tolist(), True),
            "vllm:num_preemptions_total": series(preemptions.tolist(), True),
            "router:held_requests": series(np.round(load * 200).tolist(), False),
            "cluster:finished_requests": series(list(range(samples)), False),
            "cluster:mean_completion_s": series(mean, False),
            "vllm:generation_tokens_total": series([8600 * sample for sample in range(samples)], False),
        },
    }
