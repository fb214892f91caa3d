"""A connected bot shows its node that it is there, whatever goes wrong in the meantime."""

import asyncio
from pathlib import Path

from kernels.client import NodeEndpoint, RemoteNode, at
from kernels.limits import Limits
from tests.contract.files import SomeFiles
from tests.live.cells import until


class Attending(RemoteNode):
    """A bot's end of the connection, with no node at the other."""

    begun = 0

    async def connected(self, known: str = "") -> str:
        return known

    async def _attend(self) -> None:
        self.begun += 1
        if self.begun == 1:
            raise ZeroDivisionError("nobody thought of it")
        await super()._attend()


async def test_attendance_is_begun_again_whatever_it_ends_of() -> None:
    """Else the node would leave though a bot is connected."""
    find = at(NodeEndpoint("http://127.0.0.1:1", "token"))
    async with Attending(find, python=Path("python3"), limits=Limits()) as node:
        await until(lambda: node.begun > 1)


class Leaving(RemoteNode):
    """A bot's end whose kernel looks for the node when it is released."""

    looks = False

    async def connected(self, known: str = "", *, start: bool = True) -> str:
        return await super().connected(known, start=start) if self.looks else known

    async def release(self, session_id: str) -> None:
        del self._kernels[session_id]
        self.looks = True
        looking = asyncio.create_task(self.connected())
        await asyncio.sleep(0)
        looking.cancel()


async def test_nobody_looks_for_a_node_any_more_when_the_block_is_left() -> None:
    """Not even for a kernel just released: a node might be found or started that nobody would close."""

    async def find(_start: bool) -> None:
        await asyncio.Event().wait()

    async with Leaving(find, python=Path("python3"), limits=Limits()) as node:
        node.kernel("a", SomeFiles())
    assert not node._meetings
    assert {task.get_name() for task in asyncio.all_tasks()}.isdisjoint({"finding the node", "attendance"})
