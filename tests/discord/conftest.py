"""A fresh loopback Discord for each test, and clients of it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nextcord
import pytest

from tests.discord.bots import running, tiny
from tests.discord.left import cells_left, tasks_left
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
    """A Discord with a guild, two members and two channels; what broke its rules fails the test.

    So does a task that the test has left behind, such as a bot.
    """
    before = asyncio.all_tasks()
    async with loopback() as discord:
        yield discord
    assert not (left := await tasks_left(before)), f"left behind: {left}"


@pytest.fixture(scope="session")
def bots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, set[str]]]:
    """The data folder of the bots in this process, and the sessions that have been cleared away."""
    folder = tmp_path_factory.mktemp("bots")
    yield folder, set()
    if (pid := node_pid(folder)) is not None:
        os.kill(pid, signal.SIGTERM)


@pytest.fixture
async def data(bots: tuple[Path, set[str]]) -> AsyncIterator[Path]:
    """The data folder of the bots in this process: their node is started once.

    A test's kernels end with it. A cell that it has left unfinished fails it.
    """
    folder, known = bots
    yield folder
    left = await cells_left(folder, known)
    assert not left, f"unfinished cells, which the next bot goes on with: {left}"


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
