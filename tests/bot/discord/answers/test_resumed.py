"""Answers that an earlier program began, when this program ends before they do."""

import asyncio
from typing import Any

import pytest
from nextcord.ui import View

from bot.discord.answers.ending import GOES_ON
from bot.discord.answers.resumed import ResumedAnswers
from bot.discord.format.attachments import Outgoing
from bot.reply import Reply
from filestore.records import MessageCell
from kernels.cell.events import Stream
from tests.bot.discord.answers.fakes import (
    CHANNEL,
    MESSAGE,
    FakeCells,
    FakeDestination,
    FakeDestinations,
    FakeMessage,
    OneSession,
    a_context,
    a_record,
    a_session_record,
    held,
)


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


class _Slow(FakeMessage):
    """Its first edit arrives, and then nobody hears of it."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = asyncio.Event()

    async def edit(self, outgoing: Outgoing, view: View | None, **more: Any) -> None:
        await super().edit(outgoing, view, **more)
        self.shown.set()
        if len(self.outgoings) == 1:
            await asyncio.Event().wait()


class _Channel(FakeDestination):
    def __init__(self, message: FakeMessage) -> None:
        super().__init__()
        self._message = message

    async def fetch(self, _message_id: int) -> FakeMessage:
        return self._message


class _Destinations(FakeDestinations):
    async def channel(self, *_: object) -> FakeDestination:
        return _Channel(self.known)


@pytest.mark.parametrize("closing", [True, False])
async def test_an_answer_that_was_just_being_taken_up_does_not_stay_live_when_the_bot_ends(
    closing: bool,
) -> None:
    """The turn that was taking it up is cancelled; the message says that its cell goes on."""
    message = _Slow()
    cells = FakeCells(MessageCell(MESSAGE, "u1", 3, CHANNEL))
    context = a_context(OneSession(), cells=cells, destinations=_Destinations(message), records=[a_record(3)])
    resumed = ResumedAnswers(context)
    telling = asyncio.create_task(resumed.tell(a_session_record(), Reply(3, Stream("stdout", "half\n"))))
    await message.shown.wait()
    context.closing = closing
    telling.cancel()
    await asyncio.wait([telling])
    resumed.close()
    await context.tasks.end()
    assert [GOES_ON in outgoing.content for outgoing in message.outgoings] == [False, True][: 1 + closing]
    assert "stop" not in message.views[-1] or not closing
    assert held(context) == ([], [])
