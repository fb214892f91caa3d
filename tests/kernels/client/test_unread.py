"""Unreadable news from a node ends what it is about, with a sentence; everything else goes on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self, cast

import aiohttp
import pytest

from kernels.cell.events import Event, Stream
from kernels.cell.result import Late, RunResult
from kernels.client.kernel import RemoteKernel
from kernels.client.patience import PATIENCE
from kernels.client.session_socket import Connect, SessionSocket
from kernels.errors import ResultUnread
from kernels.interface import Cell
from kernels.limits import Limits
from kernels.node.encoding import RaisedError, encode
from kernels.node.messages import (
    UNREAD,
    Acknowledge,
    Answer,
    AnyNews,
    CellEnd,
    CellEvent,
    GetState,
    LateOutput,
    NewsBatch,
    SettleCell,
    StartCell,
    Welcome,
    read_commands,
    read_news,
)
from tests.live.cells import NoFiles, until

OK = RunResult("ok", "", ())


def broken(news: Any) -> bytes:
    """News with a number where text belongs, or with one too large for any program."""
    return (
        encode(news).replace(b'"stdout"', b"7").replace(b'"ok"', b"1e999").replace(b'"state":', b'"call":7')
    )


class SpoilingNode:
    """A node whose news about the first cell cannot be read."""

    limits = Limits()
    patience = PATIENCE
    local = True

    def __init__(self) -> None:
        self.connections = 0
        self.settled: list[str] = []
        self.acknowledged: set[int] = set()
        self.closed = False
        self.close_code: int | None = None
        self._said: asyncio.Queue[bytes] = asyncio.Queue()
        self._number = 0
        self._cells: list[str] = []

    def connect_to(self, session_id: str) -> Connect:
        async def connect(known: str) -> SessionSocket:
            self.connections += 1
            return SessionSocket(cast(Any, self), "node", cast(Any, None))

        return connect

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed = True

    async def close(self) -> None:
        self.closed = True

    async def __aiter__(self) -> AsyncIterator[aiohttp.WSMessage]:
        while True:
            yield aiohttp.WSMessage(aiohttp.WSMsgType.BINARY, await self._said.get(), None)

    async def send_bytes(self, text: bytes) -> None:
        if not text.startswith(b"["):
            self._said.put_nowait(encode(Welcome(0, (), (), Limits())))
            return
        for command in read_commands(text):
            match command:
                case StartCell(run=run):
                    self._cells.append(run)
                    self._run(run, whole=len(self._cells) > 1)
                case GetState(m=call):
                    self._tell(encode(Answer(n=self._next(), call=call)).replace(b"null", b"7", 1))
                case SettleCell(run=run):
                    self.settled.append(run)
                case Acknowledge(numbers=numbers):
                    self.acknowledged |= set(numbers)

    def _run(self, run: str, *, whole: bool) -> None:
        event = CellEvent(n=self._next(), run=run, event=Stream("stdout", "x\n"))
        late = LateOutput(n=self._next(), late=Late(3, event=Stream("stdout", "y\n")))
        end = CellEnd(n=self._next(), run=run, result=OK)
        news = (event, late, end)
        self._tell(*map(encode if whole else broken, news), b'{"is":"Smell","n":%d}' % self._next())

    def _tell(self, *news: bytes) -> None:
        self._said.put_nowait(b'{"type":"NewsBatch","got":9,"log":[' + b",".join(news) + b"]}")

    def _next(self) -> int:
        self._number += 1
        return self._number


async def through(cell: Cell, events: list[Event]) -> None:
    """Read a cell's events to the end."""
    async with cell:
        async for event in cell:
            events.append(event)  # noqa: PERF401  those before a failure are kept


async def test_the_cell_whose_end_cannot_be_read_fails_in_a_sentence_and_the_next_one_runs() -> None:
    """One event and one line of late output say so; all of the news is acknowledged, once."""
    assert encode(NewsBatch(9, [])) == b'{"type":"NewsBatch","got":9,"log":[]}'
    node = SpoilingNode()
    kernel, events, late = RemoteKernel(cast(Any, node), "u1", NoFiles()), list[Event](), list[Late]()

    async def listen() -> None:
        async for one in kernel.late():
            late.append(one)

    listening = asyncio.create_task(listen())
    async with asyncio.timeout(20):
        first = kernel.run("x", tag=1)
        with pytest.raises(ResultUnread):
            await through(first, events)
        first.settle()
        assert events == [Stream("stderr", UNREAD)]
        assert first.result.output == UNREAD
        with pytest.raises(ResultUnread):
            await kernel.state()
        second = kernel.run("y", tag=2)
        await through(second, events)
        second.settle()
        assert (second.result, events[1:]) == (OK, [Stream("stdout", "x\n")])
        await until(lambda: len(node.settled) == 2 and node.acknowledged == {1, 2, 4, 5, 6, 7, 9})
    assert late == [Late(3, event=Stream("stderr", UNREAD)), Late(3, event=Stream("stdout", "y\n"))]
    assert node.connections == 1
    listening.cancel()
    await kernel.detach()


UNREAD_EVENT = CellEvent(n=5, run="a", event=Stream("stderr", UNREAD))
UNREAD_LATE = LateOutput(n=5, late=Late(3, event=Stream("stderr", UNREAD)))
NOTHING = Answer(n=5, call=0, error=RaisedError.of(ResultUnread()))
END = CellEnd(n=5, run="a", error=RaisedError.of(ResultUnread()))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (b'{"is":"CellEvent","n":5,"run":"a","event":7}', UNREAD_EVENT),
        (b'{"is":"CellEvent","n":5,"run":"a","event":{"is":8}}', UNREAD_EVENT),
        (
            b'{"is":"CellEvent","n":5,"run":"a","event":{"is":"Stream","name":"stdout","text":"\xff"}}',
            UNREAD_EVENT,
        ),
        (b'{"is":"CellEnd","n":5,"run":"a","result":"\xff","call":"x","late":8}', END),
        (b'{"is":"CellEnd","n":5,"run":7}', NOTHING),
        (b'{"is":"LateOutput","n":5,"late":{"tag":3,"event":8}}', UNREAD_LATE),
        (b'{"is":"LateOutput","n":5,"late":7}', NOTHING),
        (b'{"is":7,"n":5,"call":"x"}', NOTHING),
    ],
)
def test_news_that_cannot_be_read_is_read_by_its_parts(text: bytes, read: AnyNews) -> None:
    """Whatever is wrong with a part, it is acknowledged; otherwise it would come again and again."""
    assert read_news(text) == read
