"""The sockets of one kernel, read as they become readable.

    wire = Wire(connection_info, context, session, receive)
    async with wire:
        message_id = wire.send("shell", "execute_request", {...})

`receive` is called for each message, in a channel's order, with None for one that cannot be parsed; it
should not raise. The event loop itself reads a socket when its descriptor says so (edge-triggered: everything
is taken until it is empty), without polling, thread or task; jupyter_client's own async client costs 0.8 ms
a cell more. A channel whose messages take long to deal with rests in between: a part of the loop's time is
for the other kernels. There is no heartbeat channel: the process's exit is seen elsewhere.
"""

import asyncio
import hmac
import json
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import zmq
from jupyter_client.session import Session

__all__ = ["Message", "Wire"]

log = logging.getLogger(__name__)

SOCKETS = {"iopub": zmq.SUB, "shell": zmq.DEALER, "stdin": zmq.DEALER, "control": zmq.DEALER}
RECONNECT = 10  # ms between attempts, until the kernel has bound its sockets; libzmq's own default is 100
QUEUE = 16  # messages that libzmq keeps for us; beyond it the kernel waits (XPUB_NODROP is set in it)
POLLIN = int(zmq.POLLIN)  # a plain number: `&` with the enumeration's costs as much as asking the socket
BATCH = 50  # messages of a channel that are taken in one go before other tasks get their turn
BATCH_SIZE = 1 << 20  # bytes, likewise
BATCH_TIME = 0.02  # seconds, likewise; after a longer one the channel rests
REST = 0.25  # of the time that it took; with all of it 300 MB of text took three times as long
DRAIN = 0.05  # seconds that the last words of a process may be on their way after its end
LARGEST = 16 << 20  # bytes of one message; a kernel clips what it says to less (`inside.clip`)
MOST_VALUES = 100_000  # values in the JSON of one part of it, likewise; 5 million cost us 10 s and 500 MB
DELIMITER = b"<IDS|MSG>"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a kernel: where it came, what it is, which request of ours it answers, what it says."""

    channel: str
    kind: str
    parent_id: str
    content: Any
    metadata: Any


class Wire:
    """All channels of one kernel. `context` is the one zmq context, `session` signs with the kernel's key."""

    def __init__(
        self,
        connection: dict[str, Any],
        context: zmq.Context[zmq.Socket[bytes]],
        session: Session,
        receive: Callable[[Message | None], None],
    ) -> None:
        self._connection = connection
        self._context = context
        self._session = session
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._resting: set[str] = set()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Raises: zmq.ZMQError when there are no descriptors left."""
        async with AsyncExitStack() as stack:
            for channel, kind in SOCKETS.items():
                self._sockets[channel] = stack.enter_context(self._context.socket(kind))
                self._connect(channel)
            for channel, socket in self._sockets.items():
                self._loop.add_reader(socket.fileno(), self._take, channel)
                stack.callback(self._loop.remove_reader, socket.fileno())
                self._loop.call_soon(self._take, channel)
            stack.callback(self._sockets.clear)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def send(self, channel: str, kind: str, content: dict[str, Any]) -> str:
        """Send a request, without waiting; returns its message id, which answers carry as their parent."""
        message = self._session.msg(kind, content, metadata={"kernelcord": True})
        self._session.send(self._sockets[channel], message)
        self._loop.call_soon(self._take, channel)  # sending can use up the descriptor's edge
        return str(message["header"]["msg_id"])

    async def drained(self) -> None:
        """Returns when all that the ended process sent was received."""
        await asyncio.sleep(DRAIN)  # nothing tells when libzmq's own thread has read the last of it
        for channel in self._sockets:
            while (rest := self._batch(channel)) is not None:  # noqa: ASYNC110  no wait, but others' turn
                await asyncio.sleep(rest)  # others have their turn

    def _connect(self, channel: str) -> None:
        socket = self._sockets[channel]
        socket.linger = 0
        socket.reconnect_ivl = RECONNECT
        socket.rcvhwm = QUEUE
        socket.maxmsgsize = LARGEST  # of a frame: at the first larger one libzmq gives the connection up
        if socket.type == zmq.SUB:
            socket.subscribe(b"")
        else:
            socket.identity = self._session.bsession
        transport, ip, port = (self._connection[key] for key in ("transport", "ip", f"{channel}_port"))
        socket.connect(f"{transport}://{ip}-{port}")

    def _take(self, channel: str) -> None:
        """Receive one batch of a channel; the next one, if there may be more, when others had their turn."""
        if channel in self._resting:
            return
        rest = self._batch(channel)
        if rest == 0:
            self._loop.call_soon(self._take, channel)
        elif rest is not None:
            self._resting.add(channel)
            self._loop.call_later(rest, self._go_on, channel)

    def _go_on(self, channel: str) -> None:
        self._resting.discard(channel)
        self._take(channel)

    def _batch(self, channel: str) -> float | None:
        """Receive some messages; returns the seconds to leave the channel alone, None when it is empty."""
        socket = self._sockets.get(channel)
        began = self._loop.time()
        size = count = 0
        while socket is not None and int(socket.get(zmq.EVENTS)) & POLLIN:
            took = self._loop.time() - began
            if size >= BATCH_SIZE or count == BATCH or took > BATCH_TIME:
                return REST * took if took > BATCH_TIME else 0
            frames = socket.recv_multipart()
            size += (length := sum(map(len, frames)))
            count += 1
            try:
                self._receive(self._parse(channel, frames) if length <= LARGEST else None)
            except Exception:  # a fault of ours with one message must not cost the kernel its reader
                log.exception("a message of a kernel could not be taken")
        return None

    def _parse(self, channel: str, frames: list[bytes]) -> Message | None:
        """The message in `frames`, or None.

        https://jupyter-client.readthedocs.io/en/stable/messaging.html#wire-protocol
        """
        try:
            signature, header, parent, metadata, content = frames[frames.index(DELIMITER) + 1 :][:5]
            signed: bytes = self._session.sign([header, parent, metadata, content])
            if not hmac.compare_digest(signature, signed):
                return None
            parsed, parent_header = _loads(header), _loads(parent)
            kind, parent_id = parsed["msg_type"], parent_header.get("msg_id", "")
            if not isinstance(kind, str) or not isinstance(parent_id, str):
                return None
            return Message(channel, kind, parent_id, _loads(content), _loads(metadata))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None


def _loads(text: bytes) -> Any:
    """The value of some JSON. Raises: ValueError, RecursionError; also for one of very many values."""
    if len(text) > MOST_VALUES and _crowded(text):
        raise ValueError("too many values")
    return json.loads(text.decode("utf-8", "surrogatepass"))  # of bytes it would guess the encoding


def _crowded(text: bytes) -> bool:
    """Whether some JSON has more than `MOST_VALUES`, as far as the marks between them tell."""
    plain = text.replace(rb"\\", b"").replace(rb"\"", b"")  # so that each quote begins or ends a string
    if plain.count(b'"') > 2 * MOST_VALUES:
        return True
    outside = b"".join(plain.split(b'"')[::2])
    return sum(map(outside.count, (b",", b"[", b"{"))) > MOST_VALUES
