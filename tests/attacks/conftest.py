"""Real kernels of every tier that the machine has, and a look at what is left behind after each attack.

`ATTACK_TIERS=S,B` runs some tiers only; a run fails when one of `EXPECT_TIERS` was not run.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from itertools import count

import pytest
import pytest_asyncio

from kernels.kernel import Kernel
from kernels.pool import Pool
from kernels.sandbox.limits.cgroup import Groups, unique_name
from kernels.sandbox.policy import Tier
from tests.attacks.host import Host, leftovers, settled
from tests.attacks.pools import pool_of
from tests.live.cells import NoFiles, run, value

TIERS = [Tier(name) for name in os.environ.get("ATTACK_TIERS", "S,A,B").split(",")]
AFTER = 15.0  # seconds within which everything that an attack started must be gone
_numbers = count(1)


@pytest.hookimpl(tryfirst=True)  # before marked tests are deselected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tiers that a test's mark `tiers` does not name to `make soak`: the attacked code is the same.

    Where the machine cannot do tier S, every tier that it can do gets every attack.
    """
    left = [item for item in items if (tier := _tier(item)) and (named := _named(item)) and tier not in named]
    if left and "ATTACK_TIERS" not in os.environ and _has_s():
        for item in left:
            item.add_marker(pytest.mark.soak)


def _named(item: pytest.Item) -> set[str]:
    return {str(tier) for mark in item.iter_markers("tiers") for tier in mark.args}


def _tier(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("pool", "")) if callspec else ""


def _has_s() -> bool:
    if os.geteuid() != 0 or (groups := Groups.found(unique_name())) is None:
        return False
    groups.close()
    return True


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=TIERS, ids=lambda tier: f"tier-{tier}")
async def pool(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pool]:
    """The pool of one tier, in which all attacks are run; skipped where the machine cannot do the tier."""
    tier: Tier = request.param
    async with pool_of(tier, tmp_path_factory.mktemp(f"workspaces-{tier}"), size=8) as pool:
        yield pool


@pytest_asyncio.fixture(loop_scope="session")
async def kernel(pool: Pool, host: Host) -> AsyncIterator[Kernel]:
    """A session's kernel that has run a cell. After the attack its next cell works, and nothing is left."""
    session = f"attacker-{next(_numbers)}"
    before = leftovers(pool)
    kernel = pool.kernel(session, NoFiles())
    assert await value(kernel, "x = 1; x") == "1"
    yield kernel
    ran = await run(kernel, "6 * 7")
    if ran.result.cause is not None:  # on a busy machine a look may end only now what it saw in the attack
        ran = await run(kernel, "6 * 7")
    assert ran.status == "ok", ran.output
    assert "42" in ran.output.splitlines(), ran.output  # processes that the attack started may still print
    await pool.release(session)
    pool.workspace(session).remove()
    left = await settled(lambda: leftovers(pool) - before, AFTER)
    assert not left, f"left behind: {sorted(left)}"


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Secrets, files and sockets of the host that no kernel may reach."""
    with ExitStack() as stack:
        yield Host.build(tmp_path_factory.mktemp("host"), stack)
