"""A fresh loopback Discord for each test, and clients of it."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nextcord
import pytest

from tests.discord.bots import running, tiny
from tests.discord.loopback import Discord, loopback
from tests.discord.raw import Raw, raw_client
from tests.nodes import node_pid


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """nextcord waits 5 s before it begins another session, for Discord's sake."""

    async def hurry(*_args: object, **_options: object) -> None:
        """Do not wait."""

    monkeypatch.setattr(nextcord.Client, "before_identify_hook", hurry)


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    """A Discord with a guild, two members and two channels; what broke its rules fails the test."""
    async with loopback() as discord:
        yield discord


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of the bots in this process: their node, with its kernels, is started once."""
    folder = tmp_path_factory.mktemp("bots")
    yield folder
    if (pid := node_pid(folder)) is not None:
        os.kill(pid, signal.SIGTERM)


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
