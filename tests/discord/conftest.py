"""A fresh loopback Discord for each test; it says whether Discord's own document was at hand."""

from collections.abc import AsyncIterator

import pytest

from tests.discord.loopback import Discord, loopback


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    """A Discord with a guild, two members and two channels; what broke its rules fails the test."""
    async with loopback() as discord:
        yield discord
