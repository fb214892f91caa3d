"""Finding a folder's node, and starting one, at the worst moments."""

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kernels.client import NodeEndpoint, RemoteNode, local_node
from kernels.client.addresses import is_same
from kernels.client.spawn import _held, recorded
from kernels.errors import NodeUnavailable
from kernels.inside.procfs import started
from kernels.limits import Limits
from kernels.node.node import Node
from kernels.node.settings import ALIVE, RECORD
from tests.conftest import ROOT
from tests.contract.conftest import node_settings, noded
from tests.live.cells import until


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """The folder of a node that, by its lock, is alive but has not yet said where it listens."""
    with (tmp_path / ALIVE).open("wb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        yield tmp_path


def record(**changes: Any) -> str:
    """The record that a living node would leave, with this process as the node."""
    fields = {"address": "/s", "token": "t", "pid": os.getpid(), "started": started(os.getpid())}
    return json.dumps(fields | changes)


def a_dead_process() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


NOT_BELIEVED: dict[str, Callable[[], str]] = {  # made in the test: process ids differ from run to run
    "dead": lambda: record(pid=a_dead_process(), started="1"),
    "dead, of an older node": lambda: record(pid=a_dead_process(), started=""),
    "its number is another process's by now": lambda: record(started="1"),
    "cut off": lambda: record()[:20],
    "empty": lambda: "",
    "a list": lambda: "[]",
    "nothing in it": lambda: "{}",
    "null": lambda: "null",
    "no number": lambda: record(pid="x"),
    "no process": lambda: record(pid=None),
}


@pytest.mark.parametrize("text", NOT_BELIEVED.values(), ids=NOT_BELIEVED)
def test_the_record_of_a_dead_node_is_not_believed(held: Path, text: Callable[[], str]) -> None:
    """Even if another node holds the lock, which must first write its own; nor is half a record believed."""
    (held / RECORD).write_text(text())
    assert recorded(held) is None


@pytest.mark.parametrize("changes", [{}, {"started": ""}], ids=["new", "of an older node"])
def test_the_record_of_a_node_that_lives_is_believed_while_it_has_the_lock(
    held: Path, changes: dict[str, str]
) -> None:
    """Even a record too old to contain its start time."""
    (held / RECORD).write_text(record(**changes))
    assert recorded(held) == (NodeEndpoint("/s", "t"), os.getpid())
    with (held / ALIVE).open("wb"):
        (held / ALIVE).unlink()
    assert recorded(held) is None


async def test_asking_what_is_untold_starts_no_node(tmp_path: Path) -> None:
    """If the node is gone there is nothing to report; it is started when somebody runs a cell."""
    started_for: list[bool] = []

    async def find(start: bool) -> None:
        started_for.append(start)

    node = RemoteNode(find, python=Path(sys.executable), limits=Limits())
    connector = aiohttp.UnixConnector(str(tmp_path / "socket"))
    node._http = aiohttp.ClientSession("http://node/", connector=connector)
    try:
        assert await node.untold() == []
        assert started_for == [False]
    finally:
        await node._hang_up()


async def test_a_node_that_neither_starts_nor_ends_is_told_of(tmp_path: Path) -> None:
    """After a while, with what to do, and without another beside it."""
    settings = node_settings(tmp_path)
    settings.folder.mkdir()
    with (settings.folder / ALIVE).open("wb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        with pytest.raises(NodeUnavailable) as raised:
            await local_node(settings, up=0.2)(True)
    assert "end it and start again" in raised.value.remedy
    assert not (settings.folder / "log").exists()


async def test_who_comes_while_a_node_starts_after_anothers_death_waits_for_it(tmp_path: Path) -> None:
    """It gets the new node; no record, token or runtime file of the dead one remains."""
    settings = replace(node_settings(tmp_path), tier="none", libraries=())  # such a node starts sooner
    async with noded(settings), AsyncExitStack() as stack:
        dead = recorded(settings.folder)
        assert dead is not None
        os.kill(dead[1], signal.SIGKILL)
        await until(lambda: not _held(settings.folder))
        left = {path.name for path in (settings.folder / "jupyter").rglob("jpserver-*")}
        assert (settings.folder / RECORD).exists()
        assert left
        nobody_reads, said = os.pipe()  # as when its bot is killed, or gives up, before it is ready
        starting = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kernels.node", "--detach"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=said,
            stderr=asyncio.subprocess.DEVNULL,
        )
        os.close(nobody_reads)
        os.close(said)
        await starting.communicate(replace(settings, token="another").to_json().encode())
        await until(lambda: _held(settings.folder))
        bots = [
            RemoteNode(local_node(settings), python=settings.python, limits=settings.limits) for _ in range(3)
        ]
        await asyncio.gather(*map(stack.enter_async_context, bots))
        found = recorded(settings.folder)
        assert found is not None
        assert found[0].token == "another"
        assert not left & {path.name for path in (settings.folder / "jupyter").rglob("jpserver-*")}
        # If it dies while it is being asked, the next one is started.
        os.kill(found[1], signal.SIGKILL)
        places = [found[0]]

        async def find(start: bool) -> NodeEndpoint | None:
            return places.pop() if places else await local_node(settings)(start)

        async with RemoteNode(find, python=settings.python, limits=settings.limits):
            assert not places


async def test_a_node_leaves_the_record_of_another_alone(tmp_path: Path) -> None:
    """Its folder was deleted, and created again for a node that is still running when the first one ends."""
    settings = node_settings(tmp_path)
    settings.folder.mkdir()
    node = Node(settings, lambda: None)
    for pid, stays in ((os.getpid() + 1, True), (os.getpid(), False)):
        (settings.folder / RECORD).write_text(record(pid=pid))
        Path(settings.address).touch()
        node.ready = True
        await node.close()
        assert (settings.folder / RECORD).exists() == stays
        assert Path(settings.address).exists() == stays


async def test_ending_a_node_that_ends_already_is_no_error(tmp_path: Path) -> None:
    """A node with other settings is asked to end, but may have been killed since it identified itself."""
    settings = replace(node_settings(tmp_path), tier="none", libraries=())
    other = replace(settings, size=settings.size + 1)
    async with noded(settings):
        first = recorded(settings.folder)
        assert first is not None
        bot = RemoteNode(local_node(other), python=other.python, limits=other.limits, kernels=other.kernels)
        outdated = bot._outdated

        def killed() -> bool:
            if found := outdated():
                os.kill(first[1], signal.SIGKILL)
            return found

        bot._outdated = killed  # type: ignore[method-assign]
        async with bot:
            assert recorded(settings.folder) != first


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://127.0.0.1:8888", "http://localhost:8888"),
        ("http://0.0.0.0:8888", "http://127.0.0.1:8888/"),
        ("http://[::1]:8888", "http://127.0.0.1:8888"),
        ("http://no.such.name.invalid:1", "http://NO.such.name.invalid:1"),
    ],
)
def test_one_port_of_one_machine_is_one_node(one: str, other: str) -> None:
    """However the machine is written."""
    assert is_same(one, other)
    assert is_same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://127.0.0.1:8888", "http://127.0.0.1:8889"),
        ("http://127.0.0.1:8888", "http://192.0.2.1:8888"),
        ("http://127.0.0.1:8888", "/run/node.sock"),
        ("http://one.invalid:1", "http://two.invalid:1"),
    ],
)
def test_another_port_or_machine_is_another_node(one: str, other: str) -> None:
    """A socket is no port."""
    assert not is_same(one, other)
    assert not is_same(other, one)


def test_a_socket_is_one_by_any_path_to_it(tmp_path: Path) -> None:
    """Through a link, too, and by a path that goes up and down again."""
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    assert is_same(f"{tmp_path}/run/node.sock", f"{tmp_path}/link/node.sock")
    assert is_same(f"{tmp_path}/run/node.sock", f"{tmp_path}/run/../run/node.sock")
    assert not is_same(f"{tmp_path}/run/node.sock", f"{tmp_path}/run/other.sock")
