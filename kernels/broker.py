"""The broker: gives the code in a kernel its person's stored files, on request.

    async with Broker(source) as broker:
        ...     # the kernel inherits broker.request_socket, over which load_file("k7m3q9x2va") asks

The request socket is one end of a pair of datagram sockets. Any byte that is sent over it asks for a
connection: the broker answers with one end of a new pair of stream sockets. Over that goes one request, a
line of JSON, and its answer, another:

    {"op": "open", "file": "k7m3q9x2va"}    {"ok": true, "file_id": ..., "size": 4}, then `size` bytes
    {"op": "path", "file": "k7m3q9x2va"}    {"ok": true, "name": "data.csv"}, placed in the workspace
    {"op": "list"}                          {"ok": true, "files": [{"file_id": ...}, ...]}
    {"op": ..., "ticket": ...}              to save or load variables: see `kernels.state.exchange`
    anything else, or a refusal             {"ok": false, "missing": bool, "message": "a sentence"}

A stored file is sent as bytes, never as a descriptor. With a descriptor a kernel could open the file again
for writing through /proc/self/fd, since in most tiers it runs as the file's owner, and could change its mode
and dates in any case. The bytes that are sent count as the kernel's own memory.

Who asks is decided by the request socket, never by what the request says: the `FileSource` behind the socket
knows its person. No socket has a path, so no other process can connect to it or put a link in its place. The
peer is hostile: its connection has limits of size and time, few are served at once, and nothing that it does
raises an exception here.
"""

import asyncio
import json
import logging
import socket
import sys
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Protocol, Self

from kernels.concurrency.cancellation import to_the_end
from kernels.concurrency.threads import in_thread
from kernels.descriptors import OutOfDescriptors, leaves_spare, refuse_descriptors

LONGEST_REQUEST = 64 * 1024  # bytes, its newline included
LONGEST_NAME = 1024  # characters of a file's id or name
AT_ONCE = 16  # connections served at a time; further requests wait
FILES_AT_ONCE = 2  # files sent or placed at a time; a node has a copy of each on its disk meanwhile
BOT_TIME = 15.0  # seconds that a node waits for the bot, which has the store
PIECE = 1 << 20  # bytes of a file that are in our memory at a time
PAUSE = 0.1  # seconds until we try again to get descriptors

# macOS only has SOCK_DGRAM, with which a kernel could also send to any socket of the machine that has a path.
SOCKET_TYPE = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM

logger = logging.getLogger(__name__)


class FileUnavailable(Exception):
    """The person cannot have this file; `message` is the sentence that they read.

    `number` is the errno of what their code gets, such as EDQUOT without room for it; 0 says that there is no
    such file.
    """

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.message, self.number = message, number

    @classmethod
    def absent(cls, wanted: str) -> Self:
        """The one answer for what is expired, foreign or was never there."""
        return cls(f"no file {wanted}: it expired, or is not yours")


@dataclass(frozen=True)
class Opened:
    """A stored file, open at its start; `size` in bytes. The broker closes `file`."""

    file_id: str
    filename: str
    file_type: str
    size: int
    file: BinaryIO


@dataclass(frozen=True)
class FileRow:
    """A stored file in a list; `size` in bytes, the dates ISO 8601 with a time zone."""

    file_id: str
    filename: str
    file_type: str
    size: int
    source: str
    uploaded_at: str
    expires_at: str


class FileSource(Protocol):
    """The files of one person, as the broker asks for them. `wanted` is an id or a name from hostile code."""

    async def open(self, wanted: str) -> Opened:
        """The file. Raises: FileUnavailable when the person has no such file."""

    async def place(self, wanted: str) -> str:
        """Put the file into the workspace, unseen by capture; returns its name. Raises: FileUnavailable."""

    async def list(self) -> Sequence[FileRow]:
        """The files that the person can load, newest first."""


class KernelErrand(Protocol):
    """What else a kernel does over a connection; see `kernels.state.exchange`."""

    async def serve(self, peer: socket.socket) -> None:
        """Use the connection, whose first line was read; it is closed after that."""


class KernelErrands(Protocol):
    """The errands for which a kernel has tickets."""

    def take(self, request: dict[str, Any]) -> KernelErrand | None:
        """The errand of a request, to be served at once; None if the request has no ticket that counts."""


@dataclass(frozen=True)
class BrokerTimes:
    """How long a broker waits, in seconds."""

    asking: float = 5.0  # for a request to arrive whole, and for its answer to be taken
    answering: float = 30.0  # for the store; more than `turn` and BOT_TIME together: each gives its reason
    turn: float = 10.0  # that a file waits for those before it
    listing: float = 0.05  # between two lists, each of which takes the bot 5 ms of processor time
    taking: float = 60.0  # for a kernel to take a file's bytes; 50 MiB usually take 0.05 s


class Broker:
    """Serves one kernel's requests while entered. The kernel's process inherits `request_socket`."""

    def __init__(
        self, source: FileSource, times: BrokerTimes | None = None, errands: KernelErrands | None = None
    ) -> None:
        self._source = source
        self._errands = errands
        self._times = times or BrokerTimes()
        self._free = asyncio.Semaphore(AT_ONCE)
        self._files = asyncio.Semaphore(FILES_AT_ONCE)
        self._lists = asyncio.Lock()
        self._next_list = 0.0  # when the next list may be asked for, in the loop's time
        self._tasks: set[asyncio.Task[None]] = set()
        self._told = False  # it was logged that a request failed
        self._requests, self.request_socket = socket.socketpair(socket.AF_UNIX, SOCKET_TYPE)
        refuse_descriptors(self._requests)
        self._requests.setblocking(False)

    async def __aenter__(self) -> Self:
        self._start(self._listen(), self._requests)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.request_socket.close()

    def _start(self, work: Coroutine[Any, Any, None], own: socket.socket) -> None:
        """Run `work` and then close its `own` socket, even if it is cancelled before its first step."""

        def over(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            own.close()
            self._free.release()

        task = asyncio.create_task(work, name="file broker")
        self._tasks.add(task)
        task.add_done_callback(over)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._free.acquire()
            request = b""
            with suppress(OSError):
                request = await loop.sock_recv(self._requests, 1)
            if not request:  # the kernel has closed its end, or connected it elsewhere
                return
            ours, theirs = await _connection()
            ours.setblocking(False)
            self._start(self._serve(ours), ours)
            with theirs, suppress(OSError):  # it asks and does not receive the answer: its own loss
                socket.send_fds(self._requests, [b"."], [theirs.fileno()])

    async def _serve(self, peer: socket.socket) -> None:
        # OSError: the peer has gone, or sends or receives nothing: its own loss.
        with suppress(OSError), ExitStack() as held:
            async with asyncio.timeout(self._times.asking):
                line = await _read_line(peer)
            if (errand := self._errand(line)) is not None:
                await errand.serve(peer)
                return
            answer, opened = await self._answer(line, held)
            async with asyncio.timeout(self._times.asking):
                await asyncio.get_running_loop().sock_sendall(peer, json.dumps(answer).encode() + b"\n")
            if opened is not None:
                async with asyncio.timeout(self._times.taking):
                    await _send_bytes(peer, opened)

    def _errand(self, line: bytes) -> KernelErrand | None:
        """The errand that a request has the ticket for, if it is not for files."""
        if self._errands is not None:
            with suppress(_BadRequest):  # which is answered as any other
                return self._errands.take(_parse(line))
        return None

    async def _answer(self, line: bytes, held: ExitStack) -> tuple[dict[str, Any], Opened | None]:
        """The answer to a request, and the file whose bytes follow it, which `held` closes."""
        try:
            async with asyncio.timeout(self._times.answering):
                return await self._perform(_parse(line), held)
        except _BadRequest as bad:
            return _refusal(str(bad)), None
        except FileUnavailable as refusal:
            if refusal.number:
                return _refusal(refusal.message) | {"errno": refusal.number}, None
            return _refusal(refusal.message, missing=True), None
        except Exception as error:  # the kernel reads one sentence, and our log has the reason
            level = logging.DEBUG if self._told else logging.WARNING  # a cell can cause them without end
            trace = not isinstance(error, OSError)
            logger.log(level, "A kernel's request for files failed (said once): %r", error, exc_info=trace)
            self._told = True
        return _refusal("the files cannot be reached right now: try again in a moment"), None

    async def _perform(
        self, request: dict[str, Any], held: ExitStack
    ) -> tuple[dict[str, Any], Opened | None]:
        if request.get("op") == "list":
            return {"ok": True, "files": [asdict(row) for row in await self._list()]}, None
        wanted = _wanted(request)
        if request.get("op") not in ("open", "path"):
            raise _BadRequest("the request has an unknown op: it can be open, path or list")
        await self._turn(held)
        if request["op"] == "path":
            return {"ok": True, "name": await self._source.place(wanted)}, None
        opened = await self._source.open(wanted)
        held.enter_context(opened.file)
        told = {"file_id": opened.file_id, "filename": opened.filename, "file_type": opened.file_type}
        return {"ok": True, **told, "size": opened.size}, opened

    async def _list(self) -> Sequence[FileRow]:
        """The list of files. Lists are asked for one after another, and not without a pause."""
        clock = asyncio.get_running_loop().time
        async with self._lists:
            await asyncio.sleep(self._next_list - clock())
            try:
                return await self._source.list()
            finally:
                self._next_list = clock() + self._times.listing

    async def _turn(self, held: ExitStack) -> None:
        """Wait until another file may be sent or placed."""
        try:
            async with asyncio.timeout(self._times.turn):
                await self._files.acquire()
        except TimeoutError:
            raise _BadRequest("other files are still being loaded: try again when that is done") from None
        held.callback(self._files.release)


class _BadRequest(Exception):
    """A malformed request; the text of this exception is the answer."""


def _refusal(message: str, *, missing: bool = False) -> dict[str, Any]:
    return {"ok": False, "missing": missing, "message": message}


async def _connection() -> tuple[socket.socket, socket.socket]:
    """The two ends of a new connection, as soon as there are descriptors for them."""
    waits = False
    while True:
        try:
            return _connected()
        except OSError as error:
            if not waits:
                logger.warning("A kernel's request for files has to wait: %s", error.strerror)
            waits = True
            await asyncio.sleep(PAUSE)  # nothing tells when there is a descriptor again


def _connected() -> tuple[socket.socket, socket.socket]:
    """As `_connection`. All kernels together must leave enough for everything else. Raises: OSError."""
    ours, theirs = socket.socketpair()
    if not all(leaves_spare(end.fileno()) for end in (ours, theirs)):
        ours.close()
        theirs.close()
        raise OutOfDescriptors
    refuse_descriptors(ours)
    return ours, theirs


async def _read_line(peer: socket.socket) -> bytes:
    """All up to the first newline, or what came before the peer stopped or the limit was reached."""
    loop = asyncio.get_running_loop()
    line = bytearray()
    while b"\n" not in line and len(line) < LONGEST_REQUEST:
        chunk = await loop.sock_recv(peer, LONGEST_REQUEST - len(line))
        if not chunk:
            break
        line += chunk
    return bytes(line)


def _parse(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise _BadRequest(f"the request is not one line of at most {LONGEST_REQUEST} bytes")
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, or thousands of levels deep
        request = None
    if not isinstance(request, dict):
        raise _BadRequest("the request is not a JSON object")
    return request


def _wanted(request: dict[str, Any]) -> str:
    wanted = request.get("file")
    if not isinstance(wanted, str) or not wanted:
        raise _BadRequest("a file is named by its id or its name, as text")
    if len(wanted) > LONGEST_NAME:
        raise FileUnavailable.absent(f"{wanted[:20]}...")
    return wanted


async def _send_bytes(peer: socket.socket, opened: Opened) -> None:
    """Send a file's bytes as fast as the peer reads. If some are missing, the peer sees an early end."""
    loop = asyncio.get_running_loop()
    left = opened.size
    while left and (piece := await to_the_end(in_thread(opened.file.read, min(left, PIECE)))):
        await loop.sock_sendall(peer, piece)
        left -= len(piece)
