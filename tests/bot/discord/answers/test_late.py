"""Late output that cannot be shown."""

import asyncio

import pytest

from bot.discord.answers.late import LateAnswers
from bot.discord.format.answer import Draft
from bot.reply import Reply
from tests.bot.discord.answers.fakes import CHANNEL, MESSAGE, OneSession, a_context, a_session_record, held


async def test_late_output_that_cannot_be_told_holds_no_message_and_no_channel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The task that keeps its message live ends too."""
    context, told = a_context(OneSession()), []

    def fails(_draft: Draft, reply: Reply) -> None:
        told.append((reply.cell, held(context)))
        raise ValueError("x")

    monkeypatch.setattr(Draft, "add_reply", fails)
    before = asyncio.all_tasks()
    LateAnswers(context).tell(a_session_record(), Reply(7, late=True))
    await context.tasks.wait(10)
    assert told == [(7, ([MESSAGE], [CHANNEL]))]
    assert held(context) == ([], [])
    async with asyncio.timeout(10):
        await asyncio.gather(*(asyncio.all_tasks() - before))
