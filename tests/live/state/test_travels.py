"""A person goes back to what their kernel was after an earlier cell, and forward again."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from kernels.errors import KernelStartFailed, NoSuchSave, NotSaved
from kernels.kernel import Kernel
from kernels.pool import Pool
from kernels.state.journey import ChangedFile, ChangedVariable
from kernels.state.store import StateStore
from tests.live.cells import NoFiles, pooled, run, value

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

FIRST = """
import os
import matplotlib
import pandas as pd
df = pd.DataFrame({"a": range(1000), "b": 1.5})
same, kept, gone, factor = df, [1, 2], "here", 2
class Point:
    size = 1
    def area(self):
        return self.size * factor
point = Point()
def scaled(x):
    return x * factor
open("kept.txt", "w").write("as it was")
open("changed.txt", "w").write("before")
open("deleted.txt", "w").write("there")
"""
SECOND = """
df["a"] = 0
del gone
kept = kept + [3]
Point.size, factor, new = 5, 7, b"12345"
matplotlib.rcParams["lines.linewidth"] = 9
os.mkdir("sub")
os.chdir("sub")
open("../changed.txt", "w").write("after")
open("inner.txt", "w").write("new")
os.remove("../deleted.txt")
"""
SEEN = """
print(df["a"].sum(), same is df, kept, "gone" in globals(), point.area(), scaled(1), "new" in globals(),
      matplotlib.rcParams["lines.linewidth"], os.path.basename(os.getcwd()) == "sub")
"""
AFTER_FIRST = "499500 True [1, 2] True 2 2 False 1.5 False\n"
AFTER_SECOND = "0 True [1, 2, 3] False 35 7 True 9.0 True\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pool]:
    """The module's pool."""
    folder = tmp_path_factory.mktemp("travels")
    states = StateStore(folder / "states", quota=1 << 30, disk=1 << 30)
    async with pooled(folder / "workspaces", states=states) as pool:
        yield pool


def sha256(text: str) -> str:
    """The digest of a file with this text."""
    return hashlib.sha256(text.encode()).hexdigest()


async def numbered(kernel: Kernel) -> dict[int, int]:
    """The number of the newest save of each cell."""
    return {saved.cell: saved.number for saved in await kernel.saves()}


async def test_everything_is_as_it_was_after_the_first_cell_and_again_as_after_the_second(
    pool: Pool,
) -> None:
    """What has changed is told; the files are named, to be put back by the caller."""
    kernel = pool.kernel("journeys", NoFiles())
    await run(kernel, FIRST, tag=1)
    await kernel.checkpoint("first")
    await run(kernel, SECOND, tag=2)
    back = await kernel.go_to((await numbered(kernel))[1])
    assert (back.as_of, back.unsaved) == (1, ())
    changed = {one.name: (one.was, one.now) for one in back.changed}
    assert changed.pop("df") == changed.pop("same") == ("DataFrame 1,000 x 2",) * 2
    assert changed.pop("Point") == ("type", "type")
    assert changed.pop("point") == ("Point", "Point")  # its class has changed; `scaled` has not
    assert changed == {
        "gone": ("", "str 4 characters"),
        "kept": ("list 3 items", "list 2 items"),
        "factor": ("int 7", "int 2"),
        "new": ("bytes 5 bytes", ""),
    }
    assert set(back.files) == {
        ChangedFile("changed.txt", sha256("before"), known=True, now=sha256("after")),
        ChangedFile("deleted.txt", sha256("there"), known=True),
        ChangedFile("sub/inner.txt", "", known=True, now=sha256("new")),
    }
    seen = await run(kernel, SEEN, tag=3)
    assert (seen.output, seen.restarts) == (AFTER_FIRST, [])
    forth = await kernel.go_to(back.before)
    assert (forth.as_of, forth.files) == (2, ())
    assert (await run(kernel, SEEN, tag=4)).output == AFTER_SECOND


async def test_before_the_first_cell_there_is_nothing(pool: Pool) -> None:
    """Files that were there before it stay, those that it has written are named."""
    kernel = pool.kernel("beginning", NoFiles())
    await kernel.place("upload.csv", b"1,2")
    await run(kernel, "x = 1; open('mine', 'w').write('x')", tag=1)
    back = await kernel.go_to(0)
    assert back.changed == (ChangedVariable("x", "int 1", ""),)
    assert (back.as_of, back.files) == (0, (ChangedFile("mine", "", known=True, now=sha256("x")),))
    ran = await run(kernel, "'x' in globals()", tag=2)
    assert (ran.output, ran.restarts) == ("False\n", [])
    await kernel.cull("it was not used")
    assert await value(kernel, "'x' in globals()") == "False"
    assert (await kernel.go_to(back.before)).as_of == 1
    assert await value(kernel, "x") == "1"


async def test_what_a_death_left_is_the_state_that_was_gone_to(pool: Pool) -> None:
    """Not the newer one that was undone."""
    kernel = pool.kernel("dies", NoFiles())
    await run(kernel, "x = 1", tag=1)
    await kernel.checkpoint("one")
    await run(kernel, "x = 2", tag=2)
    await kernel.go_to((await kernel.checkpoints())["one"].number)
    died = await run(kernel, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", tag=3)
    assert [told.as_of for told in died.restarts] == [1]
    assert await value(kernel, "x") == "1"


async def test_whoever_looks_while_it_goes_back_sees_where_it_arrives(pool: Pool) -> None:
    """So the next program knows what has become of a journey that the one before began."""
    kernel = pool.kernel("on_the_way", NoFiles())
    await run(kernel, "x = 1", tag=1)
    await kernel.checkpoint("first")
    await run(kernel, "x = 2", tag=2)
    going = asyncio.create_task(kernel.go_to((await numbered(kernel))[1]))
    await asyncio.sleep(0)
    assert [saved.cell for saved in await kernel.saves()] == [0, 1, 2]
    assert (await kernel.state()).saved == 1
    assert (await going).as_of == 1


async def test_what_cannot_be_saved_is_kept_if_that_is_wanted(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing has changed then; otherwise there is no way back."""
    kernel = pool.kernel("kept", NoFiles())
    await run(kernel, "x = 1", tag=1)
    first = await kernel.checkpoint("first")
    monkeypatch.setattr(pool._saves, "closed", True)
    await run(kernel, "x = 2", tag=2)
    with pytest.raises(NotSaved):
        await kernel.go_to(first.number, keep=True)
    assert await value(kernel, "x") == "2"
    assert (await kernel.go_to(first.number)).before == 0


async def test_what_does_not_start_begins_with_the_save_that_was_gone_to(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks knows that at once; and which files are not as they were."""
    kernel = pool.kernel("start", NoFiles())
    await run(kernel, "x = 1", tag=1)
    first = await kernel.checkpoint("first")
    await run(kernel, "x = 2; open('new.txt', 'w').write('n')", tag=2)
    with monkeypatch.context() as patched:

        async def fails() -> None:
            raise KernelStartFailed("")

        patched.setattr(kernel, "_launch", fails)
        with pytest.raises(KernelStartFailed):
            await kernel.go_to(first.number)
    assert (await kernel.state()).saved == 1
    assert list(await kernel.changed_files()) == [ChangedFile("new.txt", "", known=True, now=sha256("n"))]
    assert await value(kernel, "x") == "1"


async def test_a_save_that_is_not_there_changes_nothing(pool: Pool) -> None:
    """Whether it never was or its bytes are gone."""
    kernel = pool.kernel("nowhere", NoFiles())
    await run(kernel, "x = 1", tag=1)
    with pytest.raises(NoSuchSave):
        await kernel.go_to(99)
    assert await value(kernel, "x") == "1"


async def test_a_save_that_cannot_be_loaded_leaves_everything_as_it_was(pool: Pool) -> None:
    """The journey tells the cell of which the variables really are."""
    kernel = pool.kernel("loops", NoFiles())
    hostile = (
        "class Hostile:\n    def __reduce__(self): return exec, ('import os; os._exit(1)',)\nh = Hostile()"
    )
    await run(kernel, f"x = 1\n{hostile}", tag=1)
    await kernel.checkpoint("hostile")
    await run(kernel, "del h; x = 2", tag=2)
    back = await kernel.go_to((await numbered(kernel))[1])
    assert (back.as_of, back.changed) == (2, ())
    assert await value(kernel, "x") == "2"


@pytest.mark.soak
async def test_random_work_is_undone_at_random_points(pool: Pool) -> None:
    """Each time the kernel prints what it printed after the cell to which it went."""
    kernel, chance = pool.kernel("random", NoFiles()), random.Random(14)
    await run(
        kernel, "import random, numpy as np; a, b, c, f = [], {}, np.zeros(20_000), lambda: len(a)", tag=1
    )
    look = "print(a, sorted(b.items()), c.sum(), f(), random.getstate()[1][-1], same is a)"
    work = (
        "a.append({0})",
        "b[{0}] = a",
        "c[{0}] += 1",
        "a = a[-3:]",
        "same = a",
        "b.clear()",
        "random.seed({0}); a.append(random.random())",
        "f = lambda: len(a) + {0}",
    )
    await run(kernel, "same = a", tag=2)
    printed: dict[int, str] = {}
    for cell in range(3, 33):
        if printed and chance.random() < 0.3:
            saves = {saved.number: saved.cell for saved in await kernel.saves() if saved.cell in printed}
            number = chance.choice(sorted(saves))
            assert (await kernel.go_to(number)).as_of == saves[number]
            assert (await run(kernel, look, tag=1000 + cell)).output == printed[saves[number]]
            continue
        ran = await run(kernel, f"{chance.choice(work).format(chance.randrange(20))}\n{look}", tag=cell)
        assert ran.status == "ok"
        printed[cell] = ran.output
        if chance.random() < 0.8:
            await kernel.checkpoint("last")
