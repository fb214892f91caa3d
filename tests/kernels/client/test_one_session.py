"""A failure in one session is reported to that session only; all others keep their connections and go on."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from kernels.cell.events import Event
from kernels.client import RemoteNode, connection
from kernels.client.patience import NodePatience
from kernels.client.spawn import recorded
from kernels.errors import NodeUnavailable
from kernels.node.settings import NodeSettings
from tests.contract.conftest import node_settings, noded
from tests.contract.files import SomeFiles
from tests.live.cells import Ran, run, until, value

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

WAITS = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)\n'went on'"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> NodeSettings:
    """The settings of the module's node, which starts quickly."""
    return replace(node_settings(tmp_path_factory.mktemp("node")), tier="none", libraries=())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(settings: NodeSettings) -> AsyncIterator[RemoteNode]:
    """A node with a connected bot."""
    async with noded(settings) as node:
        yield node


class Neighbour:
    """Somebody whose cell is running over a connection that must not break."""

    def __init__(self, node: RemoteNode, workspaces: Path) -> None:
        self.kernel = node.kernel("neighbour", SomeFiles())
        self._go = workspaces / "neighbour" / "go"
        events = list[Event]()
        self._ran: asyncio.Task[Ran] = asyncio.create_task(run(self.kernel, WAITS, on_event=events.append))

    async def begun(self) -> None:
        """Return once it runs and no more files need to be opened for it."""
        await until(lambda: self.kernel._link._socket is not None)
        await until(self._go.parent.exists)
        while not (await self.kernel.state()).alive:  # noqa: ASYNC110  nothing tells when it is
            await asyncio.sleep(0.02)
        self.socket = self.kernel._link._socket

    async def goes_on(self) -> bool:
        """Whether the cell ends well over the same connection that it began with."""
        same = self.kernel._link._socket is self.socket
        self._go.touch()
        ended = (await self._ran).status == "ok"
        self._go.unlink()
        return same and ended


@pytest_asyncio.fixture(loop_scope="module")
async def neighbour(node: RemoteNode, settings: NodeSettings) -> Neighbour:
    """A session whose cell runs and must not notice anything."""
    neighbour = Neighbour(node, settings.workspaces)
    await neighbour.begun()
    return neighbour


def limited(settings: NodeSettings, kind: int) -> Callable[[int], None]:
    """A function that sets a resource limit of the running node."""
    found = recorded(settings.folder)
    assert found is not None
    hard = resource.prlimit(found[1], kind)[1]
    return lambda soft: resource.prlimit(found[1], kind, (soft, hard)) and None


async def test_a_folder_that_cannot_be_made_is_told_to_its_session(
    node: RemoteNode, settings: NodeSettings, neighbour: Neighbour
) -> None:
    """As on a disk with no inodes left: the system's reason is given once, and no connection breaks."""
    (settings.workspaces / "broken").write_text("in the way")
    kernel, before = node.kernel("broken", SomeFiles()), (settings.folder / "log").stat().st_size
    for attempt in (kernel.left_running(), run(kernel, "1"), kernel.place("a", b"x")):
        async with asyncio.timeout(30):
            with pytest.raises(OSError, match="exists") as raised:
                await attempt
        assert raised.value.errno == 17
        assert str(settings.workspaces) not in str(raised.value)
    assert (settings.folder / "log").stat().st_size - before < 10_000
    assert await neighbour.goes_on()
    (settings.workspaces / "broken").unlink()
    assert await value(kernel, "6 * 7") == "42"
    await node.release("broken")


async def test_a_node_without_descriptors_lets_those_go_on_that_are_there(
    node: RemoteNode, settings: NodeSettings, neighbour: Neighbour
) -> None:
    """Who comes is told in words; the log has a line of it, and not one for each look."""
    patience = node.patience
    node.patience = NodePatience(connecting=0.3, finding=(0.1,), between=(0.05, 0.1))
    found = recorded(settings.folder)
    assert found is not None
    set_limit, before = limited(settings, resource.RLIMIT_NOFILE), (settings.folder / "log").stat().st_size
    soft = resource.prlimit(found[1], resource.RLIMIT_NOFILE)[0]
    set_limit(max(map(int, os.listdir(f"/proc/{found[1]}/fd"))) + 1)
    try:
        attempts = [node.kernel(f"n{number}", SomeFiles()).left_running() for number in range(4)]
        async with asyncio.timeout(20):
            told = await asyncio.gather(*attempts, return_exceptions=True)
        assert any(isinstance(error, NodeUnavailable | OSError) for error in told), told
        assert await neighbour.goes_on()
    finally:
        set_limit(soft)
        node.patience = patience
    log = (settings.folder / "log").read_text()[before:]
    assert log.count("new connections have to wait") <= 1
    assert log.count("Traceback") <= 1
    assert await value(node.kernel("n0", SomeFiles()), "6 * 7") == "42"
    for number in range(4):
        await node.release(f"n{number}")


async def test_an_upload_that_cannot_be_kept_is_refused_in_words(
    node: RemoteNode, settings: NodeSettings, neighbour: Neighbour
) -> None:
    """Half of it was written, as on a full disk; no connection breaks, neither this one's nor another's."""
    set_limit = limited(settings, resource.RLIMIT_FSIZE)
    set_limit(100_000)
    try:
        with pytest.raises(OSError, match="too large") as raised:
            await node.kernel("upload", SomeFiles()).place("a", BytesIO(b"x" * 5_000_000))
        assert raised.value.errno == 27
    finally:
        set_limit(resource.RLIM_INFINITY)
    assert await neighbour.goes_on()
    assert await node.kernel("upload", SomeFiles()).place("a", BytesIO(b"x" * 5_000_000)) == "a"
    await node.release("upload")


async def test_a_request_of_one_that_fails_keeps_the_connections_of_the_others(
    node: RemoteNode, neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a websocket that cannot be opened nor a connection that breaks mid-answer affects them."""
    assert node._http is not None
    with monkeypatch.context() as patch:
        for name in ("ws_connect", "request"):

            def fail(*_: object, **__: object) -> None:
                raise aiohttp.ServerDisconnectedError

            patch.setattr(node._http, name, fail)
        with pytest.raises(NodeUnavailable):
            await node.kernel("other", SomeFiles()).left_running()
        with pytest.raises(OSError, match="disconnected"):
            await node.remove("other")
    assert await neighbour.goes_on()


async def test_every_attempt_to_come_back_pauses_and_they_end_in_words(
    node: RemoteNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the connection breaks at once every time, there are a few attempts at growing intervals."""
    pauses, connects = list[float](), list[str]()
    kernel = node.kernel("breaks", SomeFiles())
    connect, sleep = kernel._link._connect, asyncio.sleep

    async def broken(known: str) -> object:
        connects.append(known)
        connected = await connect(known)
        await connected.socket.close()
        return connected

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr(kernel._link, "_connect", broken)
    monkeypatch.setattr(connection.asyncio, "sleep", noted)
    with pytest.raises(NodeUnavailable, match="again and again"):
        await kernel.left_running()
    assert len(connects) == connection.BRIEF_ONES
    waited = [seconds for seconds in pauses if seconds in node.patience.between]
    assert waited == sorted(waited)
    assert len(waited) == connection.BRIEF_ONES - 1
    await node.release("breaks")


async def test_a_kernel_that_was_let_go_answers_nothing_more_in_words(node: RemoteNode) -> None:
    """Whoever still holds it, such as a command whose user has just deleted everything, does not wait."""
    kernel = node.kernel("let-go", SomeFiles())
    await kernel.left_running()
    await node.release("let-go")
    async with asyncio.timeout(10):
        for ask in (kernel.state, kernel.restart, kernel.left_running):
            with pytest.raises(NodeUnavailable):
                await ask()
        with pytest.raises(NodeUnavailable):
            async with kernel.catch_up(None):
                pass
    await node.remove("let-go")
