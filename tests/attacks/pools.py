"""The pool of one tier, in which attacks are run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kernels.errors import SandboxUnavailable
from kernels.limits import Limits, MiB
from kernels.pool import Pool
from kernels.sandbox.policy import Tier
from tests.attacks import tiers
from tests.conftest import KERNEL_PYTHON
from tests.live.cells import NoFiles, value

LIMITS = Limits(
    cell=timedelta(seconds=60),
    memory=400 * MiB,
    workspace=64 * MiB,
    scratch=16 * MiB,
    processes=48,
)


@asynccontextmanager
async def pool_of(tier: Tier, workspaces: Path, **options: Any) -> AsyncIterator[Pool]:
    """A pool of this tier, with `options` of its own; the test is skipped if the machine cannot do the tier."""
    pool = Pool(
        python=KERNEL_PYTHON, workspaces=workspaces, limits=LIMITS, tier=tier, libraries=(), **options
    )
    try:
        await pool.__aenter__()
    except SandboxUnavailable as error:
        tiers.ran[str(tier)] = str(error)
        pytest.skip(f"tier {tier}: {error}")
    tiers.ran[str(tier)] = ""
    await value(pool.kernel("first", NoFiles()), "1")  # what it creates for all kernels is no leftover
    await pool.release("first")
    try:
        yield pool
    finally:
        await pool.__aexit__(None, None, None)
