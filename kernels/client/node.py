"""A node, as `kernels.pool.Pool` is the kernels of this process: see `kernels.client`.

Requests and websockets go to the place that `find` gives. When the node there has ended, the next thing that
is asked for finds the next node, which may have to be started.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from kernels import codec
from kernels.client.ends import Connect, Connected
from kernels.client.kernel import RemoteKernel
from kernels.client.start import Find, Place
from kernels.errors import NodeGone, NodeIncompatible, NodeUnavailable
from kernels.files import FileSource
from kernels.launch import Limits
from kernels.node import PROTOCOL
from kernels.sizes import MESSAGE

__all__ = ["Node"]

log = logging.getLogger(__name__)

CONNECTING = 10.0  # seconds
ENDING, LOOK = 20.0, 0.05  # seconds that a node may take to end its kernels, and between looks
HEARTBEAT = 30.0  # seconds between pings over a network; a Unix socket tells by itself
WRONG_TOKEN = (401, 403)
AGAIN = (0.1, 0.5, 2.0, None)  # seconds before another attempt to find and ask a node of this machine


class Node:
    """All kernels of a node. `python` is the interpreter that kernels run on, as this machine names it."""

    def __init__(
        self, find: Find, *, python: Path, limits: Limits, kernels: Mapping[str, Any] | None = None
    ) -> None:
        self.python = python
        self.limits = limits
        self._find = find
        self._wanted = kernels
        self._place: Place | None = None
        self._http: aiohttp.ClientSession | None = None
        self._id = ""
        self._connecting = asyncio.Lock()
        self._kernels: dict[str, RemoteKernel] = {}

    async def __aenter__(self) -> Self:
        """Raises: NodeUnavailable, NodeIncompatible."""
        await self.connected()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(self.release(session_id) for session_id in list(self._kernels)))
        await self._hang_up()

    def kernel(self, session_id: str, source: FileSource) -> RemoteKernel:
        """The kernel of a session, the same one at each call; `source` gives the cells their stored files."""
        if session_id not in self._kernels:
            self._kernels[session_id] = RemoteKernel(self, session_id, source)
        return self._kernels[session_id]

    @property
    def tier(self) -> str:
        """How kernels are held: "S", "A", "B" or "none"."""
        return str(self._who["tier"])

    async def release(self, session_id: str) -> None:
        """Let go of a session's kernel, which lives on with all that runs in it."""
        kernel = self._kernels.pop(session_id, None)
        if kernel is not None:
            await kernel.detach()

    async def remove(self, session_id: str) -> None:
        """End a session's kernel and delete its workspace. Raises: OSError, KernelError."""
        await self.release(session_id)
        await self.ask("DELETE", f"sessions/{quote(session_id, safe='')}", params={"workspace": "1"})

    async def end(self) -> None:
        """End the node, with all its kernels. Raises: OSError, KernelError when it does not end."""
        await self.connected()
        await self._end()

    # What a kernel needs (KernelNode):

    def connect_to(self, session_id: str) -> Connect:
        """How to get a websocket to this session."""

        async def connect(known: str) -> Connected:
            return await self._channel(f"sessions/{quote(session_id, safe='')}", known)

        return connect

    async def ask(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, data: Any = None
    ) -> bytes:
        """One request; its answer's body. Raises: OSError, KernelError."""
        await self.connected()
        assert self._http is not None
        try:
            async with self._http.request(method, f"kernelcord/{path}", params=params, data=data) as response:
                if response.status >= 400:
                    raise OSError(response.reason or f"HTTP {response.status}")
                return await response.read()
        except aiohttp.ClientError as error:
            await self._hang_up()
            raise OSError(str(error)) from error

    @property
    def local(self) -> bool:
        """Whether the node is on this machine, as a Unix socket tells."""
        return self._place is not None and self._place.unix

    def get(self, path: str) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """A request whose answer is read bit by bit. Raises: NodeUnavailable once the node is gone."""
        if self._http is None:
            raise NodeGone
        return self._http.get(f"kernelcord/{path}")

    async def connected(self, known: str = "") -> str:
        """Be in touch with a node, or with the one of the id `known`; returns its id.

        Raises: NodeGone, NodeUnavailable, NodeIncompatible.
        """
        async with self._connecting:
            if self._http is None:
                await self._meet(start=not known)
                if not known and self._outdated():
                    await self._end()
                    await self._meet(start=True)
            if known not in ("", self._id):
                raise NodeGone
            return self._id

    async def _meet(self, *, start: bool) -> None:
        for pause in AGAIN:
            place = await self._find(start)
            if place is None:
                raise NodeGone
            try:
                await self._greet(place)
                break
            except NodeUnavailable:
                if not (start and place.unix) or pause is None:
                    raise
                await asyncio.sleep(pause)  # it may be ending; then the next one is found or started
        log.info("kernels live in the node of process %s", self._who["pid"])
        if self._who["tier"] == "none":
            log.warning("Kernels run without a sandbox: let nobody in whom you would not give a shell.")

    def _outdated(self) -> bool:
        """Whether the node has other settings than are wanted, and nothing to lose by being replaced."""
        if self._wanted is None or self._who["kernels"] == self._wanted:
            return False
        if self._who["alive"]:
            log.warning("the node that runs has kernels, and keeps its settings: %s", self._who["kernels"])
            return False
        return True

    async def _end(self) -> None:
        assert self._http is not None
        with suppress(aiohttp.ClientError, OSError):  # it is ending already
            async with self._http.post("api/shutdown"):
                pass
        await self._hang_up()
        async with asyncio.timeout(ENDING):
            while await self._find(False) is not None:  # noqa: ASYNC110  its end is told to nobody
                await asyncio.sleep(LOOK)

    async def _greet(self, place: Place) -> None:
        """Ask the node there who it is."""
        connector = (
            aiohttp.UnixConnector(place.address, limit=0) if place.unix else aiohttp.TCPConnector(limit=0)
        )
        http = aiohttp.ClientSession(
            "http://node/" if place.unix else place.address.rstrip("/") + "/",
            connector=connector,
            headers={"Authorization": f"token {place.token}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECTING),
        )
        try:
            async with asyncio.timeout(CONNECTING):
                async with http.get("kernelcord/node") as response:
                    if response.status in WRONG_TOKEN:
                        raise NodeUnavailable("it does not accept our token")
                    response.raise_for_status()
                    who = await response.json(content_type=None)
            if who["protocol"] != PROTOCOL:
                raise NodeIncompatible(who["pid"], newer=who["protocol"] > PROTOCOL)
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
            await http.close()
            raise NodeUnavailable(str(error) or type(error).__name__) from error
        except BaseException:  # whatever ends it, a cancellation too, the connection is not left open
            await http.close()
            raise
        self._http, self._who, self._id, self._place = http, who, who["id"], place

    async def _channel(self, path: str, known: str) -> Connected:
        node_id = await self.connected(known)
        assert self._http is not None
        assert self._place is not None
        heartbeat = None if self._place.unix else HEARTBEAT
        try:
            socket = await self._http.ws_connect(
                f"kernelcord/{path}/channel", max_msg_size=MESSAGE, heartbeat=heartbeat
            )
        except (aiohttp.ClientError, OSError) as error:
            await self._hang_up()
            raise NodeUnavailable(str(error)) from error
        return _Channel(socket, node_id, lambda number: self.ask("GET", f"{path}/log/{number}"))

    async def _hang_up(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.close()


class _Channel:
    """kernels.client.link.Connected."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        node_id: str,
        fetch: Callable[[int], Awaitable[bytes]],
    ) -> None:
        self.socket = socket
        self.node_id = node_id
        self._fetch = fetch

    async def fetch(self, number: int) -> dict[str, Any]:
        """A piece of news by its number. Raises: OSError."""
        told = await self._fetch(number)
        end = told.find(b"\n")
        news = codec.loads(told if end < 0 else told[:end])
        while end >= 0:  # one output after the other: all together are up to 64 MiB
            start, end = end + 1, told.find(b"\n", end + 1)
            news["result"]["outputs"].append(codec.loads(told[start:] if end < 0 else told[start:end]))
            await asyncio.sleep(0)
        return news
