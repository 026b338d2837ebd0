"""Forks and deletions: a fork goes on from a whole point under a name of its own; nothing else is touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sessions import events as ev
from sessions.conversation import open_tool_calls
from sessions.errors import SessionError
from sessions.forking import cut, held_out_root
from sessions.journal import Journal, read
from sessions.models.offline.backend import OfflineBackend
from sessions.sidecar import Sidecar
from sessions.state import StudyState
from sessions.store import StudyOptions, Workspace
from tests.sessions.conftest import SharedPool
from tests.sessions.recorded import record_study


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recorded") / "workspace"
    record_study(root)
    return root


@pytest.fixture
def studied(recorded: Path, tmp_path: Path, pool: SharedPool) -> Workspace:
    root = tmp_path / "workspace"
    shutil.copytree(recorded, root)
    return Workspace(root, lambda: pool)


def journal_of(workspace: Workspace, name: str) -> Path:
    return workspace.folder(name) / "journal.jsonl"


def started_of(state: StudyState) -> ev.SessionStarted:
    assert state.started is not None
    return state.started


def test_every_place_is_cut_where_nothing_is_half_done(studied: Workspace) -> None:
    events = read(journal_of(studied, "last")).events
    for seq in range(len(events)):
        place = cut(events, str(seq))
        assert place.seq <= seq
        assert open_tool_calls(events[: place.seq + 1]) == []
        assert not isinstance(events[place.seq].data, ev.SessionStopped)


def test_a_number_in_the_middle_of_an_experiment_goes_back_and_says_so(studied: Workspace) -> None:
    events = read(journal_of(studied, "last")).events
    running = next(e.seq for e in events if isinstance(e.data, ev.ExperimentStarted))
    place = cut(events, str(running))
    assert place.seq < running
    assert f"event {running} itself" in place.told


def test_an_experiment_s_name_means_after_its_result_was_told(studied: Workspace) -> None:
    name = studied.names()[-1]
    forked = studied.fork(name, "exp-2")
    state = studied.state(forked.session)
    assert list(state.experiments) == ["exp-1", "exp-2"]
    assert state.experiments["exp-2"].result is not None
    assert state.pending is None
    assert "exp-2 is told" in forked.told


@pytest.mark.parametrize(
    ("at", "sentence"), [("exp-22", "did you mean 'exp-2'"), ("9999", "There is no event 9999"), ("zzz", "known are")]
)
def test_an_unknown_place_is_refused_in_a_sentence_and_nothing_is_made(
    studied: Workspace, at: str, sentence: str
) -> None:
    before = studied.names()
    with pytest.raises(SessionError, match=sentence):
        studied.fork("last", at)
    assert studied.names() == before


def test_a_fork_has_the_same_past_a_chain_of_its_own_and_says_where_it_is_from(studied: Workspace) -> None:
    name = studied.names()[-1]
    original = journal_of(studied, name).read_bytes()
    events = read(journal_of(studied, name)).events
    forked = studied.fork(name, "exp-1")
    copied = read(journal_of(studied, forked.session)).events
    started = copied[0].data
    assert isinstance(started, ev.SessionStarted)
    assert started.session == forked.session
    origin = started.forked_from
    assert origin is not None
    assert origin == ev.ForkPoint(session=name, seq=origin.seq, hash=events[origin.seq].hash)
    assert [(e.time, e.actor, e.data) for e in copied[1:-1]] == [
        (e.time, e.actor, e.data) for e in events[1 : origin.seq + 1]
    ]
    assert isinstance(copied[-1].data, ev.Notice)
    assert journal_of(studied, name).read_bytes() == original


def test_a_fork_keeps_the_telemetry_it_mentions_when_the_original_is_deleted(studied: Workspace) -> None:
    name = studied.names()[-1]
    forked = studied.fork(name, "exp-2")
    studied.delete(name)
    result = studied.state(forked.session).experiments["exp-2"].result
    assert result is not None
    sidecar = Sidecar(studied.folder(forked.session) / "telemetry")
    for digest in result.telemetry.values():
        assert "series" in sidecar.get(digest)
    assert [s.forked_from for s in studied.summaries()] == [name]


async def test_a_fork_goes_on_to_an_acceptance_on_seeds_its_original_never_met(studied: Workspace) -> None:
    name = studied.names()[-1]
    forked = studied.fork(name, "exp-3")
    session = studied.resume(forked.session, OfflineBackend(), interactive=False)
    await session.run()
    await session.close()
    old, new = studied.state(name).acceptances["acc-1"], session.state.acceptances["acc-1"]
    assert new.held_out_seeds
    assert set(new.held_out_seeds).isdisjoint(old.held_out_seeds)


def test_two_forks_of_one_session_draw_different_held_out_seeds(studied: Workspace) -> None:
    forks = [studied.fork("last", "exp-1").session for _ in range(2)]
    roots = {held_out_root(started_of(studied.state(fork))) for fork in forks}
    assert len(roots) == 2


async def test_an_open_proposal_is_not_taken_over(workspace: Workspace) -> None:
    session = workspace.begin(StudyOptions("smoke", interactive=False), OfflineBackend())
    with pytest.raises(SessionError, match="waits for an engineer"):
        await session.run()
    forked = workspace.fork("last")
    assert workspace.state(forked.session).pending is None
    await session.close()


async def test_an_open_session_can_be_forked_but_not_deleted(workspace: Workspace) -> None:
    session = workspace.begin(StudyOptions("smoke", interactive=False), OfflineBackend())
    name = session.title.session
    forked = workspace.fork(name)
    with pytest.raises(SessionError, match="is open in another process"):
        workspace.delete(name)
    assert name in workspace.names()
    await session.close()
    workspace.delete(name)
    assert workspace.names() == [forked.session]


def test_deleting_keeps_what_was_accepted_and_leaves_nothing_else(studied: Workspace) -> None:
    before = [commit.commit for commit in studied.repository.log()]
    assert before
    studied.delete("last")
    assert studied.names() == []
    assert [commit.commit for commit in studied.repository.log()] == before
    assert [path.name for path in (studied.root / ".glia").iterdir() if "delet" in path.name] == []


def test_an_unreadable_journal_is_listed_with_the_reason_and_can_be_deleted(studied: Workspace) -> None:
    path = journal_of(studied, "last")
    path.write_bytes(path.read_bytes().replace(b"exp-1", b"exp-9", 1))
    [summary] = studied.summaries()
    assert summary.status == "unreadable"
    assert "line 5" in summary.problem
    studied.delete(summary.session)
    assert studied.names() == []


def test_a_session_without_events_is_not_forked(workspace: Workspace) -> None:
    folder = workspace.root / ".glia" / "sessions" / "20260101-000000-aaaa"
    folder.mkdir(parents=True)
    Journal(folder / "journal.jsonl").close()
    with pytest.raises(SessionError, match="nothing to fork"):
        workspace.fork("last")
    assert workspace.names() == [folder.name]


async def test_the_seeds_of_a_study_are_those_of_its_options(workspace: Workspace) -> None:
    options = StudyOptions("smoke", gate="autonomous", max_experiments=1, interactive=False, seeds_per_experiment=12)
    session = workspace.begin(options, OfflineBackend())
    await session.run()
    await session.close()
    assert session.state.experiments["exp-1"].proposal.seeds == list(range(1, 13))


async def test_only_a_seed_that_was_asked_for_tells_the_held_out_seeds(workspace: Workspace) -> None:
    """Nobody who knows a study's record before an acceptance can work out what it will be measured on."""
    for seed, foreseeable in ((7, True), (None, False)):
        session = workspace.begin(StudyOptions("smoke", seed=seed), OfflineBackend())
        started = started_of(session.state)
        await session.close()
        assert started.seeded is foreseeable
        assert (held_out_root(started) == held_out_root(started)) is foreseeable
        assert (held_out_root(started) == str(started.seed)) is foreseeable
