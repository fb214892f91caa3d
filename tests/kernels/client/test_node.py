"""A node as a process: who may talk to it, how it starts, and how it ends."""

import asyncio
import shutil
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from kernels.cell.events import Display, InputRequest, Restarted, Stream, Unstopped
from kernels.client import NodeEndpoint, RemoteNode, at, local_node
from kernels.client.captured import RemoteFile
from kernels.client.patience import NodePatience
from kernels.client.spawn import recorded, socket_for
from kernels.errors import GoesOn, NodeUnavailable
from kernels.limits import Limits
from kernels.node.encoding import decode, encode
from kernels.node.messages import FilesAnswer
from kernels.node.settings import KernelSettings, NodeSettings
from kernels.wire.sizes import MESSAGE
from kernels.workspace.captured import FileChanged
from tests.conftest import KERNEL_PYTHON
from tests.contract.conftest import free_port, node_settings, noded
from tests.contract.files import SomeFiles
from tests.live.cells import processes, run, until, value

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> NodeSettings:
    """The settings of the module's node."""
    return node_settings(tmp_path_factory.mktemp("node"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(settings: NodeSettings) -> AsyncIterator[RemoteNode]:
    """A node with a connected bot."""
    async with noded(settings) as node:
        yield node


async def asked(settings: NodeSettings, method: str, path: str, token: str | None, **more: Any) -> int:
    """The status that a bare request gets."""
    headers = {"Authorization": f"token {token}"} if token else {}
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(settings.address), headers=headers) as http,
        http.request(method, f"http://node/{path}", allow_redirects=False, **more) as response,
    ):
        return response.status


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "kernelcord/node"),
        ("DELETE", "kernelcord/sessions/a"),
        ("PUT", "kernelcord/sessions/a/files/b"),
        ("GET", "kernelcord/sessions/a/log/1"),
        ("GET", "kernelcord/sessions/a/log/1/files/0"),
        ("PUT", "kernelcord/sessions/a/asked/1"),
        ("GET", "kernelcord/sessions/a/channel"),
        ("GET", "api/kernels"),
        ("POST", "api/kernels"),
        ("POST", "api/sessions"),
        ("POST", "api/shutdown"),
    ],
)
async def test_without_the_token_nothing_is_answered(
    node: RemoteNode, settings: NodeSettings, method: str, path: str
) -> None:
    """Neither by our routes nor by Jupyter's; a wrong token counts as none."""
    for token in (None, "wrong"):
        assert await asked(settings, method, path, token) in (302, 403)


async def test_what_nobody_needs_is_not_there(node: RemoteNode, settings: NodeSettings) -> None:
    """No terminals and no contents, not even with the token."""
    for path in ("api/terminals", "api/contents", "api/config/x", "terminals/1"):
        assert await asked(settings, "GET", path, settings.token) == 404


async def test_a_path_that_leads_out_is_refused(node: RemoteNode, settings: NodeSettings) -> None:
    """For Jupyter's sessions and for ours."""
    body = {"path": "../../../etc", "name": "", "type": "notebook", "kernel": {"name": "python3"}}
    assert await asked(settings, "POST", "api/sessions", settings.token, json=body) >= 400
    for name in ("..%2Fescape", "%2Fetc", ".hidden"):
        path = f"kernelcord/sessions/{name}"
        assert await asked(settings, "DELETE", path, settings.token) == 400
        assert await asked(settings, "PUT", f"{path}/files/x", settings.token, data=b"x") == 400
    placed = await node.kernel("paths", SomeFiles()).place("../../up.txt", b"x")
    assert "/" not in placed
    assert (settings.workspaces / "paths" / placed).exists()


async def test_socket_and_folder_are_ours_alone(node: RemoteNode, settings: NodeSettings) -> None:
    """0600 for the socket and the file with the token, 0700 for the folders around them."""
    for path, mode in (
        (Path(settings.address), 0o600),
        (settings.folder / "node.json", 0o600),
        (settings.folder / "log", 0o600),
        (settings.folder, 0o700),
    ):
        assert stat.S_IMODE(path.stat().st_mode) == mode, path


async def test_who_starts_second_finds_the_first(
    node: RemoteNode, settings: NodeSettings, tmp_path: Path
) -> None:
    """Four programs starting at once get one node, and one kernel per session."""
    fresh = node_settings(tmp_path)
    async with noded(fresh):
        places = await asyncio.gather(*(local_node(fresh)(True) for _ in range(4)))
        assert len(set(places)) == 1
        found = recorded(fresh.folder)
        assert found is not None
        assert places[0] == found[0]


async def test_another_program_takes_a_session_over_and_the_first_hears_of_it(
    node: RemoteNode, settings: NodeSettings
) -> None:
    """The cell continues with the second program; the first gets a closing sentence."""
    kernel = node.kernel("taken", SomeFiles())
    async with RemoteNode(local_node(settings), python=settings.python, limits=settings.limits) as second:
        async with kernel.run("name = input('who? ')\nname", tag=5) as cell:
            events = aiter(cell)
            assert isinstance(await anext(events), InputRequest)
            theirs = await second.kernel("taken", SomeFiles()).left_running()
            with pytest.raises(NodeUnavailable, match="taken this session over"):
                await anext(events)
        assert [event async for event in _answered(theirs[5], "Bob")][-1].bundle == {"text/plain": "'Bob'"}
        assert theirs[5].result.status == "ok"
        theirs[5].settle()
    await node.release("taken")


async def _answered(cell: Any, answer: str) -> AsyncIterator[Any]:
    async with cell:
        async for event in cell:
            if isinstance(event, InputRequest):
                cell.answer(answer)
            yield event


async def test_a_connection_that_breaks_is_made_anew_and_nothing_is_lost(node: RemoteNode) -> None:
    """Every line arrives once, although the websocket is cut several times while a cell prints."""
    kernel = node.kernel("cut", SomeFiles())
    told = ""
    async with kernel.run("import time\nfor n in range(60): print(n, flush=True); time.sleep(0.02)") as cell:
        async for event in cell:
            told += event.text if isinstance(event, Stream) else ""
            channel = kernel._link._socket
            if 50 < len(told) < 130 and channel is not None and not channel.closed:
                await channel.close()
    cell.settle()
    assert told == "".join(f"{n}\n" for n in range(60)) == cell.result.output


async def test_a_question_for_files_waits_for_the_next_bot(node: RemoteNode, settings: NodeSettings) -> None:
    """Whoever connects in time answers a cell that asked while nobody was there."""
    async with RemoteNode(local_node(settings), python=settings.python, limits=settings.limits) as first:
        kernel = first.kernel("alone", SomeFiles())
        code = (
            "print('begun\\n', end='', flush=True)\nimport time; time.sleep(3)\n"
            "load_file('k7m3q9x2va', raw=True)[:11]"
        )
        cell = kernel.run(code, tag=3)
        await cell.__aenter__()  # the block is not left, so the cell continues with the next bot
        events = aiter(cell)
        while await anext(events) != Stream("stdout", "begun\n"):
            continue  # it waits for a place in the pool
    assert cell.goes_on
    await asyncio.sleep(4)  # it has asked while nobody was there
    async with RemoteNode(local_node(settings), python=settings.python, limits=settings.limits) as second:
        left = await second.kernel("alone", SomeFiles()).left_running()
        async with left[3] as cell:
            async for _ in cell:
                pass
        cell.settle()
    assert cell.result.output == "begun\nb'city,people'\n"


async def test_a_captured_file_is_opened_where_it_lies_or_fetched(node: RemoteNode) -> None:
    """On the same machine without a request; if the bot sees another disk or other bytes, with one."""

    def refused() -> Any:
        raise AssertionError("asked for")

    async with node.kernel("files", SomeFiles()).run(
        "with open('a', 'w') as file: file.write('abc')"
    ) as cell:
        async for _ in cell:
            pass
    (file,) = cell.result.captured
    assert isinstance(file, RemoteFile)
    assert file.here is not None
    async with replace(file, get=refused).content() as content:
        assert content.read() == b"abc"
    for elsewhere in (replace(file.here, workspace=Path("/nowhere")), replace(file.here, stamp=())):
        async with replace(file, here=elsewhere).content() as content:
            assert content.read() == b"abc"
    cell.settle()


async def test_a_file_that_changes_while_it_is_fetched_is_told(node: RemoteNode) -> None:
    """Also if the bot sees another disk; it can then be fetched as it is now."""
    async with node.kernel("torn", SomeFiles()).run("open('a', 'wb').write(b'x' * (32 << 20)); 0") as cell:
        async for _ in cell:
            pass
    (file,) = cell.result.captured
    assert isinstance(file, RemoteFile)
    assert file.here is not None
    path = file.here.workspace / file.here.path
    elsewhere = replace(file, here=None)
    async with file.get() as response:
        await response.content.read(1)
        with path.open("r+b") as writer:  # the node waits for us: socket buffers hold less than the file
            writer.write(b"y")
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.read()
    with pytest.raises(FileChanged):
        async with elsewhere.content():
            pass
    with pytest.raises(FileChanged):
        async with elsewhere.content(latest=1000):
            pass
    async with elsewhere.content(latest=32 << 20) as content:
        assert content.read() == b"y" + b"x" * ((32 << 20) - 1)
    async with file.content(latest=32 << 20) as content:
        assert content.read(2) == b"yx"
    cell.settle()


async def test_an_idle_node_ends_itself(tmp_path: Path) -> None:
    """When it has neither kernels nor bots; only its log remains."""
    settings = replace(node_settings(tmp_path), node_idle=timedelta(seconds=3))
    async with RemoteNode(local_node(settings), python=settings.python, limits=settings.limits):
        pass
    await until(lambda: recorded(settings.folder) is None)
    await until(lambda: not Path(settings.address).exists())
    assert not (settings.folder / "node.json").exists()


async def test_a_node_whose_folder_was_deleted_ends_with_its_kernels(tmp_path: Path) -> None:
    """Nobody could find it any more."""
    settings = replace(node_settings(tmp_path), node_idle=timedelta(seconds=5))
    async with RemoteNode(local_node(settings), python=settings.python, limits=settings.limits) as node:
        pid = int(await value(node.kernel("a", SomeFiles()), "import os; os.getpid()"))
        shutil.rmtree(settings.folder)
    await until(lambda: pid not in processes("inside"))


async def test_a_node_with_a_kernel_stays(tmp_path: Path) -> None:
    """However long no bot comes, as long as a kernel holds variables; ending the node ends the kernel."""
    settings = replace(node_settings(tmp_path), node_idle=timedelta(seconds=3))
    async with noded(settings) as node:
        kernel = node.kernel("a", SomeFiles())
        pid = int(await value(kernel, "import os; os.getpid()"))
        await node.release("a")
        await asyncio.sleep(5)
        again = node.kernel("a", SomeFiles())
        assert await value(again, "os.getpid()") == str(pid)
        await node.end()
    await until(lambda: pid not in processes("inside"))


async def test_a_node_of_other_settings_is_replaced_unless_it_has_kernels(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody loses variables over a setting; without kernels the new settings apply at once."""
    settings = node_settings(tmp_path)
    other = replace(settings, size=3)
    async with noded(settings) as node:
        first = recorded(settings.folder)
        same = RemoteNode(
            local_node(settings), python=settings.python, limits=settings.limits, kernels=settings.kernels
        )
        async with same:
            assert recorded(settings.folder) == first
        async with RemoteNode(
            local_node(other), python=settings.python, limits=settings.limits, kernels=other.kernels
        ) as node:
            second = recorded(settings.folder)
            assert second != first
            assert await value(node.kernel("a", SomeFiles()), "x = 41; x") == "41"
        third = replace(settings, size=4, limits=replace(settings.limits, memory=900 << 20))
        async with RemoteNode(
            local_node(third),
            python=settings.python,
            limits=settings.limits,
            kernels=third.kernels,
            called={"size": "MAX_KERNELS", "memory": "MAX_MEMORY"},
        ) as node:
            told = [record.message for record in caplog.records if "is not used" in record.message]
            assert [line.split()[0] for line in told] == ["MAX_MEMORY", "MAX_KERNELS"]
            assert recorded(settings.folder) == second
            assert await value(node.kernel("a", SomeFiles()), "x + 1") == "42"


async def test_a_node_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The end of its log gives the reason."""
    (tmp_path / "workspaces").write_text("in the way")
    settings = node_settings(tmp_path)
    with pytest.raises(NodeUnavailable, match="workspaces"):
        async with RemoteNode(local_node(settings), python=settings.python, limits=settings.limits):
            pass


async def test_over_tcp_the_token_is_asked_for_and_cells_run(tmp_path: Path) -> None:
    """A node with a port is the same node."""
    settings = replace(node_settings(tmp_path), address=f"127.0.0.1:{free_port()}")
    await local_node(settings)(True)
    place = f"http://{settings.address}"
    try:
        with pytest.raises(NodeUnavailable, match="token"):
            async with RemoteNode(
                at(NodeEndpoint(place, "wrong")), python=settings.python, limits=settings.limits
            ):
                pass
        async with RemoteNode(
            at(NodeEndpoint(place, "secret")), python=settings.python, limits=settings.limits
        ) as node:
            assert await value(node.kernel("a", SomeFiles()), "6 * 7") == "42"
    finally:
        async with RemoteNode(local_node(settings), python=settings.python, limits=settings.limits) as node:
            await node.end()


async def test_a_request_waits_for_its_connection_as_long_as_the_bot_has_patience() -> None:
    """A machine that takes no connection, and refuses none, is given up after that time."""

    async def find(_start: bool) -> None:
        return None

    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # which fill its queue; further ones are left to wait
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        endpoint = NodeEndpoint(f"http://127.0.0.1:{listener.getsockname()[1]}", "token")
        patience = NodePatience(connecting=0.1)
        node = RemoteNode(find, python=KERNEL_PYTHON, limits=Limits(), patience=patience)
        async with endpoint.http(aiohttp.ClientTimeout(total=None)) as node._http, asyncio.timeout(5):
            with pytest.raises(OSError, match="does not answer"):
                await node.ask("GET", "untold")


async def test_settings_travel_as_json(settings: NodeSettings) -> None:
    """A node reads exactly what was written, times and sizes included."""
    assert NodeSettings.from_json(settings.to_json()) == settings
    endless = replace(settings, limits=Limits(cell=None, answer=None, background=None))
    assert NodeSettings.from_json(endless.to_json()) == endless
    assert decode(encode(endless.kernels), KernelSettings) == endless.kernels
    assert endless.kernels == settings.kernels  # each bot decides about times


async def test_a_long_folder_has_its_socket_elsewhere(tmp_path: Path) -> None:
    """A path too long for a socket is replaced by a short one in a folder only we can use."""
    folder = tmp_path / ("x" * 100)
    short = Path(socket_for(folder))
    assert len(str(short)) < 100
    assert stat.S_IMODE(short.parent.stat().st_mode) == 0o700
    assert str(short) == socket_for(folder)
    short.parent.chmod(0o755)
    with pytest.raises(NodeUnavailable, match="ours alone"):
        socket_for(folder)
    short.parent.rmdir()


@pytest.mark.parametrize("direction", [pytest.param("to the node", marks=pytest.mark.soak), "from the node"])
async def test_a_message_that_the_other_end_does_not_take_is_an_error_and_no_hang(
    node: RemoteNode, monkeypatch: pytest.MonkeyPatch, direction: str
) -> None:
    """We never send anything that large; if we did, the cell would fail in words and the next would work."""
    session = direction.replace(" ", "-")
    kernel = node.kernel(session, SomeFiles())
    code = "from IPython.display import display; display({'text/x': 'x' * 3_000_000}, raw=True)"
    with monkeypatch.context() as patch:
        if direction == "to the node":
            patch.setattr(kernel._link._outbox, "_largest", 2 * MESSAGE)
            kernel.send(FilesAnswer(ask=1, name="x" * MESSAGE))
        else:
            patch.setattr(node, "largest", 1 << 20)
        with pytest.raises(NodeUnavailable, match=r"larger than the other end takes|again and again"):
            await run(kernel, code)
    assert await value(kernel, "6 * 7") == "42"
    await node.release(session)


async def test_a_node_says_which_sessions_have_something_to_tell_and_no_bot(node: RemoteNode) -> None:
    """What a thread prints after its session was released reaches whoever asks for that session next."""
    kernel = node.kernel("talks-on", SomeFiles())
    await run(kernel, "import threading\nthreading.Timer(1.5, print, ['at last']).start()", tag=3)
    assert "talks-on" not in await node.untold()
    await node.release("talks-on")
    while "talks-on" not in await node.untold():  # noqa: ASYNC110  it is told to nobody
        await asyncio.sleep(0.1)
    again = node.kernel("talks-on", SomeFiles())
    await again.state()
    late = await anext(aiter(again.late()))
    assert (late.tag, late.event) == (3, Stream("stdout", "at last\n"))
    assert "talks-on" not in await node.untold()


async def test_a_cell_that_goes_on_says_its_code_to_the_next_bot(
    node: RemoteNode, settings: NodeSettings
) -> None:
    """That bot's database may not have it."""
    kernel = node.kernel("goes-on", SomeFiles())
    async with kernel.run("name = input()", tag=4) as cell:
        async for event in cell:
            if isinstance(event, InputRequest):
                break
        await node.release("goes-on")
    again = node.kernel("goes-on", SomeFiles())
    (left,) = (await again.left_running()).values()
    assert (left.tag, left.code) == (4, "name = input()")
    async with left:
        await left.interrupt()
    left.settle()


async def test_the_next_bot_asks_again_whether_to_kill_a_cell(node: RemoteNode) -> None:
    """The previous bot left while the question was open; the kernel is left alone until somebody answers."""
    code = "import time\nsaid = 'on'\nwhile True:\n"  # it ignores the interrupt wherever it arrives
    code += "  try:\n    word, said = said, ''\n    if word: print(word, flush=True)\n    time.sleep(600)\n"
    code += "  except KeyboardInterrupt: pass"
    kernel = node.kernel("undecided", SomeFiles())
    await run(kernel, "kept = 5")
    letting_go: list[asyncio.Task[None]] = []
    with suppress(GoesOn):
        async with kernel.run(code, tag=2) as cell:
            async for event in cell:
                if isinstance(event, Stream):
                    await cell.stop()
                if isinstance(event, Unstopped):
                    letting_go.append(asyncio.create_task(node.release("undecided")))
    assert cell.goes_on
    await asyncio.wait(letting_go)
    again = node.kernel("undecided", SomeFiles())
    (left,) = (await again.left_running()).values()
    told = list[object]()
    async with asyncio.timeout(30), left:
        async for event in left:
            if not isinstance(event, Stream):  # which may not have been acknowledged
                told.append(event)
            if isinstance(event, Unstopped):
                left.decide(kill=True)
    left.settle()
    asked, restarted = told
    assert isinstance(asked, Unstopped)
    assert isinstance(restarted, Restarted)
    assert asked.lost == restarted.lost == ("kept",)
    assert (left.result.status, left.result.restarted) == ("interrupted", restarted)
    assert await value(again, "'kept' in globals()") == "False"
    await node.release("undecided")


async def test_the_next_bot_can_ask_before_it_takes_what_a_cell_has_shown(node: RemoteNode) -> None:
    """However much output there is, and although the previous bot has not taken it either."""
    code = "for _ in range(4):\n    display({'image/png': 'A' * 4_000_000}, raw=True)\ninput()"
    kernel = node.kernel("shows-much", SomeFiles())
    async with kernel.run(code, tag=5) as cell:
        async for event in cell:
            if isinstance(event, Display):
                break
        await node.release("shows-much")
    for bot in (1, 2):
        again = node.kernel("shows-much", SomeFiles())
        (left,) = (await again.left_running()).values()
        async with asyncio.timeout(30):
            assert (await again.state()).alive
            async with again.catch_up(None):
                pass
        if bot == 1:
            await node.release("shows-much")
    shown = 0
    async with left:
        async for event in left:
            shown += isinstance(event, Display)
            if isinstance(event, InputRequest):
                await left.interrupt()
    left.settle()
    assert shown == 4
