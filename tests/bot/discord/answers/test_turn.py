"""A turn on Discord that never reaches a final state."""

import asyncio

from bot.discord.answers.turn import begin
from bot.request import Request
from tests.bot.discord.answers.fakes import ADA, FakeDestination, OneSession, a_context, held


async def test_a_turn_that_is_cancelled_holds_no_message_and_no_channel() -> None:
    """Otherwise others would wait for it forever."""
    context = a_context(OneSession())
    begin(context, Request(ADA, "ada", "dm", "1"), [FakeDestination()])
    (task,) = context.tasks._tasks
    await asyncio.wait([task])
    assert task.cancelled()
    assert held(context) == ([], [])
