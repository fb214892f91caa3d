"""A node, as `kernels.pool.Pool` is the kernels of this process: see `kernels.client`.

Requests and websockets go to the endpoint that `find` returns. When the node there has ended, the next
request finds the next node, which may have to be started.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from time import monotonic
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from kernels.broker import FileSource
from kernels.client.http_answers import CHANGING, body_of, differing, is_changing, words_for
from kernels.client.kernel import RemoteKernel
from kernels.client.patience import PATIENCE, NodePatience
from kernels.client.session_socket import Connect, SessionSocket
from kernels.client.spawn import Find, NodeEndpoint
from kernels.concurrency.cancellation import stop
from kernels.concurrency.lasting import lasting
from kernels.errors import KernelError, NodeGone, NodeIncompatible, NodeUnavailable
from kernels.limits import Limits
from kernels.node import PROTOCOL
from kernels.node.encoding import NotDecoded, decode
from kernels.node.messages import NodeInfo, NodeVersion
from kernels.node.settings import KernelSettings
from kernels.wire.sizes import MESSAGE

__all__ = ["RemoteNode"]

log = logging.getLogger(__name__)

ENDING, LOOK = 40.0, 0.05  # seconds that a node may take to save and end its kernels, and between looks
ANSWER = 300.0  # seconds without a byte of an answer; a request may delete very much
CLOSING = aiohttp.ClientWSTimeout(ws_close=2.0)  # seconds; a frozen node does not answer a close
WRONG_TOKEN = (401, 403)
AWAY = (0.5, 2.0, 8.0, 30.0)  # seconds between attempts to attend


class RemoteNode:
    """All kernels of a node. `python` is the interpreter that kernels run on, as this machine names it.

    `kernels` are the settings that a node of ours must have (`NodeSettings.kernels`). A node with others is
    replaced, unless it has kernels; `called` has the operator's name of each setting. A node that somebody
    else has started keeps its own settings. For that case `asked_for` has what the operator has set, by its
    name in the node: the operator's name of it, and its value. Settings that the node does not use are
    logged. Of a websocket a message of at most `largest` bytes is taken.
    """

    outlived = True  # a kernel lives on in its node

    def __init__(
        self,
        find: Find,
        *,
        python: Path,
        limits: Limits,
        kernels: KernelSettings | None = None,
        asked_for: Mapping[str, tuple[str, Any]] | None = None,
        called: Mapping[str, str] | None = None,
        patience: NodePatience = PATIENCE,
        largest: int = MESSAGE,
    ) -> None:
        self.python = python
        self.limits = limits
        self.patience = patience
        self.largest = largest
        self._find = find
        self._wanted = kernels
        self._asked_for = {name: value for name, (_, value) in (asked_for or {}).items()}
        self._called = called or {name: known for name, (known, _) in (asked_for or {}).items()}
        self._endpoint: NodeEndpoint | None = None
        self._http: aiohttp.ClientSession | None = None
        self._who: NodeInfo  # since we are connected
        self._id = ""
        self._doubted = False  # whether a request has failed: the node may be gone, or another one by now
        self._meetings: dict[bool, asyncio.Task[None]] = {}  # by whether a node is to be started
        self._reached = asyncio.Event()
        self._attending: asyncio.Task[None] | None = None
        self._kernels: dict[str, RemoteKernel] = {}

    async def __aenter__(self) -> Self:
        """Raises: NodeUnavailable, NodeIncompatible."""
        try:
            await self.connected()
        except BaseException:  # a cancellation, too, leaves no connection open
            await self._hang_up()
            raise
        self._attending = lasting(self._attend, "attendance")
        return self

    async def __aexit__(self, *_: object) -> None:
        async with AsyncExitStack() as stack:  # goes on if one part fails
            stack.push_async_callback(self._hang_up)
            stack.push_async_callback(self._stop_tasks)
            await asyncio.gather(*(self.release(session_id) for session_id in list(self._kernels)))

    async def _stop_tasks(self) -> None:
        await stop(self._attending)
        for meeting in list(self._meetings.values()):  # only now: whoever was released may have begun one
            await stop(meeting)

    def kernel(self, session_id: str, source: FileSource) -> RemoteKernel:
        if session_id not in self._kernels:
            self._kernels[session_id] = RemoteKernel(self, session_id, source)
        return self._kernels[session_id]

    @property
    def tier(self) -> str:
        return self._who.tier

    @property
    def process(self) -> int:
        """The id of the node's process, on its own machine."""
        return self._who.pid

    async def untold(self) -> list[str]:
        """The sessions that have news and no bot; none if there is no node.

        Raises: OSError, KernelError.
        """
        if self._http is None:
            return []
        try:
            return decode(await self.ask("GET", "untold", start=False), list[str])
        except NodeGone:
            return []

    async def release(self, session_id: str) -> None:
        kernel = self._kernels.pop(session_id, None)
        if kernel is not None:
            await kernel.detach()

    async def remove(self, session_id: str, *, keep_state: bool = False) -> None:
        await self.release(session_id)
        params = {"workspace": "1"} | ({"keep_state": "1"} if keep_state else {})
        await self.ask("DELETE", f"sessions/{quote(session_id, safe='')}", params=params)

    async def branch(self, session_id: str, to: str) -> int:
        path, params = f"sessions/{quote(session_id, safe='')}/branch", {"to": to}
        return decode(await self.ask("POST", path, params=params), int)

    async def end(self) -> None:
        """End the node, with all its kernels. Raises: OSError, KernelError if it does not end."""
        await self.connected()
        await self._end()

    # What a kernel needs (KernelNode):

    def connect_to(self, session_id: str) -> Connect:
        return partial(self._session_socket, f"sessions/{quote(session_id, safe='')}")

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Any = None,
        start: bool = True,
    ) -> bytes:
        """Make a request; returns its answer's body. Without `start`, no node is started for it.

        `data` may be a file. It is sent from where it stands, again if need be, and is left open.

        Raises: OSError, KernelError; NodeGone without `start` if there is no node.
        """
        if data is not None and not isinstance(data, bytes):
            data = _LeftOpen(data)
        times = aiohttp.ClientTimeout(total=None, sock_connect=self.patience.connecting, sock_read=ANSWER)
        for last in (False, True):
            await self.connected(start=start)
            assert self._http is not None
            try:
                async with self._http.request(
                    method, f"kernelcord/{path}", params=params, data=data, timeout=times
                ) as response:
                    if response.status != CHANGING or last:
                        return await body_of(response)
            except aiohttp.ClientConnectorError as error:  # nothing was sent
                if last:
                    raise NodeUnavailable(words_for(error)) from error
            except (aiohttp.ClientError, TimeoutError) as error:
                self._doubted = True
                raise OSError(words_for(error)) from error
            self._doubted = True
        raise AssertionError

    @property
    def local(self) -> bool:
        return self._endpoint is not None and self._endpoint.unix

    @property
    def keeps_variables(self) -> bool:
        return self._who.kernels.states is not None

    def get(
        self, path: str, params: Mapping[str, str] | None = None, *, of: str
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if self._http is None or of != self._id:  # in another node the same path is something else
            raise NodeGone
        return self._http.get(f"kernelcord/{path}", params=params)

    async def connected(self, known: str = "", *, start: bool = True) -> str:
        """Be connected to a node, or to the one with the id `known`; returns its id.

        If none runs, one is started, but not in place of a known one, nor without `start`. Concurrent callers
        wait for the same attempt.

        Raises: NodeGone, NodeUnavailable, NodeIncompatible.
        """
        if self._http is None or self._doubted:
            start = start and not known
            meeting = self._meetings.get(start)
            if meeting is None:
                meeting = asyncio.create_task(self._meet(start=start), name="finding the node")
                self._meetings[start] = meeting
                meeting.add_done_callback(lambda task: self._met(task, start=start))
            await asyncio.shield(meeting)
        if known not in ("", self._id):
            raise NodeGone
        return self._id

    def _met(self, meeting: "asyncio.Task[None]", *, start: bool) -> None:
        del self._meetings[start]
        if not meeting.cancelled():
            meeting.exception()  # those who still wait get it too

    async def _meet(self, *, start: bool) -> None:
        await self._find_and_greet(start=start)
        if start and self._outdated():
            await self._end()
            await self._find_and_greet(start=True)

    async def _find_and_greet(self, *, start: bool) -> None:
        began, pauses = monotonic(), self.patience.finding
        for attempt, pause in enumerate(chain(pauses, repeat(pauses[-1]))):
            endpoint = await self._find(start)
            if endpoint is None:
                raise NodeGone
            try:
                await self._greet(endpoint)
                return
            except NodeUnavailable as error:
                # It may be ending; then the next one is found or started. Or it is starting.
                again = endpoint.unix and attempt < len(pauses)
                if not start or not (again or (is_changing(error) and monotonic() - began < ENDING)):
                    raise
                await asyncio.sleep(pause)  # nothing tells when a node can be asked

    def _outdated(self) -> bool:
        """Whether the node has other settings than wanted, and can be replaced because it has no kernels."""
        if self._wanted is None or self._who.kernels == self._wanted:
            return False
        if self._who.alive:
            self._tell_ignored("it has kernels, and changes when they have ended")
            return False
        return True

    async def _end(self) -> None:
        assert self._http is not None
        with suppress(aiohttp.ClientError, OSError):  # it is ending already
            async with self._http.post("api/shutdown"):
                pass
        await self._hang_up()
        with suppress(NodeUnavailable):  # it is ending; whoever starts the next one waits for that
            async with asyncio.timeout(ENDING):
                while await self._find(False) is not None:  # noqa: ASYNC110  its end is told to nobody
                    await asyncio.sleep(LOOK)  # between two looks

    async def _greet(self, endpoint: NodeEndpoint) -> None:
        """Ask the node there what it is. If it is the one that we know, all connections to it are kept."""
        async with AsyncExitStack() as stack:
            times = aiohttp.ClientTimeout(total=None, sock_connect=self.patience.connecting)
            http = await stack.enter_async_context(endpoint.http(times))
            try:
                async with asyncio.timeout(self.patience.connecting), http.get("kernelcord/node") as response:
                    if response.status in WRONG_TOKEN:
                        raise NodeUnavailable("it does not accept our token")
                    response.raise_for_status()
                    told = await response.read()
                version = decode(told, NodeVersion)
                if version.protocol != PROTOCOL:
                    raise NodeIncompatible(version.pid, newer=version.protocol > PROTOCOL)
                who = decode(told, NodeInfo)
            except (aiohttp.ClientError, OSError, NotDecoded) as error:
                raise NodeUnavailable(words_for(error)) from error
            known = self._http is not None and (who.id, endpoint) == (self._id, self._endpoint)
            self._who, self._doubted = who, False
            if not known:
                stack.pop_all()
                before, self._http = self._http, http
                self._id, self._endpoint = who.id, endpoint
                if before is not None:
                    await before.close()
                self._tell()
        self._reached.set()
        for kernel in self._kernels.values():
            kernel.wake()

    def _tell(self) -> None:
        """Log what the operator has to know about a node that is new to us."""
        log.info("kernels live in the node of process %s", self._who.pid)
        if self._who.tier == "none":
            log.warning("Kernels run without a sandbox: let in only people to whom you would give a shell.")
        if self._wanted is None:
            self._tell_ignored("it was started with settings of its own")

    def _tell_ignored(self, why: str) -> None:
        """Log each setting that the node has otherwise."""
        ignored = differing(self._wanted or self._asked_for, self._who.kernels)
        address = self._endpoint.address if self._endpoint is not None else ""
        for name in sorted(ignored):
            log.warning("%s is not used by the node at %s: %s", self._called.get(name, name), address, why)

    async def _attend(self) -> None:
        """Show the node that we are there: it does not end while a bot is connected, even without kernels."""
        pauses = chain(AWAY, repeat(AWAY[-1]))
        while True:
            known = self._id
            try:
                await self.connected(known)
                assert self._http is not None
                async with self._http.ws_connect(
                    "kernelcord/attendance", heartbeat=self.patience.heartbeat, timeout=CLOSING
                ) as socket:
                    pauses = chain(AWAY, repeat(AWAY[-1]))
                    await socket.receive()  # there is no message, only the end
            except NodeGone:
                if self._id == known:  # the next node is not started before somebody needs it
                    self._reached.clear()
                    await self._reached.wait()
                continue
            except (KernelError, aiohttp.ClientError, OSError) as error:
                log.debug("the node cannot be reached: %s", error)
            self._doubted = True
            await asyncio.sleep(next(pauses))  # nothing tells when it can be reached again

    async def _session_socket(self, path: str, known: str) -> SessionSocket:
        for last in (False, True):
            node_id = await self.connected(known)
            assert self._http is not None
            try:
                async with asyncio.timeout(self.patience.connecting):
                    socket = await self._http.ws_connect(
                        f"kernelcord/{path}/channel",
                        max_msg_size=self.largest,
                        heartbeat=self.patience.heartbeat,
                        timeout=CLOSING,
                    )
            except (aiohttp.ClientError, OSError) as error:  # other sessions keep their connections
                self._doubted = True
                if last:
                    raise NodeUnavailable(words_for(error)) from error
            else:
                return SessionSocket(socket, node_id, lambda number: self.ask("GET", f"{path}/log/{number}"))
        raise AssertionError

    async def _hang_up(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.close()


class _LeftOpen(aiohttp.payload.IOBasePayload):
    """A file as the body of a request. aiohttp would close it after the request; it is the caller's."""

    def _close(self) -> None:
        """Leave it open."""
