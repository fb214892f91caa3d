"""A cell that runs in a node, as the bot sees it: when it is released, and when it is over."""

import time

import pytest

from kernels.cell.events import InputRequest, Queued, Restarted, Stream, Unstopped
from kernels.cell.result import RunResult
from kernels.client.cell import RUNS_ON, RemoteCell
from kernels.errors import GoesOn, NoQuestion
from kernels.limits import Limits
from kernels.node.messages import CellEnd, CellEvent, Command
from kernels.workspace.captured import Captured


class Host:
    """What a cell needs of its kernel."""

    limits = Limits()

    def __init__(self) -> None:
        self.left_behind: list[RemoteCell] = []

    def send(self, command: Command) -> int:
        return 1

    def opened(self, number: int, files: tuple[Captured, ...]) -> tuple[Captured, ...]:
        return files

    def restarted(self) -> Restarted | None:
        return None

    def forget_cell(self, cell: RemoteCell) -> None:
        pass

    def leave_behind(self, cell: RemoteCell) -> None:
        self.left_behind.append(cell)


class Connection:
    """What a cell needs of its kernel's link."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []

    def acknowledge(self, number: int) -> None:
        self.acknowledged.append(number)

    def withdraw(self, number: int) -> bool:
        return False

    def flush(self) -> None:
        pass

    def has_arrived(self, number: int) -> bool:
        return True


@pytest.fixture
def cell() -> RemoteCell:
    """A cell that has printed something and is over, but of which nothing was read yet."""
    cell = RemoteCell(Host(), Connection(), "a-1", "", tag=3, turn="", begun=True)
    cell.take_news(CellEvent(n=1, run="a-1", event=Stream("stdout", "x")))
    cell.take_news(CellEnd(n=2, run="a-1", result=RunResult("ok", "x", (), execution_count=1)))
    return cell


async def test_a_cell_that_is_let_go_before_its_end_was_read_goes_on(cell: RemoteCell) -> None:
    """The next program reads the end instead of us, and a missing result is always reported."""

    async def turn() -> None:
        async with cell:
            async for _ in cell:
                cell.detach()

    with pytest.raises(GoesOn):
        await turn()
    assert cell.goes_on


def test_a_cell_says_last_of_all_that_its_node_does_not_answer() -> None:
    """Only while that is the case; the cell's output comes before it."""
    cell = RemoteCell(Host(), Connection(), "a-1", "", tag=3, turn="", begun=True)
    cell.take_news(CellEvent(n=1, run="a-1", event=Stream("stdout", "a\n")))
    cell.take_news(CellEvent(n=2, run="a-1", event=Stream("stderr", "b\n")))
    cell.wait()
    assert [output["text"] for output in cell.outputs()] == ["a\n", "b\n", RUNS_ON]
    assert [output["text"] for output in cell.outputs(1)] == ["b\n", RUNS_ON]
    cell.back()
    assert [output["text"] for output in cell.outputs()] == ["a\n", "b\n"]


async def test_a_question_has_the_number_that_its_cell_waits_with() -> None:
    """The number comes from the news, whatever the node has counted, so the next program finds the same."""
    cell = RemoteCell(Host(), Connection(), "a-1", "", tag=3, turn="", begun=True)
    asked = InputRequest("name? ", password=False, number=1)
    cell.take_news(CellEvent(n=5, run="a-1", event=asked))
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
    """What earlier cells wrote while it waited in the queue is not attributed to it."""
    cell = RemoteCell(Host(), Connection(), "a-1", "", tag=3, turn="")
    for number, position in enumerate((2, 1)):
        cell.take_news(CellEvent(n=number, run="a-1", event=Queued(position)))
        assert cell.began is None
    before = time.time()
    cell.take_news(CellEvent(n=3, run="a-1", event=Queued(0)))
    assert cell.began is not None
    assert cell.began >= before


UNSTOPPED = Unstopped((), limited=True, asks=False)
QUESTION = InputRequest("who? ", password=False)


@pytest.mark.parametrize("waits", [True, False])
async def test_a_cell_that_is_waited_for_is_not_given_up_when_the_node_is_silent(waits: bool) -> None:
    """Not even if it was stopped again before that decision; a cell being stopped is given up on."""
    host = Host()
    cell = RemoteCell(host, Connection(), "a-1", "", tag=3, turn="", begun=True)
    await cell.stop()
    cell.take_news(CellEvent(n=1, run="a-1", event=UNSTOPPED))
    await cell.stop()
    if waits:
        cell.decide(kill=False)
    cell.wait()
    assert host.left_behind == ([] if waits else [cell])


@pytest.mark.parametrize("how", ["stop", "interrupt", "asks again"])
async def test_a_withdrawn_question_does_not_come_back(how: str) -> None:
    """It is acknowledged, so the node does not pass it on to the next program."""
    link = Connection()
    cell = RemoteCell(Host(), link, "a-1", "", tag=3, turn="", begun=True)
    cell.take_news(CellEvent(n=1, run="a-1", event=QUESTION))
    assert link.acknowledged == []
    if how == "asks again":
        cell.take_news(CellEvent(n=2, run="a-1", event=QUESTION))
        assert (link.acknowledged, cell.question) == ([1], 2)
        return
    await getattr(cell, how)()
    assert link.acknowledged == [1]
    with pytest.raises(NoQuestion):
        cell.answer("Ada")
    assert link.acknowledged == [1]


async def test_nobody_decides_about_a_cell_that_is_ended_anyway() -> None:
    """Its kernel is killed if it does not stop, and nobody waits for a node that is silent."""
    host, link = Host(), Connection()
    cell = RemoteCell(host, link, "a-1", "", tag=3, turn="", begun=True)
    await cell.stop()
    cell.take_news(CellEvent(n=1, run="a-1", event=UNSTOPPED))
    await cell.interrupt()
    with pytest.raises(NoQuestion):
        cell.decide(kill=False)
    assert link.acknowledged == [1]
    cell.wait()
    assert host.left_behind == [cell]
