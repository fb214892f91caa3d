"""Late output that cannot be shown."""

import asyncio
from dataclasses import replace

import pytest

from bot.discord.answers.answer import LiveAnswer
from bot.discord.answers.late import LateAnswers
from bot.discord.format.answer import Draft
from bot.reply import Reply
from tests.bot.discord.answers.fakes import (
    ADA,
    CHANNEL,
    MESSAGE,
    OneSession,
    a_context,
    a_session_record,
    held,
)
from tests.live.cells import until

OTHER = 2


async def test_late_output_of_who_had_everything_deleted_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What waits for Discord is not begun; a message that is there already gets its final state."""
    context = a_context(OneSession())
    late, opened, told = LateAnswers(context), [], []
    waiting, go = asyncio.Event(), asyncio.Event()

    async def opens(answer: LiveAnswer) -> None:
        if answer.user_id == OTHER:
            waiting.set()
            await go.wait()
        opened.append(answer.user_id)

    async def finish(answer: LiveAnswer, _note: str = "") -> bool:
        told.append(answer.user_id)
        return True

    monkeypatch.setattr(LiveAnswer, "open", opens)
    monkeypatch.setattr(LiveAnswer, "finish", finish)
    late.tell(a_session_record(), Reply(7, late=True))
    late.tell(replace(a_session_record(), user_id=OTHER), Reply(7, late=True))
    await waiting.wait()
    await until(lambda: opened == [ADA])
    for user_id in (ADA, OTHER):
        late.forget_person(user_id)
    go.set()
    await context.tasks.wait(10)
    assert opened == [ADA]
    assert told == [ADA]
    assert late._coming == late._sent == {}


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
