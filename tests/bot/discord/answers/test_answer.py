"""An answer on Discord: which answer a message belongs to, and which one it belonged to before."""

from dataclasses import replace

from bot.reply import ExecutionResult, Reply
from filestore.records import MessageCell
from kernels.cell.events import Stream
from tests.bot.discord.answers.fakes import (
    ADA,
    CHANNEL,
    MESSAGE,
    FakeCells,
    FakeMessage,
    OneSession,
    a_context,
    a_live_answer,
    held,
)


async def test_a_message_that_is_taken_over_belongs_to_its_new_answer_before_it_changes() -> None:
    """Whatever is about to show the old cell again notices in time."""
    context = a_context(OneSession())
    message = FakeMessage(context)
    answer = a_live_answer(context, message)
    await answer.open()
    answer.close()
    assert message.held == [True]
    assert held(context) == ([], [])


async def test_a_message_that_is_taken_over_by_an_answer_without_a_cell_is_no_longer_its_old_cells() -> None:
    """Otherwise a later update of the old cell's display would replace the new answer."""
    cells = FakeCells(MessageCell(MESSAGE, "u1", 3, CHANNEL))
    context = a_context(OneSession(), cells=cells)
    answer = a_live_answer(context, FakeMessage())
    await answer.open()
    await answer.finish("It failed.")
    assert cells.noted[MESSAGE].seq == 0
    assert await cells.of_cell("u1", 3) == []


async def test_a_turn_is_noted_with_its_message_with_its_cell_and_at_its_end() -> None:
    """These three writes, whatever the cell shows: the next program always knows what is left to do."""
    cells = FakeCells()
    answer = a_live_answer(a_context(OneSession(), cells=cells), turn="t1")
    await answer.open()
    for step in (
        Reply(3, turn="t1"),
        Reply(3, Stream("stdout", "half\n")),
        Reply(3, result=ExecutionResult(status="ok", cell=3, return_code=0)),
    ):
        await answer.tell(step)
    await answer.finish()
    noted = MessageCell(MESSAGE, "u1", 0, CHANNEL, turn="t1")
    assert cells.records == []  # the session is open
    assert cells.sets == [noted, replace(noted, seq=3), replace(noted, seq=3, turn="")]


async def test_an_answer_that_failed_before_its_session_was_open_is_noted_as_over() -> None:
    """Unless its record is gone: then its person asked for everything to be deleted."""
    for forgotten, left in ((False, [MessageCell(MESSAGE, "u1", 0, CHANNEL)]), (True, [])):
        cells = FakeCells()
        answer = a_live_answer(a_context(None, cells=cells), turn="t1")
        await answer.open()
        assert cells.records == [(ADA, "dm")]  # the session by which the answer is found when ada is deleted
        if forgotten:
            cells.noted.clear()
        await answer.finish("It failed.")
        assert list(cells.noted.values()) == left


async def test_an_answer_of_a_deleted_session_is_not_noted_in_the_next_one() -> None:
    """Its person started over before its final state was sent: the new cell 3 is not in its message."""
    for again, left in ((False, [MessageCell(MESSAGE, "u1", 3, CHANNEL)]), (True, [])):
        cells, session = FakeCells(), OneSession()
        context = a_context(session, cells=cells)
        answer = a_live_answer(context, turn="t1")
        await answer.open()
        await answer.tell(Reply(3, turn="t1"))
        await answer.tell(Reply(3, result=ExecutionResult(status="died", cell=3, return_code=1)))
        if again:
            cells.noted.clear()
            context.sessions.opened = lambda _: OneSession()  # type: ignore[assignment, method-assign, return-value]
        await answer.finish()
        assert list(cells.noted.values()) == left


async def test_a_kill_before_the_cell_is_known_stays_one_though_stop_is_clicked() -> None:
    """A message is edited, and then somebody clicks Stop under its answer."""
    session = OneSession()
    answer = a_live_answer(a_context(session))
    await answer.stop(kill=True)
    await answer.stop()
    await answer.tell(Reply(3, code="1"))
    answer.close()
    assert session.stops[-1] == (3, True)
