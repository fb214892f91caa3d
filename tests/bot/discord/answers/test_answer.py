"""An answer on Discord: whose message it is while it is live, and whose it was before."""

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
    """Whoever would show its old cell again sees that in time."""
    context = a_context(OneSession())
    message = FakeMessage(context)
    answer = a_live_answer(context, message)
    await answer.open()
    answer.close()
    assert message.held == [True]
    assert held(context) == ([], [])


async def test_a_message_that_is_taken_over_by_an_answer_without_a_cell_is_no_longer_its_old_cells() -> None:
    """Else a display that the old cell's person updates later would replace the new answer."""
    cells = FakeCells(MessageCell(MESSAGE, "u1", 3, CHANNEL))
    context = a_context(OneSession(), cells=cells)
    answer = a_live_answer(context, FakeMessage())
    await answer.open()
    await answer.finish("It failed.")
    assert cells.noted[MESSAGE].seq == 0
    assert await cells.of_cell("u1", 3) == []


async def test_a_turn_is_noted_with_its_message_with_its_cell_and_at_its_end() -> None:
    """These three writes, whatever the cell shows: the next program knows at any moment what is left."""
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
    """Unless its note is gone: then its person wanted everything to be deleted."""
    for forgotten, left in ((False, [MessageCell(MESSAGE, "u1", 0, CHANNEL)]), (True, [])):
        cells = FakeCells()
        answer = a_live_answer(a_context(None, cells=cells), turn="t1")
        await answer.open()
        assert cells.records == [(ADA, "dm")]  # by which the note is found when ada is deleted
        if forgotten:
            cells.noted.clear()
        await answer.finish("It failed.")
        assert list(cells.noted.values()) == left


async def test_a_kill_before_the_cell_is_known_stays_one_though_stop_is_clicked() -> None:
    """A message was edited, and then somebody clicks Stop under its answer."""
    session = OneSession()
    answer = a_live_answer(a_context(session))
    await answer.stop(kill=True)
    await answer.stop()
    await answer.tell(Reply(3, code="1"))
    answer.close()
    assert session.stops[-1] == (3, True)
