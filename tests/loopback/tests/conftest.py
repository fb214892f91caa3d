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
    """Skips the 5 s that nextcord waits before it begins another session, to spare Discord."""

    async def hurry(*_args: object, **_options: object) -> None:
        """Do not wait."""

    monkeypatch.setattr(nextcord.Client, "before_identify_hook", hurry)


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    """A Discord with a guild, two members and two channels; breaking its rules fails the test.

    So does a task that the test leaves behind, such as a bot.
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
