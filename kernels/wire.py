"""The sockets of one kernel, read by one task.

    wire = Wire(connection_info, context, session, receive)
    async with wire:
        message_id = wire.send("shell", "execute_request", {...})

`receive` is called for each message, in order, with None for one that cannot be parsed; it must not raise. The sockets are read when they become readable (their descriptor, edge-triggered: everything is
taken until they are empty), without polling and without a thread; jupyter_client's own async client costs 0.8 ms a
cell more. There is no heartbeat channel: the process's exit is seen elsewhere.
"""

import asyncio
import contextlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import zmq
from jupyter_client.session import Session

__all__ = ["Message", "Wire"]

SOCKETS = {"iopub": zmq.SUB, "shell": zmq.DEALER, "stdin": zmq.DEALER, "control": zmq.DEALER}
RECONNECT = 10  # ms between attempts, until the kernel has bound its sockets; libzmq's own default is 100
QUEUE = 1000  # messages that libzmq keeps for us; beyond it the kernel waits (XPUB_NODROP is set in it)
BATCH = 50  # messages taken in one go before other tasks get their turn
DELIMITER = b"<IDS|MSG>"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a kernel: where it came, what it is, which request of ours it answers, and what it says."""

    channel: str
    kind: str
    parent_id: str
    content: Any
    metadata: Any


class Wire:
    """All channels of one kernel. `context` is the process's one zmq context, `session` signs with the kernel's key."""

    def __init__(
        self,
        connection: dict[str, Any],
        context: zmq.Context[zmq.Socket[bytes]],
        session: Session,
        receive: Callable[[Message | None], None],
    ) -> None:
        self._session = session
        self._receive = receive
        self._readable = asyncio.Event()
        self._quiet = asyncio.Event()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        for channel, kind in SOCKETS.items():
            socket = self._sockets[channel] = context.socket(kind)
            socket.linger = 0
            socket.reconnect_ivl = RECONNECT
            socket.rcvhwm = QUEUE
            if kind == zmq.SUB:
                socket.subscribe(b"")
            else:
                socket.identity = session.bsession
            socket.connect(f"{connection['transport']}://{connection['ip']}-{connection[f'{channel}_port']}")

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for socket in self._sockets.values():
            loop.add_reader(socket.fileno(), self._readable.set)
        self._readable.set()
        self._reader = asyncio.create_task(self._read(), name="kernel reader")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        for socket in self._sockets.values():
            asyncio.get_running_loop().remove_reader(socket.fileno())
            socket.close()

    def send(
        self, channel: str, kind: str, content: dict[str, Any], metadata: dict[str, Any] | None = None
    ) -> str:
        """Send a request, without waiting; returns its message id, which the answers carry as their parent."""
        message = self._session.msg(kind, content, metadata=metadata)
        self._session.send(self._sockets[channel], message)
        self._readable.set()  # sending can use up the descriptor's edge
        return str(message["header"]["msg_id"])

    async def drained(self) -> None:
        """Returns when all that has arrived by now was received."""
        self._quiet.clear()
        self._readable.set()
        await self._quiet.wait()

    async def _read(self) -> None:
        while True:
            await self._readable.wait()
            self._readable.clear()
            while self._take():
                await asyncio.sleep(0)  # a flood: let the others have their turn
            self._quiet.set()

    def _take(self) -> bool:
        """Receive at most `BATCH` messages of each channel; returns whether there may be more."""
        more = False
        for channel, socket in self._sockets.items():
            for _ in range(BATCH):
                try:
                    frames = socket.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                self._receive(self._parse(channel, frames))
            else:
                more = True
        return more

    def _parse(self, channel: str, frames: list[bytes]) -> Message | None:
        """The message in `frames` (https://jupyter-client.readthedocs.io/en/stable/messaging.html#wire-protocol)."""
        try:
            signature, header, parent, metadata, content = frames[frames.index(DELIMITER) + 1 :][:5]
            signed: bytes = self._session.sign([header, parent, metadata, content])
            if not hmac.compare_digest(signature, signed):
                raise ValueError("bad signature")
            parsed, parent_header = json.loads(header), json.loads(parent)
            kind, parent_id = parsed["msg_type"], parent_header.get("msg_id", "")
            if not isinstance(kind, str) or not isinstance(parent_id, str):
                raise TypeError("the message's type or its parent is not text")
            return Message(channel, kind, parent_id, json.loads(content), json.loads(metadata))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None
