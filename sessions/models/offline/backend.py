"""The offline researcher behind the conversation protocol: same stream as a language model's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from sessions.models.base import ModelRequest, Reply, TextPiece
from sessions.models.offline import research, steering, supervising


class OfflineBackend:
    """``pace_s``: seconds between two words of the stream, for reading along; 0 streams at once."""

    name = "offline"
    label = "offline researcher (rule-based, no language model)"
    steering_help = steering.HELP

    def __init__(self, pace_s: float = 0.0) -> None:
        self._pace_s = pace_s

    async def stream(self, request: ModelRequest) -> AsyncIterator[TextPiece | Reply]:
        """Streams the reply word by word. An aside is a request without tools."""
        if request.role == "supervisor":
            reply = supervising.reply(request)
        elif request.tools:
            reply = research.reply(request.messages)
        else:
            reply = research.aside(request.messages)
        for word in re.findall(r"\S+\s*|\s+", reply.text):
            yield TextPiece(word)
            await asyncio.sleep(self._pace_s)
        yield reply
