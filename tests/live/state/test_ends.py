"""Whatever ends a kernel, the next one goes on where it was: its cells print what they would have printed.

Two sessions run the same cells. One is ended again and again, the other one never.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio

from kernels.cell.events import Restarted, Stream
from kernels.kernel import Kernel
from kernels.limits import Limits, MiB
from kernels.pool import Pool
from kernels.sandbox.forkserver import LIBRARIES
from kernels.sandbox.policy import Tier
from kernels.state.store import StateStore
from tests.live.cells import PATIENCE, NoFiles, Ran, deaf, pooled, run, until_saved

pytestmark = pytest.mark.asyncio(loop_scope="module")

CELLS = {
    1: """
import enum, functools, os, random, sqlite3, threading
import matplotlib.pyplot as plt, numpy as np, pandas as pd
from numpy.polynomial import Polynomial
df = pd.DataFrame({"a": range(1000), "b": [f"row {n}" for n in range(1000)]})
same, pair = df, {"df": df, "column": df["a"]}
array = np.arange(20_000.0)
view = array[::2]
circle = [1]
circle.append(circle)
""",
    2: """
SCALE = 10
class Shape:
    made = 0
    def __init__(self, side):
        self.side = side
        Shape.made += 1
    def area(self):
        return SCALE * self.side**2
class Square(Shape):
    def area(self):
        return super().area() + 1
class Colour(enum.Enum):
    RED = 1
    BLUE = 2
shapes = [Square(2), Square(3)]
first, chosen = shapes[0], Colour.BLUE
def counter():
    n = 0
    def counted():
        nonlocal n
        n += 1
        return n
    return counted
counted = counter()
doubled = functools.partial(lambda x, by: x * by * SCALE, by=2)
""",
    3: """
model = Polynomial.fit(df["a"], 2 * df["a"] + 1, 1)
fig, ax = plt.subplots()
ax.set_title("kept")
plt.close(fig)
random.seed(7), np.random.seed(7)
rng = np.random.default_rng(7)
os.makedirs("sub", exist_ok=True)
os.chdir("sub")
os.environ["MINE"] = "yes"
pd.set_option("display.max_rows", 7)
""",
    4: """
file = open("open.txt", "w")
db = sqlite3.connect(":memory:")
thread = threading.Thread(target=threading.Event().wait, daemon=True)
thread.start()
numbers = (n for n in range(3))
""",
    5: "df['a'].sum()",
}
LOOK = """
print(df is same, pair["df"] is df, pair["column"].equals(df["a"]), df["b"].iloc[-1], df.shape)
array[0] += 1
print(view[0], np.shares_memory(view, array), circle[1] is circle)
print(type(first) is Square, first is shapes[0], Shape.made, chosen is Colour.BLUE, Colour(2) is chosen)
print(first.area(), doubled(1))
SCALE += 1
print(first.area(), doubled(1), first.area.__globals__ is globals(), counted())
print(model(df["a"].iloc[-1]), ax.get_title(), ax.figure is fig)
print(random.random(), np.random.random(), rng.random())
print(os.path.basename(os.getcwd()), os.environ["MINE"], pd.get_option("display.max_rows"))
print(Out[5], In[5], get_ipython().execution_count)
df.loc[len(df)] = [len(df), "new"]
"""
NAMES = {
    *(
        "df",
        "same",
        "pair",
        "array",
        "view",
        "circle",
        "SCALE",
        "Shape",
        "Square",
        "Colour",
        "shapes",
        "first",
    ),
    *("chosen", "counter", "counted", "doubled", "model", "fig", "ax", "rng", "pd", "Polynomial"),
}
LOST = {("file", 4), ("db", 4), ("thread", 4), ("numbers", 4)}
_cells = count(max(CELLS) + 1)


class Twins:
    """The session that is ended, and the one that goes on; both run the same cells."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.cell = 0  # the last one that both have run

    @property
    def ended(self) -> Kernel:
        return self.pool.kernel("ended", NoFiles())

    async def begin(self) -> None:
        for cell, code in CELLS.items():
            rans = [
                await run(self.pool.kernel(name, NoFiles()), code, tag=cell) for name in ("ended", "whole")
            ]
            assert [ran.status for ran in rans] == ["ok", "ok"], [(cell, ran.result) for ran in rans]
            assert rans[0].output == rans[1].output
            await until_saved(
                self.ended, cell
            )  # of cells without a pause nobody knows which names each has bound
            self.cell = cell

    async def look(self, kernel: Kernel | None = None) -> Ran:
        """Run the same cell in both, and compare; returns how it was in the one that is ended."""
        self.cell = next(_cells)
        ran, whole = await asyncio.gather(
            run(kernel or self.ended, LOOK, tag=self.cell),
            run(self.pool.kernel("whole", NoFiles()), LOOK, tag=self.cell),
        )
        assert (whole.status, whole.restarts) == ("ok", [])
        assert ran.output == whole.output
        await until_saved(kernel or self.ended, self.cell)
        return ran


def check(told: Restarted, as_of: int) -> None:
    """Everything that can be is back, and the rest is named with its cell."""
    assert told.as_of == as_of
    assert set(told.back) >= NAMES, NAMES - set(told.back)
    assert {(one.name, one.cell) for one in told.unsaved if one.cell} == LOST
    assert all(one.what for one in told.unsaved)
    assert told.lost == ()


def states(folder: Path) -> StateStore:
    """The states there, as a program opens them."""
    return StateStore(folder / "states", quota=1 << 30, disk=1 << 30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the workspaces and of the states."""
    return tmp_path_factory.mktemp("ends")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def twins(folder: Path) -> AsyncIterator[Twins]:
    """The two sessions after their first cells."""
    limits = Limits(memory=640 * MiB)
    async with pooled(folder / "workspaces", limits, libraries=LIBRARIES, states=states(folder)) as pool:
        twins = Twins(pool)
        await twins.begin()
        yield twins


def dies(code: str, status: str = "died") -> Callable[[Twins], Awaitable[Ran | None]]:
    """An end by a cell, which is told by that cell."""

    async def end(twins: Twins) -> Ran:
        ran = await run(twins.ended, f"new = 1\n{code}", tag=twins.cell + 1000)
        assert ran.status == status, ran.output
        return ran

    return end


async def quits(twins: Twins) -> None:
    """An end that the next cell tells."""
    assert (await run(twins.ended, "exit()", tag=twins.cell + 1000)).status == "ok"


async def is_killed_by_an_interrupt(twins: Twins) -> Ran:
    """Because the cell does not stop."""
    twins.ended.grace = timedelta(seconds=0.2)
    async with asyncio.timeout(PATIENCE), twins.ended.run(deaf(), tag=twins.cell + 1000) as cell:
        events = []
        async for event in cell:
            events.append(event)
            if isinstance(event, Stream):
                await cell.interrupt()
    cell.settle()
    return Ran(cell.result, events)


ENDS: dict[str, Callable[[Twins], Awaitable[Ran | None]]] = {
    "exit": quits,
    "os._exit": dies("os._exit(1)"),
    "a crash": dies("import ctypes\nctypes.string_at(0)"),
    "a kill": dies("import signal\nos.kill(os.getpid(), signal.SIGKILL)"),
    "an interrupt": is_killed_by_an_interrupt,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_an_end_changes_nothing_but_what_is_named(twins: Twins, end: Callable[..., Any]) -> None:
    """Values, identities, live functions, random numbers, folder, options and results are as they were."""
    await twins.look()
    as_of = twins.cell
    ran = await end(twins)
    told = ran.restarts if ran is not None else []
    after = await twins.look()
    (restarted,) = [*told, *after.restarts]
    check(restarted, as_of)


async def test_too_much_memory_changes_nothing_else(twins: Twins) -> None:
    """The value that was too large is not back, and all others are."""
    if twins.pool.tier is Tier.NONE:
        pytest.skip("without a sandbox nothing limits the memory")
    await twins.look()
    as_of = twins.cell
    ran = await dies("new = b'x' * (1 << 30)", "out of memory")(twins)
    assert ran is not None
    (restarted,) = ran.restarts
    assert restarted.unnamed  # nobody knows what the cell had defined
    check(restarted, as_of)
    assert (await twins.look()).restarts == []


async def test_idle_kernels_are_ended_and_go_on(twins: Twins) -> None:
    """Also if nothing has been saved by then: it is saved before the end."""
    kernel = twins.pool.kernel("idle", NoFiles())
    await run(kernel, "x = [1]\nsame = x", tag=1)
    kernel.last_used -= 3601
    await twins.pool.sweep(monotonic())
    assert not kernel.alive
    ran = await run(kernel, "same.append(2)\nprint(x)", tag=2)
    (told,) = ran.restarts
    assert (ran.output, told.as_of, told.back, told.lost) == ("[1, 2]\n", 1, ("x", "same"), ())


async def test_values_come_back_whose_classes_use_other_names(twins: Twins) -> None:
    """A hash that needs a function of an earlier cell is asked for while a set is loaded."""
    kernel = twins.pool.kernel("hashes", NoFiles())
    code = """
def rounded(x): return round(x)
class Point:
    def __init__(self, x): self.x = x
    def __hash__(self): return rounded(self.x)
    def __eq__(self, other): return self.x == other.x
points = {Point(1.2), Point(3.4)}
"""
    await run(kernel, code, tag=1)
    await until_saved(kernel, 1)
    await kernel.cull("it was not used")
    ran = await run(kernel, "print(Point(3.4) in points, len(points))", tag=2)
    (told,) = ran.restarts
    assert (ran.output, told.unsaved) == ("True 2\n", ())
    assert told.back == ("rounded", "Point", "points")


async def test_another_program_goes_on(twins: Twins, folder: Path) -> None:
    """The folder is all that it needs; afterwards the first program goes on with what the other one did."""
    await twins.look()
    as_of = twins.cell
    await twins.pool.release("ended")
    async with pooled(folder / "workspaces", twins.pool.limits, states=states(folder)) as other:
        ran = await twins.look(other.kernel("ended", NoFiles()))
        (restarted,) = ran.restarts
        check(restarted, as_of)
        as_of = twins.cell
    ran = await twins.look()
    (restarted,) = ran.restarts
    check(restarted, as_of)


async def test_what_was_not_kept_says_so_when_it_is_used(twins: Twins) -> None:
    """With its name, what it was, and what to do."""
    await dies("os._exit(1)")(twins)
    ran = await run(twins.ended, "db.execute('select 1')", tag=twins.cell + 1000)
    assert ran.status == "error"
    assert ran.result.error is not None
    assert "`db` (a database connection) was not kept" in ran.result.error.evalue
