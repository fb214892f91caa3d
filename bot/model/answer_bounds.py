"""Reads what a model's server sends within bounds: it may be anybody's, and all people share our event loop.

    openai.DefaultAsyncHttpxClient(headers=AS_IT_IS, event_hooks={"response": [AnswerBounds().apply]})

An event or an answer that is too large is a broken connection for the client. An answer must not be
compressed: 160 kB of gzip can hold 160 MB without a line break, for which the client took 46 s of the loop.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2

__all__ = ["AS_IT_IS", "AnswerBounds"]

AS_IT_IS = {"Accept-Encoding": "identity"}
EVENT = 2 << 20  # bytes without an empty line; the last event of Responses has all words and thoughts again
ANSWER = 128 << 20  # bytes; each word is an event of some 300 bytes
ENDS = (b"\n\n", b"\r\r", b"\r\n\r\n")  # of an event
LONGEST_END = 4


@dataclass(frozen=True)
class AnswerBounds:
    """The most bytes of one event, and of one answer."""

    event: int = EVENT
    answer: int = ANSWER

    async def apply(self, response: httpx2.Response) -> None:
        """Have the body be read within the bounds. Raises: RemoteProtocolError for one that is compressed.

        Reading it then raises RemoteProtocolError for one that is too large.
        """
        coding = response.headers.get("Content-Encoding", "").strip().lower()
        if coding not in ("", "identity"):
            raise httpx2.RemoteProtocolError(f"the server compresses its answers ({coding:.20})")
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _BoundedStream(response.stream, self)


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, bounds: AnswerBounds) -> None:
        self._stream = stream
        self._bounds = bounds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        answer = event = 0
        before = b""  # the last bytes, among which an event's end may have begun
        async for piece in self._stream:
            answer += len(piece)
            seen = before + piece
            end = max(seen.rfind(mark) for mark in ENDS)
            event = event + len(piece) if end < 0 else len(seen) - end
            if event > self._bounds.event or answer > self._bounds.answer:
                raise httpx2.RemoteProtocolError("the server's answer is too large")
            before = seen[1 - LONGEST_END :]
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
