"""Connections to a node's port that have not shown the token are few, short-lived and small."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine

from kernels.client import NodeEndpoint, RemoteNode, at
from kernels.node import connection_limits
from kernels.node.connection_limits import HEADERS, MOST, SHARE, LimitedServer
from kernels.node.server import BODY
from kernels.node.settings import NodeSettings
from tests.contract.conftest import free_port, node_settings, noded
from tests.contract.files import SomeFiles
from tests.live.cells import until, value

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

HALVES = {
    "nothing": b"",
    "half of a header": b"GET /kernelcord/node HTTP/1.1\r\nHost: node\r\nX-Long: x",
    "half of a body": b"POST /api/kernels HTTP/1.1\r\nHost: node\r\nContent-Length: 1000\r\n\r\n{",
    "half of a websocket": b"GET /kernelcord/sessions/a/channel HTTP/1.1\r\nUpgrade: websocket\r\n",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settings(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NodeSettings]:
    """The settings of a running node that listens on a port."""
    folder = tmp_path_factory.mktemp("node")
    settings = replace(node_settings(folder), address=f"127.0.0.1:{free_port()}", tier="none", libraries=())
    async with noded(settings):
        yield settings


async def stranger(settings: NodeSettings, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has sent this, and waits."""
    host, _, port = settings.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    return reader, writer


async def ended(reader: asyncio.StreamReader) -> None:
    """Return once this connection is closed."""
    with suppress(OSError):
        await reader.read()


@pytest.mark.parametrize("said", HALVES.values(), ids=HALVES)
async def test_half_requests_without_the_token_keep_nobody_out(settings: NodeSettings, said: bytes) -> None:
    """However many come from one address, only a limited number are open, and a bot works beside them."""
    strangers = [await stranger(settings, said) for _ in range(2 * MOST)]
    ends = list[asyncio.Task[None]]()
    place = NodeEndpoint(f"http://{settings.address}", settings.token)
    try:
        async with RemoteNode(at(place), python=settings.python, limits=settings.limits) as node:
            kernel = node.kernel("a", SomeFiles())
            assert await value(kernel, "6 * 7") == "42"
            more = [await stranger(settings, said) for _ in range(MOST)]
            strangers += more
            assert await value(kernel, "7 * 8") == "56"  # whoever has shown the token is never cut off
            await kernel.place("a", BytesIO(b"x" * (BODY + 1)))
        ends += [asyncio.create_task(ended(reader)) for reader, _ in strangers]
        await until(lambda: all(end.done() for end in ends[: -MOST // SHARE]))
        assert 0 < sum(not end.done() for end in ends) <= MOST // SHARE
    finally:
        for _, writer in strangers:
            writer.close()
        await asyncio.gather(*ends)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET / HTTP/1.1\r\nX: " + b"x" * HEADERS, b""),
        (b"POST /api/kernels HTTP/1.1\r\nHost: n\r\nContent-Length: %d\r\n\r\n" % (BODY + 1), b"400"),
        (
            b"POST /api/kernels HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"10000\r\n%b\r\n" % (b"x" * 0x10000) * (BODY // 0x10000 + 1),
            b"400",
        ),
        (b"PUT /kernelcord/sessions/a/files/b HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (1 << 39), b"400"),
        (b"PUT /kernelcord/sessions/a/asked/1 HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (1 << 39), b"400"),
    ],
    ids=["header", "body", "chunks", "upload", "answer"],
)
async def test_nothing_large_is_taken_without_the_token(
    settings: NodeSettings, said: bytes, status: bytes
) -> None:
    """It is refused before it is read, and the connection is closed."""
    reader, writer = await stranger(settings, said)
    try:
        async with asyncio.timeout(10):
            assert (await reader.read()).partition(b"\r\n")[0][9:12] == status
    except ConnectionResetError:
        assert len(said) > HEADERS  # it was closed while we were still writing
    finally:
        writer.close()


class Stream:
    """A connection, as far as the check at the door sees it."""

    def __init__(self) -> None:
        self.was_closed = False

    def close(self) -> None:
        self.was_closed = True


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes a server that lets connections in from an address, and gives them back; it reads nothing."""
    monkeypatch.setattr("tornado.httpserver.HTTPServer.handle_stream", lambda *_: None)
    monkeypatch.setattr("tornado.httpserver.HTTPServer.on_close", lambda *_: None)

    def made(**limits: float) -> Any:
        server = LimitedServer(lambda _: None, **limits)

        def enter(host: str) -> Stream:
            stream = Stream()
            server.handle_stream(stream, (host, 1) if host else "")  # type: ignore[arg-type]  # our own
            return stream

        return SimpleNamespace(enter=enter, server=server)

    return made


async def test_the_oldest_makes_room_first_of_its_own_address(door: Callable[..., Any]) -> None:
    """One address fills up its own share only; with many, so many in all; a Unix socket has no share."""
    let_in = door()
    most, share = let_in.server._most, let_in.server._most // SHARE
    other = let_in.enter("10.0.0.1")
    many = [let_in.enter("10.0.0.2") for _ in range(share + 5)]
    assert [stream.was_closed for stream in many] == [True] * 5 + [False] * share
    assert not other.was_closed
    socket = [let_in.enter("") for _ in range(most - share - 1)]
    let_in.enter("10.0.0.3")
    assert other.was_closed
    assert not any(stream.was_closed for stream in socket)


async def test_a_connection_has_a_time_to_show_the_token(
    door: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it says meanwhile; once it has, or has ended, its time does not count."""
    let_in = door(proof=0.05)
    caplog.set_level(logging.WARNING)
    slow, quick, gone, here = (let_in.enter(host) for host in ("10.0.0.1", "10.0.0.2", "10.0.0.3", ""))
    let_in.server.proven(quick)
    let_in.server.on_close(SimpleNamespace(stream=gone))
    async with asyncio.timeout(10):
        while not (slow.was_closed and here.was_closed):  # noqa: ASYNC110  the door tells nobody
            await asyncio.sleep(0.01)
    assert (quick.was_closed, gone.was_closed) == (False, False)
    assert let_in.server._unproven == {}
    assert caplog.text.count("without the token, from 10.0.0.1,") == 1  # not one line per connection
    assert "from here" not in caplog.text


async def test_who_shows_the_token_is_read_before_others_take_its_place() -> None:
    """Its request takes a few turns of the loop, while twice as many wait as one address may have."""
    with socket.create_server(("127.0.0.1", 0), backlog=3 * MOST) as listening:
        listening.setblocking(False)
        first, *others = [socket.create_connection(listening.getsockname()) for _ in range(1 + MOST)]
        first.sendall(b"GET / HTTP/1.1\r\nHost: node\r\n\r\n")

        async def answer(request: HTTPServerRequest) -> None:
            for _ in range(5):
                await asyncio.sleep(0)  # as Jupyter's handlers do
            server.proven(request.connection.stream)  # type: ignore[attr-defined]
            connection = request.connection
            assert connection is not None
            await connection.write_headers(ResponseStartLine("", 204, ""), HTTPHeaders())
            connection.finish()

        server = LimitedServer(lambda request: asyncio.ensure_future(answer(request)))
        server.add_sockets([listening])
        try:
            first.setblocking(False)
            async with asyncio.timeout(20):
                said = await asyncio.get_running_loop().sock_recv(first, 100)
            assert said.startswith(b"HTTP/1.1 204")
            await until(lambda: len(server._unproven) >= MOST // SHARE)
        finally:
            server.stop()
            await server.close_all_connections()
            for connection in (first, *others):
                connection.close()


async def test_half_a_minute_is_enough_for_strangers() -> None:
    """A client closes an idle connection before we do; otherwise it could lose a request."""
    assert connection_limits.PROOF <= 30
    assert connection_limits.IDLE > 15  # seconds for which aiohttp keeps an idle connection


async def test_the_unix_socket_asks_for_the_token_in_time_too(tmp_path: Path) -> None:
    """The same check is in front of it."""
    settings = replace(node_settings(tmp_path), tier="none", libraries=())
    async with noded(settings) as node:
        strangers = [await asyncio.open_unix_connection(settings.address) for _ in range(2 * MOST)]
        assert await value(node.kernel("a", SomeFiles()), "6 * 7") == "42"
        ends = [asyncio.create_task(ended(reader)) for reader, _ in strangers]
        await until(lambda: all(end.done() for end in ends[:-MOST]))
        assert any(not end.done() for end in ends)
        for _, writer in strangers:
            writer.close()
        await asyncio.gather(*ends)
