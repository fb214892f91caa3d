"""The sockets of one kernel, read by one task.

    wire = Wire(connection_info, context, session, receive)
    async with wire:
        message_id = wire.send("shell", "execute_request", {...})

`receive` is called for each message, in order, with None for one that cannot be parsed; it should not
raise. The sockets are read when they become readable (their descriptor, edge-triggered: everything is taken
until they are empty), without polling and without a thread; jupyter_client's own async client costs 0.8 ms
a cell more. There is no heartbeat channel: the process's exit is seen elsewhere.
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

from kernels.finish import stop

__all__ = ["Message", "Wire"]

log = logging.getLogger(__name__)

SOCKETS = {"iopub": zmq.SUB, "shell": zmq.DEALER, "stdin": zmq.DEALER, "control": zmq.DEALER}
RECONNECT = 10  # ms between attempts, until the kernel has bound its sockets; libzmq's own default is 100
QUEUE = 16  # messages that libzmq keeps for us; beyond it the kernel waits (XPUB_NODROP is set in it)
BATCH = 50  # messages of a channel that are taken in one go before other tasks get their turn
BATCH_SIZE = 1 << 20  # bytes, likewise
DRAIN = 0.05  # seconds that the last words of a process may be on their way after its end
LARGEST = 16 << 20  # bytes of one message; a kernel clips what it says to less (`inside.clip`)
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
        self._readable = asyncio.Event()
        self._quiet = asyncio.Event()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Raises: zmq.ZMQError when there are no descriptors left."""
        async with AsyncExitStack() as stack:
            for channel, kind in SOCKETS.items():
                self._sockets[channel] = stack.enter_context(self._context.socket(kind))
                self._connect(channel)
            self._readable.set()
            reader = asyncio.create_task(self._read(), name="kernel reader")
            stack.push_async_callback(stop, reader)
            loop = asyncio.get_running_loop()
            for socket in self._sockets.values():
                loop.add_reader(socket.fileno(), self._readable.set)
                stack.callback(loop.remove_reader, socket.fileno())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def send(self, channel: str, kind: str, content: dict[str, Any]) -> str:
        """Send a request, without waiting; returns its message id, which answers carry as their parent."""
        message = self._session.msg(kind, content)
        self._session.send(self._sockets[channel], message)
        self._readable.set()  # sending can use up the descriptor's edge
        return str(message["header"]["msg_id"])

    async def drained(self) -> None:
        """Returns when all that the ended process sent was received."""
        await asyncio.sleep(DRAIN)  # nothing tells when libzmq's own thread has read the last of it
        self._quiet.clear()
        self._readable.set()
        await self._quiet.wait()

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

    async def _read(self) -> None:
        while True:
            await self._readable.wait()
            self._readable.clear()
            if self._take():
                self._readable.set()
                await asyncio.sleep(0)  # a flood: the others have their turn
            else:
                self._quiet.set()

    def _take(self) -> bool:
        """Receive one batch of each channel; returns whether there may be more."""
        more = False
        for channel, socket in self._sockets.items():
            size = count = 0
            while size < BATCH_SIZE and count < BATCH:
                if not int(socket.get(zmq.EVENTS)) & zmq.POLLIN:
                    break
                frames = socket.recv_multipart()
                size += (length := sum(map(len, frames)))
                count += 1
                try:
                    self._receive(self._parse(channel, frames) if length <= LARGEST else None)
                except Exception:  # a fault of ours with one message must not cost the kernel its reader
                    log.exception("a message of a kernel could not be taken")
            else:
                more = True
        return more

    def _parse(self, channel: str, frames: list[bytes]) -> Message | None:
        """The message in `frames`, or None.

        https://jupyter-client.readthedocs.io/en/stable/messaging.html#wire-protocol
        """
        try:
            signature, header, parent, metadata, content = frames[frames.index(DELIMITER) + 1 :][:5]
            signed: bytes = self._session.sign([header, parent, metadata, content])
            if not hmac.compare_digest(signature, signed):
                return None
            parsed, parent_header = json.loads(header), json.loads(parent)
            kind, parent_id = parsed["msg_type"], parent_header.get("msg_id", "")
            if not isinstance(kind, str) or not isinstance(parent_id, str):
                return None
            return Message(channel, kind, parent_id, json.loads(content), json.loads(metadata))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None
