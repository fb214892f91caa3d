"""Cells as scripts, courses and models write them do what a person expects."""

import os
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from kernels.kernel import Kernel
from kernels.sandbox.forkserver import LIBRARIES
from kernels.sandbox.policy import Tier
from tests.live.cells import NoFiles, pooled, run
from tests.live.code.scripts import SCRIPTS, Script

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHERS = [Tier.A, Tier.B] if os.getuid() == 0 else [Tier.B]
TIERS = [None, *(pytest.param(tier, marks=pytest.mark.soak) for tier in OTHERS)]
# Without the machine's shared memory there are neither locks between processes nor such memory.
NOT_IN_B = {"fork", "spawn", "spawn of a cell's own", "shared memory"}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=TIERS)
async def kernel(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Kernel]:
    """One kernel for all scripts, as in a session; in the strongest tier, or in each."""
    async with pooled(tmp_path_factory.mktemp("pool"), tier=request.param, libraries=LIBRARIES) as pool:
        yield pool.kernel("scripts", NoFiles())


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.name for script in SCRIPTS])
async def test_a_script_does_what_it_does_elsewhere(
    kernel: Kernel, script: Script, request: pytest.FixtureRequest
) -> None:
    """Its output, its questions and its end are what its author expects."""
    if request.node.callspec.params["kernel"] is Tier.B and script.name in NOT_IN_B:
        pytest.skip("tier B has no multiprocessing")
    ran = await run(kernel, script.code, answers=script.answers)
    assert ran.status == script.status, ran.output
    assert re.search(script.said, ran.output.rstrip("\n"), re.MULTILINE), ran.output
    assert not ran.restarts
    assert "\x04" not in ran.output  # the end of input is not echoed as text
    if script.status == "ok":
        assert "Traceback" not in ran.output
        assert "IProgress" not in ran.output
