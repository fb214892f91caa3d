"""Answers whose sessions are deleted: none stays live for good, even if the bot is killed meanwhile."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from nextcord.utils import time_snowflake

from bot.discord.answers import deleted
from bot.discord.answers.deleted import NOTE, end_before_deletion
from bot.discord.api.retry import DiscordRefused, Refusal
from filestore.errors import StoreUnavailable
from filestore.records import MessageCell
from tests.bot.discord.answers.fakes import (
    CHANNEL,
    FakeCells,
    FakeDestinations,
    FakeMessage,
    OneSession,
    a_context,
    a_live_answer,
)


def left(session_id: str = "u1") -> MessageCell:
    """A message in which an earlier program began a turn."""
    return MessageCell(time_snowflake(datetime.now(UTC)), session_id, 2, CHANNEL, 0, "t1")


async def test_a_deletion_waits_for_the_final_state_of_what_is_live(caplog: pytest.LogCaptureFixture) -> None:
    """Of its sessions alone, and only then are the rows deleted that tell where the messages are."""
    context = a_context(OneSession())
    answer, other = a_live_answer(context), a_live_answer(context)
    await answer.open()
    other.session_id = "u2"
    late = a_live_answer(context)
    late.late = True  # a thread prints for ever
    context.live_answers |= {-1: other, -2: late}
    deleting = asyncio.create_task(end_before_deletion(context, ["u1"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not deleting.done()
    await answer.finish("Stopped.")
    await deleting
    assert list(context.live_answers.values()) == [other, late]
    assert not caplog.records  # it waited for nothing else until it gave up


async def test_what_an_earlier_program_has_left_live_ends_before_its_note_goes() -> None:
    """A message that has its final state, and messages of other sessions, stay as they are."""
    cells, message = FakeCells(left()), FakeMessage(content="half\n-# Running … 10 s")
    context = a_context(cells=cells, destinations=FakeDestinations(message))
    await end_before_deletion(context, ["u2"])
    assert not message.outgoings
    await end_before_deletion(context, ["u1"])
    assert message.outgoings[-1].content == f"half\n-# {NOTE}"
    assert message.views[-1] == []
    message.is_live = False
    await end_before_deletion(context, ["u1"])
    assert len(message.outgoings) == 1


async def test_nothing_on_discord_or_in_the_database_keeps_a_deletion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither an answer that never ends, nor a message that cannot be changed, nor whatever else fails."""
    monkeypatch.setattr(deleted, "LONGEST", 0.01)
    refused = FakeMessage(None, DiscordRefused(Refusal.FORBIDDEN, OSError()))
    cells = FakeCells(left(), replace(left(), message_id=left().message_id + 1))
    context = a_context(OneSession(), cells=cells, destinations=FakeDestinations(refused))
    await end_before_deletion(context, ["u1"])
    assert len(refused.outgoings) == 1
    answer = a_live_answer(context)
    await answer.open()
    await end_before_deletion(context, ["u1"])
    assert len(refused.outgoings) == 3  # what was left had its time, too
    answer.close()
    for error in (StoreUnavailable("locked"), TypeError("odd")):

        async def fails(_since: int, error: Any = error) -> list[MessageCell]:
            raise error

        cells.going_on = fails  # type: ignore[method-assign]
        await end_before_deletion(context, ["u1"])
