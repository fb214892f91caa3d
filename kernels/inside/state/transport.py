"""Takes a saved state to the node, and fetches it, over a connection to the broker.

    with Sending(ticket, bounds) as sending:
        sending.room                            # bytes that it may add to what the node has
        sending.send(chunked(buffers, check), meta)
    fetched = fetch(ticket, bounds)             # None if nothing is saved

A state is some buffers, the first of them the pickled stream. They travel as chunks, which are named by their
digests, and only those that the node does not have. Nothing is copied.
"""

import json
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from xxhash import xxh3_128

from ..files import request_socket
from .bounds import WorkBounds

__all__ = [
    "CHUNK",
    "LONGEST_LIST",
    "MOST_CHUNKS",
    "Buffer",
    "Fetched",
    "Sending",
    "StateRefused",
    "chunked",
    "fetch",
]

CHUNK = 1 << 20  # bytes
# Of a buffer with so many bytes, chunks are larger: files of 1 MiB take the node half as much time again.
# Only a buffer's size decides, so that equal ones have equal chunks.
LARGE, LARGE_CHUNK = 8 << 20, 4 << 20
MOST_CHUNKS = 20_000  # of a state, counted as often as they occur; also its most buffers
LONGEST_LIST = 2 << 20  # bytes of the line that names the chunks
SENT_AHEAD = (
    1 << 20
)  # bytes that the node has still to receive: with 200 KiB, the two wait for each other often
LONGEST_ANSWER = (
    1 << 20
)  # bytes of a line of the node: a list of chunks' numbers, or what it knows of a state
PIECE = 64 << 10  # bytes that are received at once of such a line


class StateRefused(Exception):
    """The node does not take the state, or does not give it; the text says why."""


@dataclass(frozen=True)
class Buffer:
    """One buffer in chunks: the bytes of each, and its digest."""

    pieces: tuple[memoryview, ...]
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Fetched:
    """A state as of the end of `cell`. `buffers` are the stream and what is beside it."""

    cell: int
    meta: dict[str, Any]
    buffers: list[bytearray]


def chunked(buffers: Iterable[Any], check: Callable[[], None]) -> list[Buffer]:
    """The buffers' chunks. `check` is called before each chunk, and may raise to end it."""
    found = []
    for buffer in buffers:
        view = memoryview(buffer).cast("B") if memoryview(buffer).nbytes else memoryview(b"")
        size = CHUNK if len(view) < LARGE else LARGE_CHUNK
        pieces = tuple(view[start : start + size] for start in range(0, len(view), size))
        found.append(Buffer(pieces, tuple(_digests(pieces, check))))
    return found


def _digests(pieces: Sequence[memoryview], check: Callable[[], None]) -> Iterator[str]:
    for piece in pieces:
        check()
        yield xxh3_128(piece).hexdigest()


class Sending:
    """One save on its way to the node. See the module's text.

    Raises: StateRefused; OSError if the node cannot be reached; what `bounds` raises.
    """

    def __init__(self, ticket: str, bounds: WorkBounds) -> None:
        self._bounds = bounds
        self._line = _Line(request_socket.connection())
        try:
            self.room = int(self._ask({"op": "save", "ticket": ticket})["room"])
        except BaseException:  # also an interrupt: the connection must not stay open
            self._line.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()

    def send(self, buffers: Sequence[Buffer], meta: dict[str, Any]) -> None:
        """Send what the node does not have; once this returns, the node has the state for good."""
        named = [
            [[digest, len(piece)] for digest, piece in zip(buffer.digests, buffer.pieces, strict=True)]
            for buffer in buffers
        ]
        missing = self._ask({"buffers": named, "meta": meta})["missing"]
        unique: dict[str, memoryview] = {}
        for buffer in buffers:
            for digest, piece in zip(buffer.digests, buffer.pieces, strict=True):
                unique.setdefault(digest, piece)
        pieces = list(unique.values())
        for number in missing:
            self._bounds.check()
            self._line.send_bytes(pieces[number], self._bounds.left())
        _need(self._line.answer(self._bounds.left()))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._line.ask(request, self._bounds.left())


def fetch(ticket: str, bounds: WorkBounds) -> Fetched | None:
    """The newest state; None if there is none.

    Raises: StateRefused; OSError if the node cannot be reached; what `bounds` raises.
    """
    line = _Line(request_socket.connection())
    try:
        line.send({"op": "load", "ticket": ticket}, bounds.left())
        answer = line.answer(bounds.left())
        if not answer.get("ok") and answer.get("none"):
            return None
        _need(answer)
        buffers = []
        for size in answer["buffers"]:
            buffers.append(buffer := bytearray(size))
            line.fill(buffer, bounds)
        return Fetched(int(answer["cell"]), answer["meta"], buffers)
    finally:
        line.close()


class _Line:
    """A connection for lines of JSON, and bytes in between. Times are in seconds."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        with suppress(OSError):  # it is only quicker
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_AHEAD)
        self._rest = b""  # what was received after the last line

    def close(self) -> None:
        self._socket.close()

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer to a request. Raises: StateRefused."""
        self.send(request, seconds)
        answer = self.answer(seconds)
        _need(answer)
        return answer

    def send(self, request: dict[str, Any], seconds: float) -> None:
        line = json.dumps(request).encode() + b"\n"
        if len(line) > LONGEST_LIST:
            raise StateRefused("it is in too many pieces")
        self.send_bytes(line, seconds)

    def send_bytes(self, data: bytes | memoryview, seconds: float) -> None:
        self._socket.settimeout(seconds)
        self._socket.sendall(data)

    def answer(self, seconds: float) -> dict[str, Any]:
        """The next line. Raises: OSError."""
        self._socket.settimeout(seconds)
        line = bytearray(self._rest)
        while b"\n" not in line:
            piece = self._socket.recv(PIECE)
            if not piece or len(line) > LONGEST_ANSWER:
                raise ConnectionError("the connection ended before the answer")
            line += piece
        told, _, rest = line.partition(b"\n")
        self._rest = bytes(rest)
        try:
            answer = json.loads(told)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ConnectionError("the answer cannot be read")
        return answer

    def fill(self, buffer: bytearray, bounds: WorkBounds) -> None:
        """Receive as many bytes as there is room for. Raises: OSError; what `bounds` raises."""
        view = memoryview(buffer)
        first = self._rest[: len(view)]
        view[: len(first)], self._rest = first, self._rest[len(first) :]
        view = view[len(first) :]
        while view:
            bounds.check()
            self._socket.settimeout(bounds.left())
            count = self._socket.recv_into(view)
            if not count:
                raise ConnectionError("the connection ended before the last byte")
            view = view[count:]


def _need(answer: dict[str, Any]) -> None:
    if not answer.get("ok"):
        raise StateRefused(str(answer.get("message") or "the node does not say why"))
