"""The bot on a fresh loopback Discord for each test."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.left import cells_left
from tests.loopback.tests.conftest import discord, in_a_hurry, raw, tiny_bot
from tests.nodes import node_pid

__all__ = ["bots", "data", "discord", "in_a_hurry", "raw", "tiny_bot"]


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

    A test's kernels end with it. If it leaves a cell unfinished, it fails.
    """
    folder, known = bots
    yield folder
    left = await cells_left(folder, known)
    assert not left, f"unfinished cells, which the next bot goes on with: {left}"
