"""A session's kernel in a node, as the bot has it: whom news is for, and what is lost when a node ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kernels.cell.events import InputRequest, Restarted, Stream
from kernels.cell.result import Late, RunResult, Variable
from kernels.client.captured import RemoteFile
from kernels.client.kernel import RemoteKernel
from kernels.client.patience import PATIENCE
from kernels.client.session_socket import Connect, SessionSocket
from kernels.errors import NodeUnavailable
from kernels.limits import Limits
from kernels.node.encoding import FileOnNode
from kernels.node.messages import (
    CellEnd,
    CellEvent,
    FileQuestion,
    FilesAnswer,
    LateOutput,
    RunningCell,
    Welcome,
    read_commands,
)
from kernels.workspace.captured import Scan, Stamp
from tests.live.cells import NoFiles

LEFT = RunningCell("b-1", 7, "turn", 1.5, "print()")
FILE = FileOnNode("a.csv", 3, 1.5, b"/srv/u1", b"a.csv", Stamp(1, 2, 3, 4, 5)).file()


class Asked:
    """A node that records what it is asked, and never gets a connection."""

    limits = Limits()
    patience = PATIENCE
    local = True
    keeps_variables = False

    def __init__(self) -> None:
        self.asked: list[tuple[str, object]] = []

    def connect_to(self, session_id: str) -> Connect:
        async def connect(known: str) -> SessionSocket:
            raise NodeUnavailable("nobody is there")

        return connect

    async def ask(
        self, method: str, path: str, *, params: Any = None, data: Any = None, start: bool = True
    ) -> bytes:
        self.asked.append((path, params))
        return b"{}"

    def get(self, path: str, params: Any = None, *, of: str) -> Any:
        self.asked.append((path, params))


@pytest.fixture
def node() -> Asked:
    """The kernel's node."""
    return Asked()


@pytest.fixture
async def kernel(node: Asked) -> AsyncIterator[RemoteKernel]:
    """A kernel that its node has greeted, with a cell begun by another program."""
    kernel = RemoteKernel(node, "u1", NoFiles())
    kernel.greet(Welcome(0, (LEFT,), (), Limits(memory=1)))
    yield kernel
    await kernel.detach()


def sent(kernel: RemoteKernel) -> list[str]:
    """The names of the commands that wait to be sent to a node."""
    return [type(one).__name__ for text in kernel._link._outbox.messages() for one in read_commands(text)]


async def late(kernel: RemoteKernel) -> Late:
    """The next piece of late output."""
    async with asyncio.timeout(30):
        return await anext(aiter(kernel.late()))


async def test_what_was_begun_before_is_there_once(kernel: RemoteKernel) -> None:
    """However often the node greets us; the limits are the node's."""
    (cell,) = kernel._left.values()
    kernel.greet(Welcome(0, (LEFT,), (), Limits(memory=2)))
    assert kernel._left == {7: cell}
    assert (cell.code, cell.turn, cell.began) == ("print()", "turn", 1.5)
    assert kernel.limits == Limits(memory=2)


async def test_news_is_for_the_cell_that_it_names(kernel: RemoteKernel, node: Asked) -> None:
    """It brings the variables; unclaimed news is acknowledged, and late output names its cell."""
    (cell,) = kernel._left.values()
    kernel.take_news(CellEvent(n=1, run="b-1", event=Stream("stdout", "x")))
    kernel.take_news(CellEvent(n=2, run="gone", event=Stream("stdout", "y")))
    assert kernel._link._acknowledged == [2]
    result = RunResult("ok", "x", (), captured=(FILE,))
    kernel.take_news(CellEnd(n=3, run="b-1", result=result, variables=(Variable("x", "int", "1"),)))
    async with asyncio.timeout(30):
        async with cell:
            assert [event async for event in cell] == [Stream("stdout", "x")]
    assert kernel.variables == (Variable("x", "int", "1"),)
    (file,) = cell.result.captured
    assert isinstance(file, RemoteFile)
    assert file.here == FILE
    file.get(params={})
    assert node.asked == [("sessions/u1/log/3/files/0", {})]
    kernel.take_news(LateOutput(n=4, late=Late(7, event=Stream("stdout", "late"))))
    assert await late(kernel) == Late(7, event=Stream("stdout", "late"))


async def test_late_files_are_fetched_from_their_news(kernel: RemoteKernel, node: Asked) -> None:
    """If the node is on another machine there is no other way."""
    node.local = False
    kernel.take_news(LateOutput(n=5, late=Late(7, scan=Scan((FILE, FILE)))))
    told = await late(kernel)
    assert told.scan is not None
    for file in told.scan.captured:
        assert isinstance(file, RemoteFile)
        assert file.here is None
        file.get(params={})
    assert node.asked == [(f"sessions/u1/log/5/files/{index}", {}) for index in range(2)]


async def test_a_cell_that_was_given_up_tells_late_what_it_still_shows(kernel: RemoteKernel) -> None:
    """Nobody can answer its question any more. Its files count as late, and then the node forgets it."""
    (cell,) = kernel._left.values()
    kernel.given_up(NodeUnavailable("it does not answer"))
    async with cell:
        async for _ in cell:
            pass
    assert kernel.goes_on
    kernel.take_news(CellEvent(n=1, run="b-1", event=Stream("stdout", "x")))
    kernel.take_news(CellEvent(n=2, run="b-1", event=InputRequest("who? ", password=False)))
    assert await late(kernel) == Late(7, event=Stream("stdout", "x"))
    assert kernel._link._acknowledged == [2]
    kernel.take_news(CellEnd(n=3, run="b-1", result=RunResult("ok", "x", (), captured=(FILE,))))
    assert not kernel.goes_on
    told = aiter(kernel.late())
    came = await anext(told)
    assert came.scan is not None
    assert [file.name for file in came.scan.captured] == ["a.csv"]
    sent(kernel)
    settling = asyncio.ensure_future(anext(told))  # the files are being kept
    await asyncio.sleep(0)
    assert sent(kernel) == ["SettleCell"]
    settling.cancel()


async def test_a_node_that_is_gone_takes_the_cell_along_and_the_next_one_learns_the_workspace(
    kernel: RemoteKernel,
) -> None:
    """A running cell dies with its node; a queued one joins the queue of the next node."""
    (cell,) = kernel._left.values()
    waiting = kernel.run("2")
    kernel.take_news(CellEnd(n=1, run="other", variables=(Variable("x", "int", "1"),)))
    await waiting.__aenter__()
    sent(kernel)
    kernel._link._outbox.clear()
    kernel.lost("the node that kept it has ended")
    assert sent(kernel) == ["CatchUp", "EnterCell"]
    restarted = Restarted("the node that kept it has ended", ("files",), ("x",), unnamed=True)
    async with cell:
        assert [event async for event in cell] == [restarted]
    assert (cell.result.status, cell.result.cause, cell.result.restarted) == ("died", "node", restarted)
    assert kernel.variables == ()
    waiting.detach()


async def test_names_that_may_come_back_stay_the_kernels_until_the_next_one_has_told(
    kernel: RemoteKernel, node: Asked
) -> None:
    """They are noted after the cell that died: if this program ends as well, the next one knows them."""
    node.keeps_variables = True
    (cell,) = kernel._left.values()
    kernel.take_news(CellEnd(n=1, run="other", variables=(Variable("x", "int", "1"),)))
    kernel.lost("the node that kept it has ended")
    async with cell:
        assert [event.lost async for event in cell if isinstance(event, Restarted)] == [()]
    assert [one.name for one in kernel.variables] == ["x"]
    following = kernel.run("2")
    kernel.take_news(CellEvent(n=2, run=following.key, event=Stream("stdout", "y")))
    told = [news.event for news in following._news if isinstance(news, CellEvent)]
    assert told == [Restarted("the node that kept it has ended", ("files",), ("x",)), Stream("stdout", "y")]
    assert kernel.variables == ()


class Slow(NoFiles):
    """A workspace into which nothing can be put before `free` is set."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.begun = 0

    async def place(self, wanted: str) -> str:
        self.begun += 1
        await self.free.wait()
        return wanted


async def test_few_files_are_placed_at_a_time_and_none_that_nobody_waits_for(
    node: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node gives up and asks again while the disk is slow: what is under way must not become more."""
    slow, answers = Slow(), list[object]()
    kernel = RemoteKernel(node, "u1", slow)
    monkeypatch.setattr(kernel, "send", answers.append)
    for number in range(6):
        kernel.question(FileQuestion(number, "place", "a.csv"))
    kernel.question(FileQuestion(6, "list", ""))
    for _ in range(9):
        await asyncio.sleep(0)
    assert (slow.begun, answers) == (2, [FilesAnswer(ask=6)])
    monkeypatch.setattr("kernels.client.kernel.BOT_TIME", 0.0)
    slow.free.set()
    await asyncio.wait(kernel._answering)
    assert answers[1:] == [FilesAnswer(ask=number, name="a.csv") for number in (0, 1)]
    assert slow.begun == 2
    await kernel.detach()


class Failing(NoFiles):
    """A workspace from which its code removes what is put there."""

    async def place(self, wanted: str) -> str:
        raise FileNotFoundError(wanted)


async def test_questions_that_cannot_be_answered_do_not_fill_the_log(
    node: Asked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A cell can ask them as often as it likes; each is answered."""
    kernel, answers = RemoteKernel(node, "u1", Failing()), list[object]()
    monkeypatch.setattr(kernel, "send", answers.append)
    for number in range(3):
        kernel.question(FileQuestion(number, "place", "a.csv"))
        await asyncio.wait(kernel._answering)
    assert answers == [FilesAnswer(ask=number, failed="FileNotFoundError") for number in range(3)]
    (record,) = caplog.records
    assert "FileNotFoundError" in record.message
    await kernel.detach()


async def test_the_next_node_is_told_how_wide_tables_may_be(node: Asked) -> None:
    """The old node took the width with it; nothing is sent if nobody has asked for one."""
    kernel = RemoteKernel(node, "u1", NoFiles())
    kernel.greet(Welcome(0, (), (), Limits()))
    await kernel.widen(132)
    kernel.greet(Welcome(0, (), (), Limits()))
    await asyncio.wait(kernel._answering)
    assert node.asked == [("sessions/u1/hints/columns", {"position": "132"})] * 2
    await kernel.detach()


async def test_names_are_not_lost_before_the_next_node_has_told(kernel: RemoteKernel, node: Asked) -> None:
    """It may bring them back: the cell that died does not name them, and the next one tells."""
    node.keeps_variables = True
    (cell,) = kernel._left.values()
    kernel.take_news(CellEnd(n=1, run="other", variables=(Variable("x", "int", "1"),)))
    waiting = kernel.run("2", tag=8)
    await waiting.__aenter__()
    kernel.lost("the node that kept it has ended")
    assert kernel.restarted() is None
    kernel.take_news(CellEvent(n=1, run=waiting.key, event=Stream("stdout", "2")))
    kernel.take_news(CellEnd(n=2, run=waiting.key, result=RunResult("ok", "2", ())))
    async with cell:
        told = [event async for event in cell]
    assert told == [Restarted("the node that kept it has ended", ("files",), (), unnamed=True)]
    async with asyncio.timeout(30):
        async with waiting:
            events = [event async for event in waiting]
    lost = Restarted("the node that kept it has ended", ("files",), ("x",))
    assert events == [lost, Stream("stdout", "2")]
    assert waiting.result.restarted == lost


@pytest.mark.parametrize("saves", [False, True])
async def test_what_was_not_told_is_not_forgotten_with_the_node(
    kernel: RemoteKernel, node: Asked, saves: bool
) -> None:
    """A cell that was given up had lost variables, and its node ends before anybody was told."""
    node.keeps_variables = saves
    kernel._left.clear()
    kernel._cells.clear()
    kernel._given_up["gone"] = 3
    lost = Restarted("out of memory", ("files",), ("y",))
    variables = (Variable("x", "int", "1"),)
    result = RunResult("died", "", (), restarted=lost)
    kernel.take_news(CellEnd(n=1, run="gone", result=result, variables=variables))
    kernel.lost("the node that kept it has ended")
    cell = kernel.run("2", tag=8)
    async with asyncio.timeout(30):
        async with cell:
            kernel.take_news(CellEvent(n=2, run=cell.key, event=Stream("stdout", "2")))
            kernel.take_news(CellEnd(n=3, run=cell.key, result=RunResult("ok", "2", (), execution_count=1)))
            told, *_ = [event async for event in cell]
    assert isinstance(told, Restarted)
    assert told.lost == ("y", "x")
