"""The same kernels in three places: in this process, in a node beside it, and in one over the network."""

import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from kernels.client import RemoteNode, local_node, socket_for
from kernels.client.patience import PATIENCE, NodePatience
from kernels.client.spawn import recorded
from kernels.interface import Kernels, PersonKernel
from kernels.limits import Limits
from kernels.node.settings import NodeSettings
from kernels.pool import Pool
from tests.conftest import KERNEL_PYTHON
from tests.contract.files import SomeFiles
from tests.live.cells import until

_numbers = count(1)
SIZE = 2  # kernels at a time: the third has to wait


def node_settings(folder: Path, limits: Limits | None = None) -> NodeSettings:
    """A node for tests, which soon ends by itself if it is forgotten."""
    return NodeSettings(
        folder=folder / "node",
        address=socket_for(folder / "node"),
        token="secret",
        python=KERNEL_PYTHON,
        workspaces=folder / "workspaces",
        limits=limits or Limits(),
        size=SIZE,
        node_idle=timedelta(seconds=60),
        libraries=(),  # importing them takes a second and a half of processor time
        log_level="info",
    )


def free_port() -> int:
    """A free TCP port on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@asynccontextmanager
async def noded(settings: NodeSettings, patience: NodePatience = PATIENCE) -> AsyncIterator[RemoteNode]:
    """A bot's side of the node with these settings, which is ended at the end."""
    try:
        async with RemoteNode(
            local_node(settings), python=settings.python, limits=settings.limits, patience=patience
        ) as node:
            yield node
    finally:
        found = recorded(settings.folder)
        if found is not None:
            os.kill(found[1], signal.SIGTERM)
            await until(lambda: recorded(settings.folder) is None)


# A node over the network differs only in its address; test_node.py and test_connection.py in
# tests/kernels/client use a real one.
@pytest.fixture(scope="module", params=["here", "node", pytest.param("network", marks=pytest.mark.soak)])
def where(request: pytest.FixtureRequest) -> str:
    """Where the kernels live."""
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kernels(where: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kernels]:
    """The kernels of a module."""
    folder = tmp_path_factory.mktemp(where)
    if where == "here":
        async with Pool(
            python=KERNEL_PYTHON, workspaces=folder / "w", limits=Limits(), size=SIZE, libraries=()
        ) as pool:
            yield pool
    else:
        settings = node_settings(folder)
        if where == "network":
            settings = replace(settings, address=f"127.0.0.1:{free_port()}")
        async with noded(settings) as node:
            yield node


@pytest.fixture(scope="module")
def files() -> SomeFiles:
    """The stored files of the person whose kernel is `kernel`."""
    return SomeFiles()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kernel(kernels: Kernels, files: SomeFiles) -> PersonKernel:
    """The module's kernel, with whatever variables the earlier tests have left."""
    files.kernel = kernels.kernel("shared", files)
    return files.kernel


@pytest.fixture
def named() -> Callable[[], str]:
    """Names of sessions that have not been used yet."""
    return lambda: f"fresh-{next(_numbers)}"
