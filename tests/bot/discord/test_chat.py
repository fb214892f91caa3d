"""Chat messages, without Discord."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.discord.chat import Chat, LastMessage
from bot.discord.context import CLOSING
from bot.discord.format.attachments import Outgoing
from tests.bot.discord.answers.fakes import ADA, CHANNEL, FakeDestinations, a_context


class Unknown(FakeDestinations):
    """Destinations that raise an unforeseen error when asked who may write."""

    async def may_write(self, _user_id: int, _channel_id: int) -> bool:
        """As `Destinations.may_write`."""
        raise TypeError("odd")


async def test_an_edit_that_fails_leaves_the_next_one_its_turn() -> None:
    """Otherwise every later edit of that message would wait for the one that failed."""
    context = a_context(destinations=Unknown())
    chat = Chat(context, cast(Any, SimpleNamespace()))
    last = LastMessage(5, CHANNEL, ADA, "ada", "dm", b"", cast(Any, None), 0.0)
    chat._edits[5] = "print(2)"
    with pytest.raises(TypeError):
        await chat._answer_again((CHANNEL, ADA), last)
    assert chat._edits == {}


@pytest.mark.parametrize("closing", [True, False])
async def test_who_waits_with_files_while_the_bot_ends_is_told(
    monkeypatch: pytest.MonkeyPatch, closing: bool
) -> None:
    """Nobody takes such a message up again: without a sentence, its person would wait for ever."""
    context, waits, told = a_context(), asyncio.Event(), list[str]()

    async def session(*_: object) -> None:
        waits.set()
        await asyncio.Event().wait()

    async def send(outgoing: Outgoing) -> None:
        told.append(outgoing.content)

    async def trigger_typing() -> None: ...

    monkeypatch.setattr(context.sessions, "session", session)
    monkeypatch.setattr("bot.discord.chat._reply", lambda _: SimpleNamespace(send=send))
    monkeypatch.setattr("bot.discord.chat.place_in", lambda _: "dm")
    chat = Chat(context, cast(Any, SimpleNamespace()))
    channel = SimpleNamespace(id=CHANNEL, trigger_typing=trigger_typing)
    author = SimpleNamespace(id=ADA)
    message = SimpleNamespace(id=5, channel=channel, guild=None, author=author, attachments=[object()])
    chat._coming[5] = "print(1)"
    task = context.tasks.spawn(chat._answer(cast(Any, message)), "message 5")
    await waits.wait()
    context.closing = closing
    await context.tasks.end()
    assert task.cancelled()
    assert told == [CLOSING] * closing
    assert chat._coming == {}
