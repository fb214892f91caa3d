"""A fresh loopback Discord for each test; it says whether Discord's own document was at hand."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.discord.loopback import Discord, loopback
from tests.nodes import node_pid


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
