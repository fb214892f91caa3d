"""Messages between people and a real nextcord bot."""

from collections.abc import AsyncIterator

import nextcord
import pytest

from tests.discord.bots import running, tiny
from tests.discord.loopback import Discord


@pytest.fixture
async def bot(discord: Discord) -> AsyncIterator[nextcord.Client]:
    """The small bot, online."""
    client = tiny()
    async with running(client, discord):
        yield client


async def test_bot_hears_and_replies_with_files(discord: Discord, bot: nextcord.Client) -> None:
    """A message with a file reaches the bot, whose reply refers to it and has its own file."""
    asked = await discord.guild.member("ada").say(discord.guild.channel(), "hello", files=[("a.txt", b"1")])
    answer = await asked.wait_for_reply()
    assert answer.content == "heard: hello"
    assert answer.file("copy-a.txt").data == b"1"
    assert answer.file("copy-a.txt").description == "a copy"
    assert [b.label for b in answer.buttons] == ["Stop", "Edit", "Later", "Off"]
    assert answer.pinged == set()
