"""Studies that several documents begin from, each done once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from sessions.designs import DesignRepository
from tests.docs.reader import WORKSPACE, Reader


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a reader who has done one command; each command is done once."""

    @cache
    def folder_after(command: str) -> Path:
        folder = tmp_path_factory.mktemp("prepared")
        Reader(folder, folder_after).expect(command, 0, "before")
        return folder

    return folder_after


@pytest.fixture
def accepted(prepared: Callable[[str], Path]) -> DesignRepository:
    """A workspace with one accepted design."""
    return DesignRepository(prepared("glia run smoke --max-experiments 3 --seed 0") / WORKSPACE)
