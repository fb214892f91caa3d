"""Pools that save variables, one of each tier that the machine can do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kernels.errors import SandboxUnavailable
from kernels.kernel import Kernel
from kernels.pool import Pool
from kernels.sandbox.policy import Tier
from kernels.state.store import StateStore
from tests.attacks import tiers
from tests.attacks.conftest import LIMITS, TIERS
from tests.conftest import KERNEL_PYTHON
from tests.live.cells import PATIENCE, NoFiles, value

QUOTA = 64 << 20  # bytes


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the states."""
    return tmp_path_factory.mktemp("states")


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=TIERS, ids=lambda tier: f"tier-{tier}")
async def pool(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, states: Path
) -> AsyncIterator[Pool]:
    """A pool of one tier that keeps states; skipped where the machine cannot do the tier."""
    tier: Tier = request.param
    store = StateStore(states / str(tier), quota=QUOTA, disk=1 << 30)
    workspaces = tmp_path_factory.mktemp(f"workspaces-{tier}")
    making = Pool(
        python=KERNEL_PYTHON, workspaces=workspaces, limits=LIMITS, tier=tier, libraries=(), states=store
    )
    try:
        await making.__aenter__()
    except SandboxUnavailable as error:
        tiers.ran[str(tier)] = str(error)
        pytest.skip(f"tier {tier}: {error}")
    tiers.ran[str(tier)] = ""
    await value(making.kernel("first", NoFiles()), "1")  # what it creates for all kernels is no leftover
    await making.release("first")
    try:
        yield making
    finally:
        await making.__aexit__(None, None, None)


async def saved_as(kernel: Kernel, cell: int) -> None:
    """Wait until the variables after this cell are saved."""
    async with asyncio.timeout(PATIENCE):
        while (await kernel.state()).saved != cell:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.02)
