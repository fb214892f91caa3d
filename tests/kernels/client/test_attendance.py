"""A connected bot shows its node that it is there, whatever goes wrong meanwhile."""

from pathlib import Path

import pytest

from kernels.client import NodeEndpoint, RemoteNode, at
from kernels.limits import Limits
from tests.live.cells import until


class Attending(RemoteNode):
    """A bot's end, without a node at the other."""

    begun = 0

    async def connected(self, known: str = "") -> str:
        return known

    async def _attend(self) -> None:
        self.begun += 1
        if self.begun == 1:
            raise ZeroDivisionError("nobody thought of it")
        await super()._attend()


async def test_attendance_is_begun_again_whatever_it_ends_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the node would leave though a bot is connected."""
    monkeypatch.setattr("kernels.concurrency.lasting.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("kernels.concurrency.lasting.LAST_PAUSE", 0.01)
    find = at(NodeEndpoint("http://127.0.0.1:1", "token"))
    async with Attending(find, python=Path("python3"), limits=Limits()) as node:
        await until(lambda: node.begun > 1)
