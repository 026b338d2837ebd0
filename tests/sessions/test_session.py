"""A study with an engineer in the loop: the four verbs, words at any moment, interruption, acceptance."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sessions import events as ev
from sessions.models.offline.backend import OfflineBackend
from sessions.store import StudyOptions, Workspace
from tests.sessions.conftest import Engineer


def finished(count: int):  # type: ignore[no-untyped-def]
    return lambda state: sum(e.result is not None for e in state.experiments.values()) >= count


def last_reply(engineer: Engineer) -> str:
    replies = [
        e.data.text for e in engineer.state.events if isinstance(e.data, ev.AgentReplied) and e.actor == "researcher"
    ]
    return replies[-1]


async def test_nothing_runs_before_it_is_approved(engineer: Engineer) -> None:
    asked = await engineer.pending()
    assert asked.kind == "experiment"
    assert not any(isinstance(e.data, ev.ExperimentStarted) for e in engineer.state.events)


async def test_an_approved_experiment_runs_on_ten_paired_seeds_and_is_judged(engineer: Engineer) -> None:
    await engineer.answer("approve")
    await engineer.until(finished(1))
    await engineer.answer("approve")
    await engineer.until(finished(2))
    result = engineer.state.experiments["exp-2"].result
    assert result is not None
    assert result.comparison is not None
    assert result.comparison.seeds == 10
    assert result.candidate is not None
    assert result.baseline is not None
    assert [r["workload_sha256"] for r in result.candidate.per_seed] == [
        r["workload_sha256"] for r in result.baseline.per_seed
    ]
    telemetry = engineer.session.telemetry(result.telemetry["candidate"])
    assert "series" in telemetry


async def test_an_edited_design_runs_in_place_of_the_proposed_one_and_is_the_engineers(engineer: Engineer) -> None:
    await engineer.answer("approve")
    await engineer.until(finished(1))
    await engineer.pending()
    proposed = engineer.state.experiments["exp-2"].design
    edited = engineer.session.source_of(proposed).replace("MARGIN = 0.05", "MARGIN = 0.2")
    assert await engineer.answer("edit", source=edited) == ""
    await engineer.until(finished(2))
    ran = engineer.state.experiments["exp-2"]
    assert ran.design == f"{proposed}-edit1"
    assert engineer.state.designs[ran.design].author == "engineer"
    assert engineer.state.designs[ran.design].parent == proposed
    assert ran.result is not None
    assert ran.result.candidate is not None
    assert ran.result.candidate.design == ran.design


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def route(:", "syntax"),
        ("x = 1\n", "interface"),
        ("import socket\n\ndef pick(request, cluster):\n    return None\n", "socket"),
    ],
)
async def test_an_edit_that_can_not_run_is_refused_in_a_sentence_and_the_proposal_stays(
    engineer: Engineer, source: str, sentence: str
) -> None:
    await engineer.answer("approve")
    await engineer.until(finished(1))
    asked = await engineer.pending()
    refused = await engineer.answer("edit", source=source)
    assert sentence in refused
    assert engineer.state.pending is not None
    assert engineer.state.pending.id == asked.approval


async def test_an_edit_that_ends_the_process_it_is_checked_from_is_refused_too(engineer: Engineer) -> None:
    await engineer.pending()
    kill = "import random\n\n\ndef route(queue, cluster):\n    random._os.kill(random._os.getppid(), 9)\n"
    assert "can't run (exception)" in await engineer.answer("edit", source=kill)
    assert engineer.state.pending is not None


async def test_an_unchanged_edit_is_not_an_answer(engineer: Engineer) -> None:
    await engineer.answer("approve")
    await engineer.until(finished(1))
    await engineer.pending()
    same = engineer.session.source_of(engineer.state.experiments["exp-2"].design)
    assert "wasn't changed" in await engineer.answer("edit", source=same)
    assert engineer.state.pending is not None


async def test_a_redirect_becomes_the_next_instruction(engineer: Engineer) -> None:
    await engineer.answer("approve")
    await engineer.until(finished(1))
    await engineer.answer("redirect", "avoid head-room")
    asked = await engineer.pending()
    assert engineer.state.experiments["exp-2"].status == "rejected"
    proposal = engineer.state.experiments[asked.subject].proposal
    assert "kv" in proposal.design
    assert "I leave head-room out" in last_reply(engineer)


async def test_a_rejected_experiment_never_runs_and_another_idea_comes(engineer: Engineer) -> None:
    await engineer.answer("approve")
    await engineer.until(finished(1))
    await engineer.pending()
    rejected = engineer.state.experiments["exp-2"].design
    await engineer.answer("reject")
    asked = await engineer.pending()
    assert engineer.state.experiments[asked.subject].design != rejected
    assert not any(
        isinstance(e.data, ev.ExperimentStarted) and e.data.experiment == "exp-2" for e in engineer.state.events
    )


async def test_a_question_is_answered_while_the_proposal_waits(engineer: Engineer) -> None:
    await engineer.answer("approve")
    await engineer.until(finished(1))
    asked = await engineer.pending()
    engineer.session.say("why is P99 so bad?")
    await engineer.until(lambda s: any(isinstance(e.data, ev.AgentReplied) and e.data.aside for e in s.events))
    assert "P99 completion time" in last_reply(engineer)
    assert engineer.state.pending is not None
    assert engineer.state.pending.id == asked.approval


async def test_words_that_are_not_understood_are_said_to_be(engineer: Engineer) -> None:
    await engineer.pending()
    engineer.session.say("paint it blue")
    await engineer.until(lambda s: any(isinstance(e.data, ev.AgentReplied) and e.data.aside for e in s.events))
    assert "can't act on “paint it blue”" in last_reply(engineer)


async def test_steering_during_a_proposal_is_acted_upon_after_it(engineer: Engineer) -> None:
    await engineer.pending()
    engineer.session.say("avoid head-room")
    await engineer.until(lambda s: any(isinstance(e.data, ev.AgentReplied) and e.data.aside for e in s.events))
    await engineer.answer("approve")
    await engineer.until(finished(1))
    asked = await engineer.pending()
    assert "hr" not in engineer.state.experiments[asked.subject].design


async def test_an_answer_to_a_decided_proposal_changes_nothing(engineer: Engineer) -> None:
    asked = await engineer.pending()
    await engineer.session.answer(asked.approval, "reject")
    before = len(engineer.state.events)
    assert "decided already" in await engineer.session.answer(asked.approval, "approve")
    assert not any(isinstance(e.data, ev.ApprovalAnswered) for e in engineer.state.events[before:])


async def test_approving_a_kind_runs_the_rest_without_asking_but_not_the_acceptance(engineer: Engineer) -> None:
    await engineer.session.set_budget(3)
    await engineer.answer("approve_kind")
    asked = await engineer.pending()
    assert asked.kind == "acceptance"
    assert finished(3)(engineer.state)


async def test_an_interrupted_experiment_is_cancelled_and_hands_over(engineer: Engineer) -> None:
    await engineer.answer("approve")
    await engineer.until(lambda s: s.running is not None)
    while not engineer.session.interrupt():
        await asyncio.sleep(0)
    await engineer.until(lambda s: s.experiments["exp-1"].status == "cancelled")
    await engineer.until(lambda s: "interrupted" in last_reply(engineer))
    assert engineer.state.pending is None
    engineer.session.say("continue")
    asked = await engineer.pending()
    assert engineer.state.experiments[asked.subject].proposal.design == "llq"


async def test_a_declined_baseline_is_proposed_again_when_the_engineer_says_so(engineer: Engineer) -> None:
    await engineer.answer("reject")
    await engineer.until(lambda s: "continue" in last_reply(engineer))
    assert engineer.state.pending is None
    engineer.session.say("focus on the tail")
    asked = await engineer.pending()
    assert engineer.state.experiments[asked.subject].proposal.design == "llq"


async def test_an_accepted_design_is_a_commit_with_evidence_and_trailers(
    engineer: Engineer, workspace: Workspace
) -> None:
    await engineer.session.set_budget(3)
    await engineer.answer("approve_kind")
    asked = await engineer.pending()
    assert asked.kind == "acceptance"
    await engineer.answer("approve")
    await engineer.until(lambda s: any(d.commit for d in s.designs.values()))
    accepted = next(d for d in engineer.state.designs.values() if d.commit)
    commit = workspace.repository.show(accepted.commit)
    assert commit.files["policy.py"] == accepted.source
    assert commit.trailer("Isolation") == "process"
    assert commit.trailer("Session") == engineer.session.title.session
    held_out = engineer.state.acceptances["acc-1"].held_out
    assert held_out is not None
    assert held_out.candidate is not None
    unseen = {row["seed"] for row in held_out.candidate.per_seed}
    assert unseen.isdisjoint(range(1, 1000))
    whole = journal_of(workspace).read_text()
    assert whole.startswith(commit.files["journal.jsonl"])
    assert '"held_out_finished"' in commit.files["journal.jsonl"]


def journal_of(workspace: Workspace) -> Path:
    return workspace.root / ".glia" / "sessions" / workspace.names()[-1] / "journal.jsonl"


async def test_a_rejected_acceptance_commits_nothing(engineer: Engineer, workspace: Workspace) -> None:
    await engineer.session.set_budget(3)
    await engineer.answer("approve_kind")
    await engineer.pending()
    await engineer.answer("reject")
    await engineer.until(lambda s: s.acceptances["acc-1"].status == "rejected")
    assert workspace.repository.log() == []


async def test_two_runs_with_one_seed_write_the_same_journal_but_for_times_and_ids(
    workspace: Workspace,
) -> None:
    journals = []
    for _ in range(2):
        options = StudyOptions("smoke", gate="autonomous", seed=7, max_experiments=3, interactive=False)
        session = workspace.begin(options, OfflineBackend())
        await session.run()
        await session.close()
        journals.append([_timeless(e.data) for e in session.state.events])
    assert journals[0] == journals[1]


def _timeless(data: ev.Payload) -> object:
    content = data.model_dump(mode="json")
    for key in ("session", "wall_s", "estimate_s", "commit", "parent", "tag", "tag_object"):
        content.pop(key, None)
    if isinstance(data, ev.ToolReturned):
        content["content"].pop("commit", None)
    if isinstance(data, ev.AgentReplied) and "accepted as commit" in data.text:
        content.pop("text")
    return content
