"""Chat messages, without Discord."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.discord.chat import Chat, LastMessage
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
