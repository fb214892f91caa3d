"""Sessions in this process, on an empty data folder, with real kernels."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.compose import compose
from bot.sessions import Sessions
from config.settings import load


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncIterator[Sessions]:
    """Everything composed, as the program does it."""
    settings = load(data=tmp_path / "data", cell_timeout=timedelta(seconds=40), preload="none")
    async with compose(settings) as sessions:
        yield sessions
