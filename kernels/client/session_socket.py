"""A session's websocket to its node, and how to get one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
from msgspec.json import decode as decode_plain

from kernels.cell.outputs import stream_output
from kernels.node import messages
from kernels.node.encoding import NotDecoded

__all__ = ["Connect", "SessionSocket"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SessionSocket:
    """A websocket with the id of the node that it leads to. `get` requests a piece of news by its number."""

    socket: aiohttp.ClientWebSocketResponse
    node_id: str
    get: Callable[[int], Awaitable[bytes]]

    async def fetch_news(self, number: int) -> messages.AnyNews:
        """A piece of news that is too large for the websocket. Raises: OSError."""
        text = await self.get(number)
        end = text.find(b"\n")
        news = messages.read_news(text if end < 0 else text[:end])
        outputs: list[dict[str, Any]] = []
        while end >= 0:  # one output after the other: all together are up to 64 MiB
            start, end = end + 1, text.find(b"\n", end + 1)
            outputs.append(_output(text[start:] if end < 0 else text[start:end]))
            await asyncio.sleep(0)  # others have their turn
        if outputs and isinstance(news, messages.CellEnd) and news.result is not None:
            news.result = replace(news.result, outputs=tuple(outputs))
        return news


def _output(text: bytes) -> dict[str, Any]:
    """One output; a line that says so in place of one that cannot be read."""
    try:
        output: dict[str, Any] = decode_plain(text)
    except NotDecoded as error:
        log.error("an output of a cell cannot be read: %s", error)
        return stream_output("stderr", messages.UNREAD)
    return output


# How to connect to a session at the node of this id, or with "" at the one that there is.
# Raises: NodeGone when that node has ended; NodeUnavailable while it does not answer; NodeIncompatible.
Connect = Callable[[str], Awaitable[SessionSocket]]
