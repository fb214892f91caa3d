"""Pools that save variables, one of each tier that the machine can do."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kernels.pool import Pool
from kernels.sandbox.policy import Tier
from kernels.state.keeping.times import KeeperTimes
from kernels.state.store import StateStore
from tests.attacks.conftest import TIERS
from tests.attacks.pools import pool_of

QUOTA = 64 << 20  # bytes


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the states."""
    return tmp_path_factory.mktemp("states")


@pytest.fixture(scope="module")
def keeping() -> KeeperTimes:
    """The times of the module's keepers; a module can override them."""
    return KeeperTimes()


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=TIERS, ids=lambda tier: f"tier-{tier}")
async def pool(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    states: Path,
    keeping: KeeperTimes,
) -> AsyncIterator[Pool]:
    """A pool of one tier that keeps states; skipped where the machine cannot do the tier."""
    tier: Tier = request.param
    store = StateStore(states / str(tier), quota=QUOTA, disk=1 << 30)
    workspaces = tmp_path_factory.mktemp(f"workspaces-{tier}")
    async with pool_of(tier, workspaces, states=store, keeping=keeping) as pool:
        yield pool
