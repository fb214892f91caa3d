"""Answers of the model that an earlier program left unfinished."""

from datetime import timedelta

from nextcord.utils import time_snowflake

from bot.discord.answers.unfinished import NOTE, end_unfinished, unfinished
from bot.discord.api.retry import DiscordRefused, Refusal
from filestore.records import MessageCell
from tests.bot.discord.answers.fakes import (
    CHANNEL,
    NOW,
    FakeCells,
    FakeDestinations,
    FakeMessage,
    a_context,
    a_record,
)


def noted(minutes: int, seq: int, first: int) -> MessageCell:
    """A message that was sent so long before this program began."""
    return MessageCell(time_snowflake(NOW - timedelta(minutes=minutes)), "u1", seq, CHANNEL, first)


async def test_unfinished_answers_are_those_of_an_earlier_program_whose_cell_does_not_run() -> None:
    """The newest first; what this program has sent, what is over and what runs on is left alone."""
    words, ended = noted(9, 0, 1), noted(8, 2, 2)
    cells = FakeCells(words, ended, noted(7, 3, 3), noted(6, 4, -4), noted(-1, 0, 1))
    context = a_context(cells=cells, records=[a_record(2, "ok"), a_record(3, "running")])
    assert await unfinished(context, NOW) == [ended, words]


async def test_an_unfinished_answer_keeps_its_words_and_says_that_it_is_over() -> None:
    """It is noted as over, so that the next program leaves it alone."""
    left = noted(9, 2, 2)
    cells, message = FakeCells(left), FakeMessage(content="Half of it\n-# Writing … 10 s")
    context = a_context(cells=cells, destinations=FakeDestinations(message))
    await end_unfinished(context, [left])
    assert message.outgoings[-1].content == f"Half of it\n-# {NOTE}"
    assert message.views[-1] == ["rerun", "edit", "notebook", "files"]
    assert cells.noted[left.message_id].first == -2


async def test_an_answer_that_discord_cannot_change_now_is_tried_again_by_the_next_program() -> None:
    """One that is gone for good is noted as over."""
    for kind, over in ((Refusal.UNREACHABLE, False), (Refusal.MESSAGE_GONE, True)):
        left = noted(9, 0, 1)
        cells, message = FakeCells(left), FakeMessage(None, DiscordRefused(kind, OSError()))
        await end_unfinished(a_context(cells=cells, destinations=FakeDestinations(message)), [left])
        assert (cells.noted[left.message_id].first == 0) is over
