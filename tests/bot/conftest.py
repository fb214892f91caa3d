"""Sessions on an empty data folder. Their kernels are real and run in this process; programs use a node."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.compose import compose
from bot.sessions import Sessions
from config.settings import load
from tests.model_server import ModelServer
from tests.nodes import end_nodes
from tests.zygotes import Lent, lent_zygotes


@pytest.fixture(autouse=True)
async def _no_node_is_left(tmp_path: Path) -> AsyncIterator[None]:
    """Stops any node that a test's program has started, at the end of the test."""
    yield
    await end_nodes(tmp_path)


@pytest.fixture(scope="session")
def lend_zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Lent]]:
    """Zygotes that all tests share."""
    with lent_zygotes(tmp_path_factory.mktemp("zygotes")) as lend:
        yield lend


@pytest.fixture(autouse=True)
def _zygotes_are_lent(monkeypatch: pytest.MonkeyPatch, lend_zygote: Callable[..., Lent]) -> None:
    """No test here is about starting a zygote, which is most of the time that composing a bot takes."""
    monkeypatch.setattr("kernels.sandbox.confined.Forkserver", lend_zygote)


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncIterator[Sessions]:
    """Sessions, composed as the program composes them."""
    settings = load(data=tmp_path / "data", cell_timeout=timedelta(seconds=40), node="none", preload="none")
    async with compose(settings) as sessions:
        yield sessions


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A model's API on loopback."""
    async with ModelServer.start() as server:
        yield server
