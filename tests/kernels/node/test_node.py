"""A node ends all that it has, even while bots come and go."""

import asyncio
import resource
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernels.node.node import Node
from kernels.node.settings import RECORD
from tests.contract.conftest import node_settings


class Served:
    """A session with a kernel; while it closes or its kernel ends, others come and go in its node."""

    attended = False

    def __init__(self, node: Node) -> None:
        self.closed = False
        self.kernel = SimpleNamespace(alive=True, busy=False, last_used=float("-inf"), cull=self.cull)
        self._sessions: dict[str, Any] = node._sessions

    async def close(self, _code: int) -> None:
        self.closed = True
        await asyncio.sleep(0)
        self._sessions.pop("first", None)

    async def cull(self, _reason: str) -> None:
        self.kernel.alive = False
        self._sessions.pop("first", None)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with two sessions that was not started."""
    node = Node(node_settings(tmp_path), lambda: None, draining=0.01)
    sessions: dict[str, Any] = node._sessions
    sessions |= {"first": Served(node), "second": Served(node)}
    return node


async def test_a_session_that_goes_meanwhile_keeps_a_node_from_no_end(node: Node) -> None:
    """Each session is closed, and then the pool."""
    first, second = list[Any](node._sessions.values())
    closed: list[str] = []
    node._stack.callback(closed.append, "pool")
    await node.close()
    assert (first.closed, second.closed, closed) == (True, True, ["pool"])


async def test_sessions_are_closed_side_by_side(node: Node) -> None:
    """A cell that does not stop takes seconds each, and the next node waits only so long for the folder."""
    closing = asyncio.Barrier(2)

    async def close(_code: int) -> None:
        await closing.wait()

    for session in list[Any](node._sessions.values()):
        session.close = close
    async with asyncio.timeout(30):
        await node.close()


async def test_a_session_that_goes_meanwhile_keeps_a_drained_node_from_no_kernel(node: Node) -> None:
    """Each kernel that is not in use is ended, and then the node."""
    second = node._sessions["second"]
    node.drain()
    assert node._pool._saves.closed  # the next node has these sessions
    async with asyncio.timeout(30):
        await node.until_idle()
    assert not second.kernel.alive


@pytest.mark.parametrize("lacking", ["descriptors", "record"])
async def test_only_a_record_that_is_gone_ends_a_node_with_kernels(node: Node, lacking: str) -> None:
    """Not one that cannot be read for a while, as without a free descriptor."""
    node.settings = replace(node.settings, node_idle=timedelta(seconds=0.05))
    node.ready = True
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if lacking == "descriptors":
        node.folder.mkdir()
        (node.folder / RECORD).touch()
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        asyncio.get_running_loop().call_later(0.1, node.drain)
        async with asyncio.timeout(20):
            await node.until_idle()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert node._draining.is_set() == (lacking == "descriptors")


async def test_a_node_that_was_stopped_for_long_keeps_its_kernels(node: Node) -> None:
    """By SIGSTOP, or because the machine stood still: that is no time without kernels."""
    node.settings = replace(node.settings, node_idle=timedelta(seconds=60))
    node._alone_since -= 3600
    asyncio.get_running_loop().call_later(0.1, node.drain)
    async with asyncio.timeout(20):
        await node.until_idle()
    assert node._draining.is_set()
