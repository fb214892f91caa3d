"""Sessions on an empty data folder, with real kernels in this process; programs have theirs in a node."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.compose import compose
from bot.sessions import Sessions
from config.settings import load
from tests.model_server import ModelServer
from tests.nodes import end_nodes


@pytest.fixture(autouse=True)
async def _no_node_is_left(tmp_path: Path) -> AsyncIterator[None]:
    """A node that a test's program has started ends with the test."""
    yield
    await end_nodes(tmp_path)


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncIterator[Sessions]:
    """Everything composed, as the program does it."""
    settings = load(data=tmp_path / "data", cell_timeout=timedelta(seconds=40), node="none", preload="none")
    async with compose(settings) as sessions:
        yield sessions


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A model's API on loopback."""
    async with ModelServer.start() as server:
        yield server
