"""Real kernels for the tests of one module: a kernel takes half a second to start."""

from collections.abc import AsyncIterator
from itertools import count

import pytest
import pytest_asyncio

from kernels.kernel import Kernel
from kernels.limits import Limits
from kernels.pool import Pool
from kernels.sandbox.forkserver import LIBRARIES
from tests.live.cells import NoFiles, pooled

_numbers = count(1)


@pytest.fixture(scope="module")
def limits() -> Limits:
    """The limits of the module's kernels; a module can override them."""
    return Limits()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(tmp_path_factory: pytest.TempPathFactory, limits: Limits) -> AsyncIterator[Pool]:
    """The module's pool."""
    async with pooled(tmp_path_factory.mktemp("pool"), limits, libraries=LIBRARIES) as pool:
        yield pool


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kernel(pool: Pool) -> Kernel:
    """The module's kernel, with whatever variables the earlier tests have left."""
    return pool.kernel("shared", NoFiles())


@pytest.fixture
def fresh(pool: Pool) -> Kernel:
    """A session of its own whose kernel has not started."""
    return pool.kernel(f"fresh-{next(_numbers)}", NoFiles())
