"""Recorded files: complete or absent, and what their name says."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessions.errors import SidecarError
from sessions.sidecar import Sidecar


def test_a_document_comes_back_by_its_digest(tmp_path: Path) -> None:
    sidecar = Sidecar(tmp_path / "below" / "telemetry")
    digest = sidecar.put({"b": [1, 2.5, None], "a": "é"})
    assert sidecar.get(digest) == {"a": "é", "b": [1, 2.5, None]}
    assert sidecar.put({"a": "é", "b": [1, 2.5, None]}) == digest
    assert [path.name for path in (tmp_path / "below/telemetry").iterdir()] == [f"{digest}.json.gz"]


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    sidecar = Sidecar(tmp_path)
    digest = sidecar.put({"a": 1})
    other = sidecar.put({"a": 2})
    with pytest.raises(SidecarError, match="is missing"):
        sidecar.get("0" * 64)
    with pytest.raises(SidecarError, match="not the digest"):
        sidecar.get("../../etc/passwd")
    file = tmp_path / f"{digest}.json.gz"
    file.write_bytes((tmp_path / f"{other}.json.gz").read_bytes())
    with pytest.raises(SidecarError, match="is damaged"):
        sidecar.get(digest)
    file.write_bytes(file.read_bytes()[:-6])
    with pytest.raises(SidecarError, match="can't be read"):
        sidecar.get(digest)


def test_a_folder_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SidecarError, match="Can't write to"):
        Sidecar(tmp_path / "file").put({})
