"""Words that were typed and not sent outlive the process, and no fault with them stops anybody from leaving."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessions.draft import Draft
from sessions.models.offline.backend import OfflineBackend
from sessions.store import StudyOptions, Workspace


async def test_a_resumed_session_has_the_draft_and_a_fork_and_the_journal_have_not(workspace: Workspace) -> None:
    session = workspace.begin(StudyOptions("smoke"), OfflineBackend())
    assert session.draft == ""
    session.keep_draft("why is P99\nso bad? ⇒ 🙂")
    await session.close()
    again = workspace.resume("last", OfflineBackend())
    assert again.draft == "why is P99\nso bad? ⇒ 🙂"
    assert "P99" not in (workspace.folder("last") / "journal.jsonl").read_text()
    again.keep_draft("  \n")
    assert again.draft == ""
    await again.close()
    assert not (workspace.folder("last") / "draft.txt").exists()


@pytest.mark.parametrize("trouble", ["a folder", "no folder", "not text"])
def test_a_draft_that_can_not_be_kept_or_read_is_no_error(trouble: str, tmp_path: Path) -> None:
    path = tmp_path / ("gone/draft.txt" if trouble == "no folder" else "draft.txt")
    if trouble == "a folder":
        path.mkdir()
    elif trouble == "not text":
        path.write_bytes(b"\xff\xfe\x00 words")
    draft = Draft(path)
    assert ("words" in draft.read()) is (trouble == "not text")
    draft.keep("lone surrogate \ud800")
    draft.keep("")
