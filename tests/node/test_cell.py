"""A cell that runs in a node, as the bot sees it: when it is let go, and when it is over."""

import asyncio
import time
from typing import Any

import pytest

from kernels.cell import codec
from kernels.cell.events import InputRequest, Queued, Restarted, Stream, Unstopped
from kernels.cell.result import RunResult
from kernels.client.cell import RemoteCell
from kernels.client.ends import Connect, Connected
from kernels.client.kernel import RemoteKernel
from kernels.errors import NodeUnavailable, NoQuestion
from kernels.limits import Limits
from kernels.workspace.captured import Captured
from tests.live.cells import NoFiles


class Host:
    """What a cell needs of its kernel."""

    limits = Limits()

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self.left_behind: list[RemoteCell] = []

    def send(self, do: str, **fields: Any) -> int:
        return 1

    def acknowledge(self, number: int) -> None:
        self.acknowledged.append(number)

    def opened(self, number: int, fields: dict[str, Any]) -> Captured:
        raise AssertionError

    def restarted(self) -> Restarted | None:
        return None

    def over(self, cell: RemoteCell) -> None:
        pass

    def withdraw(self, number: int) -> bool:
        return False

    def flush(self) -> None:
        pass

    def has_arrived(self, number: int) -> bool:
        return True

    def leave_behind(self, cell: RemoteCell) -> None:
        self.left_behind.append(cell)


@pytest.fixture
def cell() -> RemoteCell:
    """A cell that has printed and is over, of which nothing was read yet."""
    cell = RemoteCell(Host(), "a-1", "", tag=3, turn="", allow_input=True, begun=True)
    result = RunResult(
        status="ok",
        output="x",
        outputs=(),
        error=None,
        execution_time=1.0,
        execution_count=1,
        captured=(),
        skipped=(),
    )
    cell.take({"n": 1, "run": "a-1", "event": codec.event(Stream("stdout", "x"))})
    cell.take({"n": 2, "run": "a-1", "result": codec.result(result, [])})
    return cell


async def test_a_cell_that_is_let_go_before_its_end_was_read_goes_on(cell: RemoteCell) -> None:
    """Whoever comes next reads the end, so we do not, and no result is missing without a word."""

    async def turn() -> None:
        async with cell:
            async for _ in cell:
                cell.detach()

    with pytest.raises(asyncio.CancelledError):
        await turn()
    assert cell.goes_on


async def test_a_question_has_the_number_that_its_cell_waits_with() -> None:
    """That of the news, whatever the node has counted: the next program finds the same."""
    cell = RemoteCell(Host(), "a-1", "", tag=3, turn="", allow_input=True, begun=True)
    told = codec.event(InputRequest("name? ", password=False, number=1))
    cell.take({"n": 5, "run": "a-1", "event": told})
    async for event in cell:
        assert isinstance(event, InputRequest)
        assert event.number == cell.question == 5
        break


async def test_a_cell_whose_end_was_read_is_over_when_it_is_let_go(cell: RemoteCell) -> None:
    """Its result is there to be recorded."""
    async with cell:
        async for _ in cell:
            pass
        cell.detach()
    assert not cell.goes_on
    assert cell.result.output == "x"


def test_a_cell_begins_when_its_turn_has_come() -> None:
    """What the cells before it wrote, while it stood in line, is not taken for its own."""
    cell = RemoteCell(Host(), "a-1", "", tag=3, turn="", allow_input=True)
    for number, position in enumerate((2, 1)):
        cell.take({"n": number, "run": "a-1", "event": codec.event(Queued(position))})
        assert cell.began is None
    before = time.time()
    cell.take({"n": 3, "run": "a-1", "event": codec.event(Queued(0))})
    assert cell.began is not None
    assert cell.began >= before


UNSTOPPED = codec.event(Unstopped((), limited=True, asks=False))
QUESTION = codec.event(InputRequest("who? ", password=False))


@pytest.mark.parametrize("waits", [True, False])
async def test_a_cell_that_is_waited_for_is_not_given_up_when_the_node_is_silent(waits: bool) -> None:
    """Also if it was stopped once more before that was said; one that is being stopped is given up."""
    host = Host()
    cell = RemoteCell(host, "a-1", "", tag=3, turn="", allow_input=True, begun=True)
    await cell.stop()
    cell.take({"n": 1, "run": "a-1", "event": UNSTOPPED})
    await cell.stop()
    if waits:
        cell.decide(kill=False)
    cell.wait()
    assert host.left_behind == ([] if waits else [cell])


@pytest.mark.parametrize("how", ["stop", "interrupt", "asks again"])
async def test_a_withdrawn_question_does_not_come_back(how: str) -> None:
    """It is acknowledged, so that the node does not tell it to the program after this one."""
    host = Host()
    cell = RemoteCell(host, "a-1", "", tag=3, turn="", allow_input=True, begun=True)
    cell.take({"n": 1, "run": "a-1", "event": QUESTION})
    assert host.acknowledged == []
    if how == "asks again":
        cell.take({"n": 2, "run": "a-1", "event": QUESTION})
        assert (host.acknowledged, cell.question) == ([1], 2)
        return
    await getattr(cell, how)()
    assert host.acknowledged == [1]
    with pytest.raises(NoQuestion):
        cell.answer("Ada")
    assert host.acknowledged == [1]


async def test_nobody_decides_about_a_cell_that_is_ended_anyway() -> None:
    """Its kernel is killed if it does not stop, and nobody waits for a node that is silent."""
    host = Host()
    cell = RemoteCell(host, "a-1", "", tag=3, turn="", allow_input=True, begun=True)
    await cell.stop()
    cell.take({"n": 1, "run": "a-1", "event": UNSTOPPED})
    await cell.interrupt()
    with pytest.raises(NoQuestion):
        cell.decide(kill=False)
    assert host.acknowledged == [1]
    cell.wait()
    assert host.left_behind == [cell]


class Asked:
    """A node that is asked, and never reached by a connection."""

    limits = Limits()
    local = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, object]] = []

    def connect_to(self, session_id: str) -> Connect:
        async def connect(known: str) -> Connected:
            raise NodeUnavailable("nobody is there")

        return connect

    async def ask(
        self, method: str, path: str, *, params: Any = None, data: Any = None, start: bool = True
    ) -> bytes:
        self.asked.append((path, params))
        return b"{}"


async def test_the_next_node_is_told_how_wide_tables_may_be() -> None:
    """The one before it took that along; nothing is said where nobody has asked for a width."""
    node = Asked()
    kernel = RemoteKernel(node, "u1", NoFiles())  # type: ignore[arg-type]  # what is asked of it, it has
    kernel.greet({"runs": []})
    await kernel.widen(132)
    kernel.greet({"runs": []})
    await asyncio.wait(kernel._answering)
    assert node.asked == [("sessions/u1/hints/columns", {"position": "132"})] * 2
    await kernel.detach()
