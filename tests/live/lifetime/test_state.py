"""Variables of real kernels survive whatever ends the process; a hostile state costs only its own person."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kernels.kernel import SAVES_ON, Kernel
from kernels.pool import Pool
from kernels.sandbox.policy import Tier
from kernels.state.keeping.times import KeeperTimes
from kernels.state.manifest import Manifest, Meta
from kernels.state.restarts import AWAY, KEPT, NOT_BACK
from kernels.state.store import StateStore
from kernels.workspace.captured import Scan
from kernels.workspace.folder import scratch_id
from tests.contract.conftest import node_settings, noded
from tests.kernels.state.saves import save
from tests.live.cells import NoFiles, pooled, run, until, until_saved, value

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
DEAF = """
class Deaf:
    def {method}:
        open("deaf", "w").close()
        sum(range(10**12))  # which no signal can interrupt
deaf = Deaf()
"""
SLOW = """
import time
class Slow:
    def __reduce__(self):
        open("slow", "w").close()
        time.sleep(1000)
slow = Slow()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the module's workspaces and states."""
    return tmp_path_factory.mktemp("states")


def states(folder: Path) -> StateStore:
    """The states there, as a program opens them."""
    return StateStore(folder / "states", quota=1 << 30, disk=1 << 30)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(folder: Path) -> AsyncIterator[Pool]:
    """The module's pool."""
    async with pooled(folder / "workspaces", states=states(folder)) as pool:
        yield pool


def hasty(pool: Pool, name: str, **times: float) -> Kernel:
    """A session's kernel that has other times for its saves."""
    kernel = pool.kernel(name, NoFiles())
    kernel._keeper.times = KeeperTimes(**times)
    return kernel


async def test_variables_are_back_after_a_death(pool: Pool) -> None:
    """The cell that dies tells as of which cell, and what is not back; the next one has nothing to add."""
    kernel = pool.kernel("death", NoFiles())
    await run(kernel, "import sqlite3\nx = [1, 2]\nsame = x\ndb = sqlite3.connect(':memory:')", tag=3)
    await until_saved(kernel, 3)
    died = await run(kernel, f"new = 1\n{KILL}", tag=4)
    (told,) = died.restarts
    assert (told.as_of, told.lost, told.unnamed) == (3, (), True)
    assert {"x", "same"} <= set(told.back)
    assert [(one.name, one.cell) for one in told.unsaved] == [("db", 3)]
    assert died.result.restarted == told
    ran = await run(kernel, "same.append(3)\nprint(x, 'new' in globals())", tag=5)
    assert (ran.output, ran.restarts) == ("[1, 2, 3] False\n", [])


async def test_a_cull_saves_what_has_no_save_yet(pool: Pool) -> None:
    """And the next cell tells why the process ended, before its own output."""
    kernel = pool.kernel("cull", NoFiles())
    await run(kernel, "x = 1", tag=1)
    await kernel.cull("it was not used")
    assert (await kernel.state()).saved == 1
    ran = await run(kernel, "print(x)", tag=2)
    (told,) = ran.restarts
    assert (told.reason, told.as_of, told.lost, told.back) == ("it was not used", 1, (), ("x",))
    assert ran.events[0] == told
    assert ran.output == "1\n"


async def test_cells_in_a_row_all_run_and_the_last_is_saved(pool: Pool) -> None:
    """Whether a save has begun in between or not."""
    kernel = pool.kernel("row", NoFiles())
    await run(kernel, "x = 0", tag=1)
    for cell in range(2, 12):
        assert (await run(kernel, "x += 1\nx", tag=cell)).output == f"{cell - 1}\n"
    await until_saved(kernel, 11)


async def test_a_restart_forgets_the_variables(pool: Pool) -> None:
    """The person wanted them gone: nothing is told, and nothing comes back."""
    kernel = pool.kernel("restart", NoFiles())
    await run(kernel, "x = 1", tag=1)
    await until_saved(kernel, 1)
    await kernel.restart()
    assert (await kernel.state()).saved == 0
    ran = await run(kernel, "'x' in globals()", tag=2)
    assert (ran.output, ran.restarts) == ("False\n", [])


async def test_another_program_brings_the_variables_back(pool: Pool, folder: Path) -> None:
    """Also those of the last cell, if its program ended in an orderly way; until the session is removed.

    Hashes of text are the same in its kernels, although they have another zygote.
    """
    kernel = pool.kernel("moves", NoFiles())
    await run(kernel, "x = 1; hashed = hash('text')", tag=7)
    await pool.release("moves")
    async with pooled(folder / "workspaces", states=states(folder)) as other:
        kernel = other.kernel("moves", NoFiles())
        assert (await kernel.state()).saved == 7
        ran = await run(kernel, "x, hashed == hash('text')", tag=8)
        (told,) = ran.restarts
        assert (told.reason, told.as_of, told.back, told.unsaved) == (AWAY, 7, ("x", "hashed"), ())
        assert ran.output == "(1, True)\n"
        await other.remove("moves", keep_state=True)
        assert await value(other.kernel("moves", NoFiles()), "x") == "1"
        await other.remove("moves")
        assert (await other.kernel("moves", NoFiles()).state()).saved == 0
        await run(other.kernel("ends", NoFiles()), "x = 1", tag=1)
    saved = states(folder).session("ends").newest()
    assert saved is not None
    assert (saved.cell, saved.meta.names) == (1, ("x",))


async def test_a_save_that_does_not_stop_costs_its_kernel_and_no_cells_time(pool: Pool, folder: Path) -> None:
    """The cell that waits for it gets a fresh kernel, with the state of the save before."""
    kernel = hasty(pool, "deaf", stuck=0.2)
    await run(kernel, "x = 1", tag=1)
    await until_saved(kernel, 1)
    await run(kernel, DEAF.format(method="__reduce__(self)"), tag=2)
    async with asyncio.timeout(60):
        while not list(folder.glob("workspaces/*/deaf")):  # noqa: ASYNC110  a file
            await asyncio.sleep(0.01)
    ran = await run(kernel, "print(x)", tag=3)
    (told,) = ran.restarts
    assert (told.reason, told.as_of, told.lost) == (SAVES_ON, 1, ("Deaf", "deaf"))
    assert (ran.status, ran.output) == ("ok", "1\n")


async def test_a_state_that_cannot_be_loaded_is_given_up(pool: Pool) -> None:
    """After a limited time the person has a fresh kernel, is told, and the save is kept."""
    kernel = hasty(pool, "loops", loading=1.0)
    await run(kernel, "x = 1" + DEAF.format(method="__setstate__(self, state)") + "deaf.y = 1", tag=1)
    await until_saved(kernel, 1)
    await kernel.cull("it was not used")
    ran = await run(kernel, "print('x' in globals())", tag=2)
    (told,) = ran.restarts
    assert told.reason == f"it was not used; {NOT_BACK}{KEPT.format(1)}"
    assert (told.as_of, set(told.lost)) == (0, {"x", "Deaf", "deaf"})
    assert ran.output == "False\n"
    await until_saved(kernel, 2)
    assert [save.cell for save in await kernel.saves()] == [0, 1, 2]


async def test_what_cannot_be_read_just_now_is_sent_again(pool: Pool) -> None:
    """To the same process, which has got only a part of it."""
    kernel = pool.kernel("again", NoFiles())
    await run(kernel, "x = [1]", tag=1)
    await kernel.cull("it was not used")
    state: Any = kernel._keeper._state
    read, errors = state.read, [OSError(5, "Input/output error")]

    def reads(manifest: Manifest, index: int | None = None) -> Iterator[bytes]:
        for data in read(manifest, index):
            if errors:
                raise errors.pop()
            yield data

    state.read = reads
    ran = await run(kernel, "x", tag=2)
    del state.read
    (told,) = ran.restarts
    assert (ran.output, told.as_of, told.lost, errors) == ("[1]\n", 1, (), [])


async def test_a_cell_takes_back_a_kernel_that_is_being_ended(pool: Pool, folder: Path) -> None:
    """It waits for the save as little as for any other, and everything is there."""
    kernel = hasty(pool, "back", first=0.0, quiet=1000.0)
    await run(kernel, SLOW + "x = 1", tag=1)
    culling = asyncio.create_task(kernel.cull("it was not used"))
    await until(lambda: bool(list(folder.glob("workspaces/*/slow"))))
    ran = await run(kernel, "del slow\nx", tag=2)
    await culling
    assert (ran.output, ran.restarts) == ("1\n", [])
    await kernel.cull("it was not used")
    assert (await kernel.state()).saved == 2
    assert not kernel.alive


async def test_a_cell_counts_before_its_files_are_found(pool: Pool) -> None:
    """Otherwise what it has made would not be saved if the kernel were ended just then."""
    kernel = hasty(pool, "looks", quiet=1000.0)
    await value(kernel, "1")
    looked, looks, go_on = kernel.capture.look, asyncio.Event(), asyncio.Event()

    async def look(**options: Any) -> Scan:
        looks.set()
        await go_on.wait()
        return await looked(**options)

    kernel.capture.look = look  # type: ignore[method-assign]
    running = asyncio.create_task(run(kernel, "x = 1", tag=7))
    await looks.wait()
    await kernel.shutdown()
    assert (await kernel.state()).saved == 7
    go_on.set()
    assert (await running).status == "ok"


async def test_a_scratch_kernel_has_no_state(pool: Pool, folder: Path) -> None:
    """It belongs to nobody."""
    name = scratch_id("table")
    kernel = pool.kernel(name, NoFiles())
    await run(kernel, "x = 1", tag=1)
    await pool.remove(name)
    assert not (folder / "states" / name).exists()


async def test_states_that_nobody_uses_for_long_are_removed(tmp_path: Path) -> None:
    """With the pool that has them; without a limit of time they would stay for ever."""
    store = states(tmp_path)
    with store.session("u7").writing() as writing:
        writing.commit(12, (), Meta())
    never = timedelta(seconds=-1)
    async with pooled(tmp_path / "workspaces", tier=Tier.NONE, states=store, states_kept=never):
        await until(lambda: store.session("u7").newest() is None)


@pytest.mark.soak
async def test_variables_outlive_their_node(tmp_path: Path) -> None:
    """A node that is ended saves first, and the next one gives them back."""
    settings = replace(node_settings(tmp_path), states=tmp_path / "states")
    async with noded(settings) as node:
        await run(node.kernel("u7", NoFiles()), "x = 1", tag=1)
    async with noded(settings) as node:
        kernel = node.kernel("u7", NoFiles())
        assert (await kernel.state()).saved == 1
        ran = await run(kernel, "x", tag=2)
        assert (ran.output, [told.as_of for told in ran.restarts]) == ("1\n", [1])


async def test_a_node_removes_what_is_saved_unless_it_is_to_be_kept(tmp_path: Path) -> None:
    """It is given the settings, and is asked as the kernels of this process are."""
    settings = replace(node_settings(tmp_path), states=tmp_path / "states", tier="none", state_quota=1 << 20)
    save(states(tmp_path).session("u7"), 12, b"a graph")
    async with noded(settings) as node:
        assert node.keeps_variables
        kernel = node.kernel("u7", NoFiles())
        assert (await kernel.state()).saved == 12
        await node.remove("u7", keep_state=True)
        assert (await node.kernel("u7", NoFiles()).state()).saved == 12
        await node.remove("u7")
        assert (await node.kernel("u7", NoFiles()).state()).saved == 0
