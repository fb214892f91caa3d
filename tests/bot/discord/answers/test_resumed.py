"""Answers that an earlier program began, when this program ends before they do."""

from bot.discord.answers.ending import GOES_ON
from bot.discord.answers.resumed import ResumedAnswers
from bot.reply import Reply
from kernels.cell.events import Stream
from tests.bot.discord.answers.fakes import OneSession, a_context, a_session_record, held


async def test_a_resumed_answer_says_that_the_bot_is_restarted_when_it_ends_first() -> None:
    """Its message does not look as if the bot still followed the cell, and nothing keeps it live."""
    context = a_context(OneSession())
    direct = context.destinations.direct(1)
    resumed = ResumedAnswers(context)
    await resumed.tell(a_session_record(), Reply(3, Stream("stdout", "half\n")))
    assert len(held(context)[0]) == 1
    await context.let_run(0)
    resumed.close()
    await context.tasks.end()
    (message,) = direct.sent  # type: ignore[attr-defined]
    assert GOES_ON in message.outgoings[-1].content
    assert "half" in message.outgoings[-1].content
    assert held(context) == ([], [])
