"""The node's side of a save or a load: a session's variables, over a connection to its kernel's broker.

    exchange = Exchange()
    async with exchange.offered(SaveErrand(state, cell)) as save:     # save.ticket is good for one connection
        ...                             # the kernel is asked to save, and comes to the broker with the ticket
    save.manifest                       # what is stored now; None: the save did not succeed

    async with exchange.offered(LoadErrand(state, manifest)) as load: ...

For a save, the kernel tells the chunks of which its variables consist, and then sends those that are not
stored yet. For a load it gets all of them. What the bytes mean is known in the kernel only.

    the kernel                                          the node
    {"op": "save", "ticket": T}                         {"ok": true, "room": bytes}
    {"buffers": [[[digest, size], ...], ...],
     "meta": {...}}                                     {"ok": true, "missing": [index, ...]}
    the bytes of the missing chunks                     {"ok": true}

    {"op": "load", "ticket": T}                         {"ok": true, "cell": 12, "meta": {...},
                                                         "buffers": [size, ...]}, then all bytes

A refusal is {"ok": false, "message": "a sentence"}.

The kernel is hostile. Each connection is served by a thread of its own, so a kernel that sends or takes its
bytes slowly, or whose disk is slow, costs the event loop nothing. Each step has a limit of time and size.
Leaving the block cuts the connection and waits for the thread: nothing is stored after that.
"""

import asyncio
import hmac
import json
import logging
import secrets
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, ClassVar

import msgspec

from kernels.concurrency.cancellation import to_the_end
from kernels.concurrency.threads import in_thread
from kernels.state.errors import StateBusy, StateDamaged, StateError, StateFull
from kernels.state.manifest import Buffers, Chunk, Manifest, Meta, buffers_from_json, distinct
from kernels.state.session_state import SessionState
from kernels.workspace.copies.listing import FileState

__all__ = ["Errand", "Exchange", "LoadErrand", "SaveErrand"]

STEP = 60.0  # seconds for one step: a line, or all bytes one way
LONGEST_LIST = 2 << 20  # bytes of the line that lists the chunks
LONGEST_META = 256 << 10  # bytes of what it says of the variables
MOST_BRACKETS = 60_000  # in that line: one for each chunk and each buffer, of which 20,000 are allowed
PIECE = 256 << 10  # bytes of a line that are received at a time
SENT_AHEAD = 1 << 20  # bytes on their way to a kernel
CUT = "the connection was cut"

log = logging.getLogger(__name__)


class Errand(ABC):
    """What a kernel may do over one connection: it is known by its `ticket`, which counts once.

    `refused` says why it cannot be done just now, which may pass: the disk refuses or is full, another
    program saves, or there is no thread for it.
    """

    op: ClassVar[str]

    def __init__(self, state: SessionState, *, step: float = STEP) -> None:
        self.ticket = secrets.token_urlsafe(24)
        self.refused: Exception | None = None
        self._state = state
        self._step = step
        self._peer: socket.socket | None = None
        self._work: asyncio.Future[None] | None = None

    async def serve(self, peer: socket.socket) -> None:
        """Carry the errand out over this connection, which the caller closes. Raises nothing of its own."""
        self._peer = peer
        self._work = asyncio.ensure_future(in_thread(self._run, _KernelLine(peer, self._step)))
        try:
            await asyncio.shield(self._work)
        except OSError as error:  # the system refuses a thread: the kernel sees an early end
            self.refused = error
        finally:
            await self.end()

    async def end(self) -> None:
        """Cut the connection, and wait until nothing is written or read any more."""
        if self._work is not None and not self._work.done():
            assert self._peer is not None
            with suppress(OSError):  # the kernel has cut it
                self._peer.shutdown(socket.SHUT_RDWR)  # which wakes the thread up
            with suppress(OSError):
                await to_the_end(self._work)

    def _run(self, line: "_KernelLine") -> None:
        """In a thread: carry it out, and tell the kernel if it fails."""
        try:
            self._carry_out(line)
        except _PeerGoneError:
            pass  # its own loss
        except (_BadRequestError, StateError) as error:
            passes = isinstance(error, StateBusy) or (isinstance(error, StateFull) and error.limit != "quota")
            self.refused = error if passes else None
            line.tell({"ok": False, "message": str(error)})
        except Exception as error:  # the kernel reads one sentence, and our log has the reason
            self.refused = error
            trace, ids = not isinstance(error, OSError), {"session": self._state.session_id}
            log.warning("a %s of variables failed: %r", self.op, error, exc_info=trace, extra=ids)
            line.tell({"ok": False, "message": "the variables cannot be stored or read right now"})

    @abstractmethod
    def _carry_out(self, line: "_KernelLine") -> None:
        """Do the work, in a thread."""


class SaveErrand(Errand):
    """Store a session's variables as they are after `cell`; then `manifest` says what is stored.

    `files` lists the workspace's files then, in the errand's thread, while the kernel is still at work.
    """

    op = "save"

    def __init__(
        self,
        state: SessionState,
        cell: int,
        *,
        files: Callable[[], Iterable[FileState]] = tuple,
        step: float = STEP,
    ) -> None:
        super().__init__(state, step=step)
        self.manifest: Manifest | None = None
        self._cell = cell
        self._files = files

    def _carry_out(self, line: "_KernelLine") -> None:
        line.say({"ok": True, "room": self._state.room()})
        files = self._files()
        buffers, meta = _listed(line.read_line(LONGEST_LIST))
        with self._state.writing() as writing:
            missing = self._state.missing(buffers)
            chunks = [Chunk(digest, size) for digest, size in distinct(buffers).items()]
            line.say({"ok": True, "missing": missing})
            line.begin_step()
            for index in missing:
                writing.receive(chunks[index], line.fill)
            self.manifest = writing.commit(self._cell, buffers, meta, files=files)
            # Before older saves are deleted, which may take as long. A kernel that has gone must not prevent
            # that: it would keep them all.
            line.tell({"ok": True})


class LoadErrand(Errand):
    """Give a kernel the variables of `manifest`; `damaged` says that some of them are not what was saved."""

    op = "load"

    def __init__(self, state: SessionState, manifest: Manifest, *, step: float = STEP) -> None:
        super().__init__(state, step=step)
        self.damaged = False
        self._manifest = manifest

    @property
    def broken(self) -> bool:
        """Whether the kernel did not get all of it, for whatever reason."""
        return self.damaged or self.refused is not None

    def _carry_out(self, line: "_KernelLine") -> None:
        saved = self._manifest
        sizes = [sum(chunk.size for chunk in buffer) for buffer in saved.buffers]
        line.send_ahead()
        line.say({"ok": True, "cell": saved.cell, "meta": saved.meta.to_json(), "buffers": sizes})
        line.begin_step()
        try:
            for piece in self._state.read(saved):
                line.send(piece)
        except (StateError, OSError) as error:
            self.damaged = isinstance(error, StateDamaged)
            self.refused = None if self.damaged else error
            ids = {"session": self._state.session_id}
            log.warning("the variables saved after cell %d cannot be read: %s", saved.cell, error, extra=ids)
            raise _PeerGoneError from error  # words would look like bytes to the kernel: it sees an early end


class Exchange:
    """The errands of one session's kernel, one at a time; see the module's text."""

    def __init__(self) -> None:
        self._offered: Errand | None = None

    @asynccontextmanager
    async def offered[E: Errand](self, errand: E) -> AsyncIterator[E]:
        """While entered, the kernel may carry this errand out, once."""
        self._offered = errand
        try:
            yield errand
        finally:
            self._offered = None
            await errand.end()

    def take(self, request: dict[str, Any]) -> Errand | None:
        """The errand for which this request of a kernel has the ticket; None, as for a second time."""
        errand, ticket = self._offered, request.get("ticket")
        if errand is None or request.get("op") != errand.op or not isinstance(ticket, str):
            return None
        if not hmac.compare_digest(ticket.encode("utf-8", "replace"), errand.ticket.encode()):
            return None
        self._offered = None
        return errand


class _PeerGoneError(Exception):
    """The kernel has gone, or took longer than it may."""


class _BadRequestError(Exception):
    """What the kernel says makes no sense; the text of this exception is the answer."""


class _KernelLine:
    """The connection to a kernel, as a thread uses it: each step has a time."""

    def __init__(self, peer: socket.socket, seconds: float) -> None:
        self._peer = peer
        self._seconds = seconds
        self.begin_step()

    def begin_step(self) -> None:
        """From now on another step takes its time."""
        self._until = monotonic() + self._seconds

    def say(self, answer: dict[str, Any]) -> None:
        """Send a line. Raises: _PeerGoneError."""
        self.begin_step()
        self.send(json.dumps(answer, separators=(",", ":")).encode() + b"\n")

    def tell(self, answer: dict[str, Any]) -> None:
        """Send a line to whoever may have gone."""
        with suppress(_PeerGoneError):
            self.say(answer)

    def send_ahead(self) -> None:
        """Have room for bytes that the kernel has still to receive, so that one waits less for the other."""
        with suppress(OSError):  # it is only quicker
            self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_AHEAD)

    def send(self, data: bytes | memoryview) -> None:
        """Send bytes. Raises: _PeerGoneError."""
        try:
            self._wait_at_most()
            self._peer.sendall(data)
        except OSError as error:
            raise _PeerGoneError from error

    def read_line(self, most: int) -> bytearray:
        """A line, without its end. Raises: _PeerGoneError; _BadRequestError for a longer one."""
        self.begin_step()
        line, piece = bytearray(), memoryview(bytearray(PIECE))
        while not line.endswith(b"\n"):
            count = self._receive(piece)
            line += piece[:count]
            if len(line) > most or piece[: count - 1].tobytes().find(b"\n") >= 0:
                raise _BadRequestError(f"that is not one line of at most {most} bytes")
        return line

    def fill(self, rest: memoryview) -> None:
        """Receive as many bytes as there is room for. Raises: _PeerGoneError."""
        while rest:
            rest = rest[self._receive(rest) :]

    def _receive(self, buffer: memoryview) -> int:
        try:
            self._wait_at_most()
            count = self._peer.recv_into(buffer)
        except OSError as error:
            raise _PeerGoneError from error
        if not count:
            raise _PeerGoneError(CUT)
        return count

    def _wait_at_most(self) -> None:
        left = self._until - monotonic()
        if left <= 0:
            raise TimeoutError
        self._peer.settimeout(left)


class _List(msgspec.Struct):
    """The line in which a kernel lists its chunks."""

    buffers: list[list[tuple[str, int]]]
    meta: msgspec.Raw


def _listed(line: bytearray) -> tuple[Buffers, Meta]:
    """The chunks of each buffer, and what a kernel says of its variables.

    Raises: _BadRequestError, StateDamaged.
    """
    if line.count(b"[") > MOST_BRACKETS:
        raise _BadRequestError("those are too many chunks")
    try:
        said = msgspec.json.decode(line, type=_List)
        if len(said.meta) > LONGEST_META:
            raise _BadRequestError(f"what it says of the variables is over {LONGEST_META} bytes")
        return buffers_from_json(said.buffers), Meta.from_json(json.loads(bytes(said.meta)))
    except (ValueError, RecursionError) as error:
        raise _BadRequestError("that is no list of chunks") from error
