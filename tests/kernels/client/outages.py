"""A network in front of a node that can be cut: either nothing answers, or nothing gets through."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.contract.conftest import free_port


class Network:
    """Forwards connections from its own port to the node's; created by `network`."""

    def __init__(self, port: int) -> None:
        self.port = free_port()
        self.to = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def up(self) -> None:
        """Accept connections."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def down(self) -> None:
        """Cut every connection, and refuse new ones."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError):
            there, to_there = await asyncio.open_connection("127.0.0.1", self.to)
            self._writers.add(to_there)
            await asyncio.gather(self._pass(reader, to_there), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()
        self._writers.discard(writer)


@asynccontextmanager
async def network(port: int) -> AsyncIterator[Network]:
    """The network in front of the node on this loopback port."""
    between = Network(port)
    await between.up()
    try:
        yield between
    finally:
        await between.down()
