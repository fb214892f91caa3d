"""The long versions: what leaves nothing behind once leaves nothing behind two hundred times either."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from kernels.pool import Pool
from tests.attacks.conftest import AFTER
from tests.attacks.exhausting.test_resources import DISK, FORKS, GUARD, MEMORY
from tests.attacks.host import leftovers, settled
from tests.live.cells import NoFiles, run, value

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.soak, pytest.mark.timeout(600)]


def _resident() -> int:
    """Resident memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


async def test_two_hundred_kernels_leave_nothing(pool: Pool) -> None:
    """Descriptors, threads, processes, mounts, groups and memory are where they were."""

    async def live(name: str) -> None:
        kernel = pool.kernel(name, NoFiles())
        assert await value(kernel, "6 * 7") == "42"
        await pool.release(name)
        pool.workspace(name).remove()

    for n in range(8):
        await live(f"first-{n}")
    before, threads, memory = leftovers(pool), threading.active_count(), _resident()
    for n in range(50):
        await asyncio.gather(*(live(f"many-{n}-{k}") for k in range(4)))
    left = await settled(lambda: leftovers(pool) - before, AFTER)
    assert not left
    assert threading.active_count() <= threads + (os.cpu_count() or 1) + 4  # asyncio keeps its own
    assert _resident() - memory < 40


@pytest.mark.parametrize(
    "bomb", [FORKS["forks of forks"], DISK["many files"], DISK["deleted files"], MEMORY["mapped"]]
)
async def test_a_bomb_again_and_again(pool: Pool, bomb: str) -> None:
    """The tenth is contained like the first, and the folder does not grow with the attempts."""
    before = leftovers(pool)
    kernel = pool.kernel("again", NoFiles())
    sizes = []
    for _ in range(10):
        await run(kernel, f"{GUARD}\n{bomb}\ntime.sleep(1)")
        # Processes that the bomb started may still print.
        assert "42" in (await value(kernel, "6 * 7")).splitlines()
        sizes.append(sum(path.stat().st_size for path in kernel.workspace.path.rglob("*") if path.is_file()))
    assert sizes[-1] <= sizes[0] + 1_000_000
    await pool.release("again")
    pool.workspace("again").remove()
    assert not await settled(lambda: leftovers(pool) - before, AFTER)


async def test_a_million_files_end_the_kernel(pool: Pool) -> None:
    """Empty files take no bytes but do take the machine's inodes: at 100,000 the kernel is ended."""
    kernel = pool.kernel("inodes", NoFiles())
    code = "import os\nfor n in range(1_000_000): os.close(os.open(f'{n}', os.O_CREAT))"
    ran = await run(kernel, code)
    assert ran.status in ("died", "timeout"), ran.output
    assert await value(kernel, "6 * 7") == "42"
    assert "Permission denied" in (await run(kernel, "open('one more', 'w')")).output
    await pool.release("inodes")
    await asyncio.to_thread(pool.workspace("inodes").remove)
