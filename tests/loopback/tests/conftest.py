"""A fresh loopback Discord for each test, and clients of it."""

import asyncio
from collections.abc import AsyncIterator

import nextcord
import pytest

from tests.left import tasks_left
from tests.loopback.bots import running, tiny
from tests.loopback.loopback import Discord, loopback
from tests.loopback.raw import Raw, raw_client


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """nextcord waits 5 s before it begins another session, for Discord's sake."""

    async def hurry(*_args: object, **_options: object) -> None:
        """Do not wait."""

    monkeypatch.setattr(nextcord.Client, "before_identify_hook", hurry)


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    """A Discord with a guild, two members and two channels; what broke its rules fails the test.

    So does a task that the test has left behind, such as a bot.
    """
    before = asyncio.all_tasks()
    async with loopback() as discord:
        yield discord
    assert not (left := await tasks_left(before)), f"left behind: {left}"


@pytest.fixture
async def raw(discord: Discord) -> AsyncIterator[Raw]:
    """Requests with the bot's token, without a bot."""
    async with raw_client(discord) as raw:
        yield raw


@pytest.fixture
async def tiny_bot(discord: Discord) -> AsyncIterator[nextcord.Client]:
    """The small bot of bots.py, online with its commands."""
    client = tiny()
    async with running(client, discord):
        await discord.ready("run", "files", "Run code")
        yield client
