"""A fresh loopback Discord for each test, and clients of it."""

from collections.abc import AsyncIterator

import nextcord
import pytest

from tests.discord.bots import running, tiny
from tests.discord.loopback import Discord, loopback
from tests.discord.raw import Raw, raw_client


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    """A Discord with a guild, two members and two channels; what broke its rules fails the test."""
    async with loopback() as discord:
        yield discord


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
