"""`glia run` when it can't go on: the JSON so far on stdout, and an exit code that says why."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from glia_tui.commands.output import Exit
from glia_tui.commands.run import drive
from sessions.models.base import BackendError, ModelRequest, Reply, TextPiece
from sessions.models.offline.backend import OfflineBackend
from sessions.store import StudyOptions, Workspace


class OutOfQuota(OfflineBackend):
    """The offline researcher until its quota is used up."""

    def __init__(self, replies: int) -> None:
        super().__init__(0.0)
        self._left = replies

    async def stream(self, request: ModelRequest) -> AsyncIterator[TextPiece | Reply]:
        if not self._left:
            raise BackendError("The quota of this key is used up; raise it or wait.")
        self._left -= 1
        async for item in super().stream(request):
            yield item


@pytest.mark.parametrize("replies", [0, 2])
def test_a_back_end_that_gives_up_ends_with_the_json_and_exit_code_5(
    replies: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = StudyOptions("smoke", gate="autonomous", max_experiments=2, interactive=False)
    session = Workspace(tmp_path / "ws").begin(options, OutOfQuota(replies))
    assert drive(session, as_json=True) == Exit.BACKEND
    out, err = capfd.readouterr()
    document = json.loads(out)
    assert (document["session"], document["stopped_because"]) == (session.title.session, "backend")
    assert "quota" in err
    assert f"glia sessions resume {session.title.session}" in err


def test_a_study_that_ran_out_of_experiments_before_it_accepted_anything_says_budget(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = StudyOptions("smoke", gate="autonomous", seed=0, max_experiments=1, interactive=False)
    session = Workspace(tmp_path / "ws").begin(options, OfflineBackend(0.0))
    assert drive(session, as_json=True) == Exit.BUDGET
    assert json.loads(capfd.readouterr().out)["stopped_because"] == "budget"
