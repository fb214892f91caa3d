"""What bot and node say to each other: its number, what is not known, and two versions side by side."""

import asyncio
import hashlib
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from kernels.cell import codec
from kernels.cell.events import Stream
from kernels.cell.result import Variable
from kernels.client import Node, Place, at, local_node
from kernels.client.cell import RemoteCell
from kernels.client.outbox import Outbox
from kernels.client.spawn import recorded
from kernels.errors import NodeIncompatible, NodeUnavailable
from kernels.limits import Limits
from kernels.node import PROTOCOL, messages
from kernels.node.messages import COMMANDS, NEWS, TOLD, NotUnderstood, check, schema
from kernels.node.settings import RECORD, NodeSettings, limits_for, limits_from, limits_to
from tests.contract.conftest import node_settings, noded
from tests.contract.files import SomeFiles
from tests.live.cells import run, until, value

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

# The digest of what travels, by the protocol's number: a new digest asks for a new number.
DIGESTS = {4: "64af7ac5f64f7ad7"}
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
    """The settings of the module's node, which starts quickly, with a limit that no bot asks for."""
    limits = Limits(memory=300 << 20)
    return replace(node_settings(tmp_path_factory.mktemp("node"), limits), tier="none", libraries=())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(settings: NodeSettings) -> AsyncIterator[Node]:
    """A node, and a bot that is connected to it."""
    async with noded(settings) as node:
        yield node


async def test_what_travels_has_changed_only_where_its_number_has() -> None:
    """Two versions that speak differently must not talk to each other."""
    digest = hashlib.sha256(json.dumps(schema(), sort_keys=True).encode()).hexdigest()[:16]
    assert DIGESTS.get(PROTOCOL) == digest, (
        "What travels between bot and node is not what it was under this number: raise PROTOCOL in"
        f" kernels/node/__init__.py, unless it was raised since the last release, and note {digest!r} here."
    )
    assert max(DIGESTS) == PROTOCOL
    assert len(set(DIGESTS.values())) == len(DIGESTS)


def fits(fields: dict[str, Any], shape: messages.Shape, *, more: bool = False) -> bool:
    """Whether a message has just the fields that are declared, each of its kind."""
    same = fields.keys() >= shape.keys() if more else fields.keys() == shape.keys()
    return same and all(isinstance(fields[name], kind) for name, kind in shape.items())


def known(fields: dict[str, Any]) -> bool:
    """Whether what a node says is declared."""
    tuples = {name: tuple(value) if name == "asked" else value for name, value in fields.items()}
    if "hello" in fields:
        hello = {**tuples["hello"], "asked": tuple(tuples["hello"]["asked"])}
        return fits(hello, TOLD["hello"]) and all(fits(one, TOLD["a run in it"]) for one in hello["runs"])
    if "log" in fields:
        news = [{name: one for name, one in each.items() if name != "n"} for each in fields["log"]]
        return fits(fields, TOLD["log"]) and all(
            any(fits(one, shape) for shape in NEWS.values()) for one in news
        )
    return any(fits(fields, TOLD[kind]) for kind in ("refused", "question"))


async def test_what_is_said_is_what_is_declared(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a session with everything in it: else the digest would be of something else."""
    said, heard = list[tuple[str, dict[str, Any]]](), list[dict[str, Any]]()
    add, receive = Outbox.add, aiohttp.ClientWebSocketResponse.receive

    def noted(self: Outbox, do: str, fields: dict[str, Any]) -> int:
        said.append((do, fields))
        return add(self, do, fields)

    async def overheard(self: Any, *arguments: Any) -> Any:
        message = await receive(self, *arguments)
        if message.type is aiohttp.WSMsgType.TEXT:
            heard.append(json.loads(message.data))
        return message

    monkeypatch.setattr(Outbox, "add", noted)
    monkeypatch.setattr(aiohttp.ClientWebSocketResponse, "receive", overheard)
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
            kernel.send("decide", run=cell.key, kill=False)  # which nothing asks for yet
            await cell.interrupt()
            break
    cell.settle()
    await kernel.state()
    await kernel.restart()
    await node.release("all")
    assert {do for do, _ in said} == COMMANDS.keys()
    assert [fields for do, fields in said if not fits(fields, COMMANDS[do], more=do == "told")] == []
    assert [told for told in heard if not known(told)] == []
    who = {"protocol": PROTOCOL, **node._who}
    assert fits(who, TOLD["node"])


async def instead(cell: RemoteCell, do: str, **fields: Any) -> None:
    """A cell that is begun with another command."""
    async with asyncio.timeout(5), cell:
        cell._host.send(do, run=cell.key, **fields)
        async for _ in cell:
            pass


async def test_a_command_that_is_not_known_is_answered_and_the_session_goes_on(node: Node) -> None:
    """So are one that lacks a field or has it of the wrong kind, and a cell that the node does not have."""
    kernel = node.kernel("unknown", SomeFiles())
    link = kernel._link
    await kernel.left_running()
    connection = link._socket
    for do, fields in (("dance", {}), ("catch up", {}), ("catch up", {"since": "now"})):
        async with asyncio.timeout(5):
            with pytest.raises(OSError, match="command"):
                await link.call(do, **fields)
    for fields in ({"turn": "", "allow_input": True}, {"turn": "", "code": 7, "allow_input": True}):
        cell = kernel.run("1")
        cell.started = True
        with pytest.raises(OSError, match="'code'"):
            await instead(cell, "enter", **fields)
    cell = kernel.run("1")
    with pytest.raises(OSError, match="does not have this cell"):
        await instead(cell, "settle")
    assert await value(kernel, "6 * 7") == "42"
    assert link._socket is connection is not None  # all else of the session went on
    await node.release("unknown")


async def test_a_field_that_is_not_known_is_ignored(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every message of either side, as a newer version would have it."""
    add = Outbox.add
    monkeypatch.setattr(Outbox, "add", lambda self, do, fields: add(self, do, {**fields, "new": 1}))
    limits = limits_to(Limits())
    monkeypatch.setattr("kernels.client.kernel.limits_to", lambda _: {**limits, "new": 1})
    kernel = node.kernel("fields", SomeFiles())
    async with asyncio.timeout(20):
        assert (
            await value(kernel, "len(list_files()), load_file('k7m3q9x2va', raw=True)[:4]") == "(1, b'city')"
        )
    await node.release("fields")


async def test_what_a_newer_node_tells_is_read_as_far_as_it_is_known() -> None:
    """An event that is not known is told as such."""
    event = codec.event(Stream("stdout", "x"))
    assert codec.to_event({**event, "new": 1}) == Stream("stdout", "x")
    unknown = codec.to_event({"is": "Smell", "of": "roses"})
    assert isinstance(unknown, Stream)
    assert "Smell" in unknown.text
    assert codec.to_variables([["x", "int", "1", "new"]]) == (Variable("x", "int", "1"),)
    assert [one.name for one in codec.to_skipped([["a", "why", "new"]])] == ["a"]
    assert limits_from({**limits_to(Limits()), "new": 1}) == Limits()
    refused = codec.to_error(codec.error(OSError(28, "No space left on device", "/srv/u1")))
    assert isinstance(refused, OSError)
    assert (refused.errno, refused.filename) == (28, None)


@pytest.mark.parametrize("message", ["}", "[1]", '{"client": "a"}', "[]", '[{"do": "state"}]'])
async def test_what_is_no_message_ends_its_websocket_with_a_reason(
    node: Node, settings: NodeSettings, message: str
) -> None:
    """A bot that says such a thing does not come back with it again and again."""
    assert node._http is not None
    async with asyncio.timeout(5), node._http.ws_connect("kernelcord/sessions/none/channel") as socket:
        if message.startswith("[{"):
            await socket.send_json({"client": "a", "limits": {}})
            await socket.receive()
        await socket.send_str(message)
        while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert socket.close_code == messages.REFUSED
    with pytest.raises(NodeUnavailable, match="does not understand"):
        node.kernel("x", SomeFiles())._link._understand(messages.REFUSED)
    await node.release("x")


async def test_a_session_has_the_limits_of_its_node(node: Node) -> None:
    """Messages quote them, whatever the bot was told; of the bot's own the times and the questions apply."""
    kernel = node.kernel("limits", SomeFiles())
    assert (node.limits.memory, kernel.limits.memory) == (300 << 20, 300 << 20)
    other = Limits(memory=900 << 20, questions=3, cell=None)
    kernel.limits = kernel._link._hello["limits"] = None  # type: ignore[assignment,index]
    kernel._link._hello["limits"] = limits_to(other)
    kernel.limits = other
    await kernel.left_running()
    assert kernel.limits == replace(other, memory=300 << 20)
    assert limits_for(limits_to(other), Limits(memory=1)) == replace(other, memory=1)
    await node.release("limits")


async def test_settings_that_a_node_of_others_does_not_have_are_named(
    settings: NodeSettings, node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    """Only those that the operator has set, and only where they differ."""
    found = recorded(settings.folder)
    assert found is not None
    asked_for = {"memory": ("MAX_MEMORY", 900 << 20), "size": ("MAX_KERNELS", 7), "files": ("MAX_FILES", 64)}
    async with Node(at(found[0]), python=settings.python, limits=Limits(), asked_for=asked_for):
        pass
    told = [record.message for record in caplog.records if "settings of its own" in record.message]
    assert [line.partition(" is not used ")[0] for line in told] == ["MAX_MEMORY", "MAX_KERNELS"]


async def test_a_node_of_another_version_keeps_its_kernels_and_ours_is_started_beside_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """People get fresh kernels at once; the other takes nobody new, and ends when its kernels have."""
    settings = replace(node_settings(tmp_path), tier="none", libraries=())
    beside = settings.folder.with_name(f"node-{PROTOCOL}")
    async with noded(settings) as old:
        kernel = old.kernel("a", SomeFiles())
        assert await value(kernel, "x = 41; x") == "41"
        record = json.loads((settings.folder / RECORD).read_text())
        (settings.folder / RECORD).write_text(json.dumps({**record, "protocol": PROTOCOL - 1}))
        try:
            async with Node(local_node(settings), python=settings.python, limits=settings.limits) as new:
                assert await value(new.kernel("a", SomeFiles()), "'x' in globals()") == "False"
                assert f"an older version (process {record['pid']})" in caplog.text
                with pytest.raises(OSError, match="no new sessions"):
                    await old.kernel("b", SomeFiles()).left_running()
                assert await value(kernel, "x + 1") == "42"
                async with Node(
                    local_node(settings), python=settings.python, limits=settings.limits
                ) as again:
                    assert again._id == new._id
                await old.release("a")
                await old.ask("DELETE", "sessions/a")  # as after an idle time
                await until(lambda: recorded(settings.folder) is None)
                async with Node(
                    local_node(settings), python=settings.python, limits=settings.limits
                ) as again:
                    assert again._id == new._id  # ours is found where it is
        finally:
            if (found := recorded(beside)) is not None:
                os.kill(found[1], signal.SIGTERM)
                await until(lambda: recorded(beside) is None)


async def test_an_older_and_a_newer_node_at_a_given_place_are_told_apart(
    node: Node, settings: NodeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can start another there; they are left alone, with all their kernels."""
    found = recorded(settings.folder)
    assert found is not None
    for ours, newer in ((PROTOCOL + 1, False), (PROTOCOL - 1, True)):
        monkeypatch.setattr("kernels.client.node.PROTOCOL", ours)
        with pytest.raises(NodeIncompatible) as raised:
            async with Node(at(found[0]), python=settings.python, limits=settings.limits):
                pass
        assert (raised.value.newer, raised.value.pid) == (newer, found[1])
    assert os.path.exists(settings.address)


async def test_a_command_says_what_is_wrong_with_it() -> None:
    """In a sentence."""
    check({"m": 1, "do": "state", "new": 1})
    for command in (
        {},
        {"do": "dance"},
        {"do": "start", "run": "a"},
        {"do": "start", "run": "a", "tag": None},
    ):
        with pytest.raises(NotUnderstood):
            check(command)


async def test_no_token_is_shown(settings: NodeSettings) -> None:
    """Where a value is logged, or in a traceback."""
    for shown in (settings, Place("/s", "secret")):
        assert "secret" not in repr(shown)
