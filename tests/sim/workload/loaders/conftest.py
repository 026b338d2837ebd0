from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
BURSTGPT = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
BURSTGPT_2 = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
VIDUR = "arrived_at,num_prefill_tokens,num_decode_tokens\n"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes], str]:
    """Writes a file and returns its path."""

    def write(content: str | bytes) -> str:
        path = tmp_path / "trace"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write
