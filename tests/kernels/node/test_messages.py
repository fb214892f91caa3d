"""What bot and node say to each other: its version, unknown parts, and two versions side by side."""

import asyncio
import hashlib
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec import UNSET
from msgspec.json import schema_components

from kernels.cell.events import Event, Stream
from kernels.cell.result import Late, RunResult, Variable
from kernels.client import NodeEndpoint, RemoteNode, at, local_node
from kernels.client.cell import RemoteCell
from kernels.client.spawn import recorded
from kernels.errors import CheckpointRefused, NodeIncompatible, NodeUnavailable, NoSuchSave
from kernels.limits import Limits
from kernels.node import PROTOCOL, messages
from kernels.node.encoding import FileOnNode, NotDecoded, RaisedError, decode, decoder, encode, on_node
from kernels.node.messages import (
    COMMANDS,
    FROM_NODE,
    Answer,
    AnyNews,
    CellEnd,
    CellEvent,
    Command,
    Hello,
    LateOutput,
    NodeInfo,
    NodeVersion,
    NotUnderstood,
    read_commands,
    read_news,
)
from kernels.node.settings import RECORD, NodeRecord, NodeSettings, limits_for
from kernels.workspace.captured import Skipped
from tests.contract.conftest import node_settings, noded
from tests.contract.files import SomeFiles
from tests.live.cells import run, until, value

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

# The digest of all messages, by protocol number: a new digest requires a new number.
DIGESTS = {4: "64af7ac5f64f7ad7", 5: "e487080f040711fc", 6: "d6b4194af917ed72"}
LATE = """
import pathlib, threading, time
def wait():
    while not pathlib.Path("go").exists(): time.sleep(0.02)
    print("late")
threading.Thread(target=wait).start()
1 / 0
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> NodeSettings:
    """The settings of the module's node, which starts quickly and has a limit that no bot asks for."""
    limits = Limits(memory=300 << 20)
    return replace(node_settings(tmp_path_factory.mktemp("node"), limits), tier="none", libraries=())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(settings: NodeSettings) -> AsyncIterator[RemoteNode]:
    """A node with a connected bot."""
    async with noded(settings) as node:
        yield node


async def test_what_travels_has_changed_only_where_its_number_has() -> None:
    """Two versions with different messages must not talk to each other."""
    digest = hashlib.sha256(json.dumps(schema(), sort_keys=True).encode()).hexdigest()[:16]
    assert DIGESTS.get(PROTOCOL) == digest, (
        "What travels between bot and node is not what it was under this number: raise PROTOCOL in"
        f" kernels/node/__init__.py, unless it was raised since the last release, and note {digest!r} here."
    )
    assert max(DIGESTS) == PROTOCOL
    assert len(set(DIGESTS.values())) == len(DIGESTS)


def schema() -> Any:
    """All messages as plain data: their fields, and the fields of the values in them."""
    told = (Hello, COMMANDS, AnyNews, FROM_NODE, RunResult, FileOnNode, NodeInfo, NodeVersion)
    kinds = (*told, NodeRecord)
    codes = [messages.TOO_LARGE, messages.REPLACED, messages.REFUSED, messages.STOPPED]
    schemas = schema_components(kinds, schema_hook=lambda kind: {"type": "string", "title": kind.__name__})
    return without_words([schemas, [*codes, messages.DELETED, messages.FAILED]])


def without_words(value: Any) -> Any:
    """A schema without its docstrings."""
    match value:
        case dict():
            return {name: without_words(one) for name, one in value.items() if name != "description"}
        case list() | tuple():
            return [without_words(one) for one in value]
    return value


def declared(text: bytes) -> bool:
    """Whether a message has exactly the declared fields."""
    said = json.loads(text)
    match said:
        case [*commands]:
            return commands == json.loads(encode(read_commands(text)))
        case {"client": _}:
            return bool(said == json.loads(encode(decode(text, Hello))))
        case {"log": [*log]}:
            return all(one == json.loads(encode(as_written(read_news(encode(one))))) for one in log)
    return bool(said == json.loads(encode(decoder(FROM_NODE).decode(text))))


def as_written(news: AnyNews) -> AnyNews:
    """The news as its node has written it."""
    if isinstance(news, CellEnd) and news.result is not None:
        news.result = replace(news.result, captured=on_node(news.result.captured))
    if isinstance(news, Answer) and news.scan is not None:
        news.scan = replace(news.scan, captured=on_node(news.scan.captured))
    if isinstance(news, LateOutput) and news.late.scan is not None:
        scan = replace(news.late.scan, captured=on_node(news.late.scan.captured))
        news.late = replace(news.late, scan=scan)
    return news


async def test_what_is_said_is_what_is_declared(node: RemoteNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checked in a session with everything in it; otherwise the digest would cover something else."""
    said, heard = list[bytes](), list[bytes]()
    socket = aiohttp.ClientWebSocketResponse
    send_bytes, receive = socket.send_bytes, socket.receive

    async def noted(self: Any, text: bytes) -> None:
        said.append(text)
        await send_bytes(self, text)

    async def overheard(self: Any, *arguments: Any) -> Any:
        message = await receive(self, *arguments)
        if message.type is aiohttp.WSMsgType.BINARY:
            heard.append(message.data)
        return message

    monkeypatch.setattr(socket, "send_bytes", noted)
    monkeypatch.setattr(socket, "receive", overheard)
    files = SomeFiles()
    kernel = files.kernel = node.kernel("all", files)
    async with kernel.catch_up(None):
        await run(
            kernel,
            "list_files(); load_file('cities.csv'); x = input(); open('a', 'w').write(x)",
            answers=["y"],
        )
    await run(kernel, LATE)
    await kernel.place("go", b"")
    late = aiter(kernel.late())
    assert (await anext(late)).event == Stream("stdout", "late\n")
    async with kernel.run("import time; print(flush=True); time.sleep(60)") as cell:
        async for _ in cell:
            cell.extend(timedelta(seconds=50))
            await cell.stop()
            kernel.send(messages.DecideCell(run=cell.key, kill=False))  # nothing has asked for a decision yet
            await cell.interrupt()
            break
    cell.settle()
    await kernel.state()
    assert list(await kernel.saves()) == []
    with pytest.raises(NoSuchSave):
        await kernel.go_to(1)
    with pytest.raises(CheckpointRefused):
        await kernel.checkpoint("name")
    assert list(await kernel.changed_files()) == []
    assert await kernel.checkpoints() == {}
    await kernel.forget_checkpoint("name")
    await kernel.restart()
    await node.release("all")
    commands = {type(one) for text in said if text.startswith(b"[") for one in read_commands(text)}
    assert commands == set(get_args(COMMANDS))
    assert [text for text in (*said, *heard) if not declared(text)] == []


class Odd(Command, tag=False):
    """A command as another version might have it."""

    do: str
    run: str = ""
    turn: object = UNSET
    code: object = UNSET
    allow_input: object = UNSET
    since: object = UNSET


async def instead(cell: RemoteCell, command: Command) -> None:
    """A cell whose first command is replaced by another one."""
    async with asyncio.timeout(30), cell:
        cell._host.send(command)
        async for _ in cell:
            pass


async def test_a_command_that_is_not_known_is_answered_and_the_session_goes_on(node: RemoteNode) -> None:
    """So are a command that lacks a field or has a wrong type, and a cell the node does not have."""
    kernel = node.kernel("unknown", SomeFiles())
    link = kernel._link
    await kernel.left_running()
    connection = link._socket
    for odd in (Odd(do="dance"), Odd(do="CatchUp"), Odd(do="CatchUp", since="now")):
        async with asyncio.timeout(30):
            with pytest.raises(OSError, match="command"):
                await link.call(odd)
    for code in (UNSET, 7):
        cell = kernel.run("1")
        cell.started = True
        with pytest.raises(OSError, match="the command 'EnterCell' has no 'code', or one of the wrong kind"):
            await instead(cell, Odd(do="EnterCell", run=cell.key, turn="", code=code, allow_input=True))
    cell = kernel.run("1")
    with pytest.raises(OSError, match="does not have this cell"):
        await instead(cell, messages.SettleCell(run=cell.key))
    assert await value(kernel, "6 * 7") == "42"
    assert link._socket is connection is not None  # the rest of the session went on
    await node.release("unknown")


def with_another(value: Any) -> bytes:
    """`encode`, with an unknown field added to each object."""
    plain = json.loads(encode(value))
    return encode(plain | {"new": 1} if isinstance(plain, dict) else plain)


async def test_a_field_that_is_not_known_is_ignored(
    node: RemoteNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every message from either side, as a newer version would send it."""
    for writer in ("client.connection", "client.outbox", "node.session", "node.event_log", "node.http_api"):
        monkeypatch.setattr(f"kernels.{writer}.encode", with_another)
    kernel = node.kernel("fields", SomeFiles())
    async with asyncio.timeout(20):
        assert (
            await value(kernel, "len(list_files()), load_file('k7m3q9x2va', raw=True)[:4]") == "(1, b'city')"
        )
    await node.release("fields")


async def test_what_a_newer_node_tells_is_read_as_far_as_it_is_known() -> None:
    """An unknown event is reported as such."""
    for known, kind in (
        (Stream("stdout", "x"), Event),
        (Variable("x", "int", "1"), Variable),
        (Skipped("a", "why"), Skipped),
        (Limits(), Limits),
    ):
        assert decoder(kind).decode(with_another(known)) == known
    event = Stream("stdout", "x")
    for news in (CellEvent(n=3, run="a", event=event), LateOutput(n=4, late=Late(1, event=event))):
        unknown = read_news(encode(news).replace(b"Stream", b"Smell"))
        assert isinstance(unknown, CellEvent | LateOutput)
        assert unknown.n == news.n
        shown = unknown.event if isinstance(unknown, CellEvent) else unknown.late.event
        assert isinstance(shown, Stream)
        assert "Smell" in shown.text
    for odd in ({"is": "CellEvent", "run": "a", "event": {"is": "Stream"}}, {"is": "Smell"}):
        with pytest.raises(NotDecoded):  # it cannot be acknowledged
            read_news(encode(odd))
        assert read_news(encode(odd | {"n": 5})).n == 5
    told = encode(RaisedError.of(OSError(28, "No space left on device", "/srv/u1")))
    refused = decode(told, RaisedError).exception()
    assert isinstance(refused, OSError)
    assert (refused.errno, refused.filename) == (28, None)


@pytest.mark.parametrize("message", ["}", "[1]", '{"client": "a"}', "[]", '[{"do": "GetState"}]'])
async def test_what_is_no_message_ends_its_websocket_with_a_reason(
    node: RemoteNode, settings: NodeSettings, message: str
) -> None:
    """A bot that sends such a thing does not keep reconnecting to send it again."""
    assert node._http is not None
    async with asyncio.timeout(30), node._http.ws_connect("kernelcord/sessions/none/channel") as socket:
        if message.startswith("[{"):
            await socket.send_bytes(encode(Hello("a", Limits())))
            await socket.receive()
        await socket.send_str(message)
        while (await socket.receive()).type is aiohttp.WSMsgType.BINARY:
            pass
        assert socket.close_code == messages.REFUSED
    with pytest.raises(NodeUnavailable, match="does not understand"):
        node.kernel("x", SomeFiles())._link._understand(messages.REFUSED)
    await node.release("x")


async def test_a_session_has_the_limits_of_its_node(node: RemoteNode) -> None:
    """Messages quote them, whatever the bot was told; only the bot's times and questions are its own."""
    kernel = node.kernel("limits", SomeFiles())
    assert (node.limits.memory, kernel.limits.memory) == (300 << 20, 300 << 20)
    other = Limits(memory=900 << 20, questions=3, cell=None)
    kernel._link._hello = Hello("a", other)
    kernel.limits = other
    await kernel.left_running()
    assert kernel.limits == replace(other, memory=300 << 20)
    assert limits_for(other, Limits(memory=1)) == replace(other, memory=1)
    await node.release("limits")


async def test_settings_that_a_node_of_others_does_not_have_are_named(
    settings: NodeSettings, node: RemoteNode, caplog: pytest.LogCaptureFixture
) -> None:
    """Only those that the operator has set and that differ."""
    found = recorded(settings.folder)
    assert found is not None
    asked_for = {"memory": ("MAX_MEMORY", 900 << 20), "size": ("MAX_KERNELS", 7), "files": ("MAX_FILES", 64)}
    async with RemoteNode(at(found[0]), python=settings.python, limits=Limits(), asked_for=asked_for):
        pass
    told = [record.message for record in caplog.records if "settings of its own" in record.message]
    assert [line.partition(" is not used ")[0] for line in told] == ["MAX_MEMORY", "MAX_KERNELS"]


async def test_a_node_of_another_version_keeps_its_kernels_and_ours_is_started_beside_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """People get fresh kernels at once; the old node accepts nobody new, and ends with its last kernel."""
    settings = replace(node_settings(tmp_path), tier="none", libraries=())
    beside = settings.folder.with_name(f"node-{PROTOCOL}")
    async with noded(settings) as old:
        kernel = old.kernel("a", SomeFiles())
        assert await value(kernel, "x = 41; x") == "41"
        record = json.loads((settings.folder / RECORD).read_text())
        (settings.folder / RECORD).write_text(json.dumps({**record, "protocol": PROTOCOL - 1}))
        try:
            async with RemoteNode(
                local_node(settings), python=settings.python, limits=settings.limits
            ) as new:
                assert await value(new.kernel("a", SomeFiles()), "'x' in globals()") == "False"
                assert f"an older version (process {record['pid']})" in caplog.text
                with pytest.raises(OSError, match="no new sessions"):
                    await old.kernel("b", SomeFiles()).left_running()
                assert await value(kernel, "x + 1") == "42"
                async with RemoteNode(
                    local_node(settings), python=settings.python, limits=settings.limits
                ) as again:
                    assert again._id == new._id
                await old.release("a")
                await old.ask("DELETE", "sessions/a")  # as if it had been idle for too long
                await until(lambda: recorded(settings.folder) is None)
                async with RemoteNode(
                    local_node(settings), python=settings.python, limits=settings.limits
                ) as again:
                    assert again._id == new._id  # ours is found where it is
        finally:
            if (found := recorded(beside)) is not None:
                os.kill(found[1], signal.SIGTERM)
                await until(lambda: recorded(beside) is None)


@pytest.mark.parametrize(("theirs", "newer"), [(PROTOCOL - 1, False), (PROTOCOL + 1, True)])
async def test_an_older_and_a_newer_node_at_a_given_place_are_told_apart(theirs: int, newer: bool) -> None:
    """Nobody can start another there; they are asked what they are, and otherwise left alone."""
    asked = list[str]()

    async def answer(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path}")
        return web.json_response({"protocol": theirs, "pid": 7, "id": ["which has another shape there"]})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        place = NodeEndpoint(str(server.make_url("/")), "token")
        with pytest.raises(NodeIncompatible) as raised:
            async with RemoteNode(at(place), python=Path("python3"), limits=Limits()):
                pass
    assert (raised.value.newer, raised.value.pid) == (newer, 7)
    assert asked == ["GET /kernelcord/node"]


async def test_a_command_says_what_is_wrong_with_it() -> None:
    """It says so in one sentence."""
    (command,) = read_commands('[{"m": 1, "do": "GetState", "new": 1}]')
    assert command == messages.GetState(m=1)
    for fields, sentence in (
        ({}, "this node does not know the command ''"),
        ({"do": "dance"}, "this node does not know the command 'dance'"),
        ({"do": ["dance"]}, "this node does not know the command ['dance']"),
        ({"do": "StartCell", "run": "a"}, "the command 'StartCell' has no 'tag', or one of the wrong kind"),
        (
            {"do": "StartCell", "run": "a", "tag": None},
            "the command 'StartCell' has no 'tag', or one of the wrong kind",
        ),
    ):
        (command,) = read_commands(encode([{"m": 1, **fields}]))
        assert isinstance(command, NotUnderstood)
        assert command.reason == sentence


async def test_no_token_is_shown(settings: NodeSettings) -> None:
    """Neither when a value is logged nor in a traceback."""
    for shown in (settings, NodeEndpoint("/s", "secret")):
        assert "secret" not in repr(shown)
