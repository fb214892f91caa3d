"""A scripted kernel: the far ends of a wire, on real sockets, that send whatever they are told to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.session import Session

from kernels.wire.connection import DELIMITER, Message, Wire

KEY = b"0123456789abcdef"


class Received:
    """Keeps the messages it is given, and can be waited for."""

    def __init__(self) -> None:
        self.messages: list[Message | None] = []
        self._more = asyncio.Event()

    def __call__(self, message: Message | None) -> None:
        self.messages.append(message)
        self._more.set()

    async def count(self, number: int) -> None:
        """Wait until there are this many."""
        async with asyncio.timeout(30):
            while len(self.messages) < number:
                self._more.clear()
                await self._more.wait()


class FarEnd:
    """What a kernel is to a wire: its sockets and its key."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], folder: Path) -> None:
        self.session = Session(key=KEY)
        self.connection: dict[str, Any] = {"transport": "ipc", "ip": str(folder / "s")}
        self.sockets: dict[str, zmq.Socket[bytes]] = {}
        kinds = {"iopub": zmq.XPUB, "shell": zmq.ROUTER, "stdin": zmq.ROUTER, "control": zmq.ROUTER}
        for port, (channel, kind) in enumerate(kinds.items(), 1):
            socket = self.sockets[channel] = context.socket(kind)
            socket.linger = 0
            if kind == zmq.XPUB:
                socket.setsockopt(zmq.XPUB_NODROP, 1)
            socket.bind(f"ipc://{folder / 's'}-{port}")
            self.connection[f"{channel}_port"] = port

    def subscribed(self) -> None:
        """Wait for the other end's subscription."""
        assert self.sockets["iopub"].poll(5000)
        self.sockets["iopub"].recv()

    def frames(
        self, content: bytes, *, kind: str = "stream", parent: str = "p", header: bytes = b""
    ) -> list[bytes]:
        """A signed message with this content, which need not be JSON."""
        header = header or json.dumps({"msg_type": kind, "msg_id": "m"}).encode()
        parts = [header, json.dumps({"msg_id": parent}).encode(), b"{}", content]
        return [b"topic", DELIMITER, self.session.sign(parts), *parts]

    def publish(self, *frames: bytes) -> None:
        """Send raw frames on iopub."""
        self.sockets["iopub"].send_multipart(frames)

    def close(self) -> None:
        """Close all sockets."""
        for socket in self.sockets.values():
            socket.close()


@asynccontextmanager
async def wired(
    folder: Path, received: Received | None = None
) -> AsyncIterator[tuple[Wire, FarEnd, Received]]:
    """A wire, its far end, and what was received."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    far, received = FarEnd(context, folder), received or Received()
    try:
        with closing(Wire(far.connection, Session(key=KEY), received)) as wire:
            assert wire.connect()
            await asyncio.to_thread(far.subscribed)
            yield wire, far, received
    finally:
        far.close()
        context.destroy(linger=0)
