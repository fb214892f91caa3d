"""Whatever ends a kernel, its variables are as after the newest save, whole: every end, in every tier."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kernels.kernel import Kernel
from kernels.pool import Pool
from kernels.state.store import StateStore
from tests.attacks.pools import LIMITS
from tests.attacks.state.conftest import QUOTA
from tests.conftest import ROOT
from tests.live.cells import NoFiles, deaf, pooled, run, until, until_saved, zygote

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.soak, pytest.mark.timeout(900)]

MAKE = """
import enum, random, threading
import matplotlib.pyplot as plt, numpy as np, pandas as pd
from sklearn.linear_model import LinearRegression
df = pd.DataFrame({"a": range(100), "b": [f"row {n}" for n in range(100)]})
whole = [df]
model = LinearRegression().fit(df[["a"]], 2 * df["a"] + 1)
fig, ax = plt.subplots()
ax.set_title("kept")
plt.close(fig)
class Shape:
    def area(self): return 10
class Square(Shape):
    def area(self): return super().area() + 1
class Colour(enum.Enum):
    RED = 1
shape, colour = Square(), Colour.RED
rng = np.random.default_rng(7)
random.seed(7)
file = open("open.txt", "w")
thread = threading.Thread(target=threading.Event().wait, daemon=True)
thread.start()
xs = [1, 2]
same = xs
scale = 10
def scaled(x): return x * scale
def counter():
    count = 0
    def step():
        nonlocal count
        count += 1
        return count
    return step
step = counter()
step()
"""
LOOK = """
same.append(3)
scale = 7
print(xs, scaled(2), step())
print(whole[0] is df, df["b"].iloc[-1], round(float(model.predict(df[["a"]])[-1])), ax.get_title(), ax.figure is fig)
print(shape.area(), type(shape) is Square, colour is Colour.RED)
print(rng.random() == np.random.default_rng(7).random(), random.random() == random.Random(7).random())
"""
FOUND = "[1, 2, 3] 14 2\nTrue row 99 199 kept True\n11 True True\nTrue True\n"
LOST = {("file", 11), ("thread", 11)}
SIZE = 10 << 20  # bytes of the value that each round of the kills makes anew
ROUNDS = 50

type End = Callable[[Pool, str], Awaitable[object]]


def session(pool: Pool, name: str) -> Kernel:
    """The session's kernel."""
    return pool.kernel(name, NoFiles())


async def kernel_is_dead(kernel: Kernel) -> None:
    """Wait until its end has been noticed."""
    await until(lambda: kernel.dead)


def a_cell(code: str) -> End:
    """An end that a cell of the person's brings about."""

    async def end(pool: Pool, name: str) -> None:
        await run(session(pool, name), code, tag=12)

    return end


async def _killed(pool: Pool, name: str) -> None:
    kernel = session(pool, name)
    os.kill(kernel.pid, signal.SIGKILL)
    await kernel_is_dead(kernel)


async def _with_the_zygote(pool: Pool, name: str) -> None:
    """Kernels outlive it; the next one is forked from another."""
    os.kill(zygote(pool), signal.SIGKILL)
    await session(pool, name).cull("it was not used")


async def _deadline(pool: Pool, name: str) -> None:
    kernel = session(pool, name)
    kernel.limits = replace(kernel.limits, cell=timedelta(seconds=1))
    assert (await run(kernel, deaf(), tag=12)).status == "timeout"
    kernel.limits = LIMITS


ENDS: dict[str, End] = {
    "unused": lambda pool, name: session(pool, name).cull("it was not used"),
    "killed": _killed,
    "killed by itself": a_cell("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
    "left": a_cell("import os\nos._exit(0)"),
    "quit": a_cell("quit()"),
    "crashed": a_cell("import ctypes\nctypes.string_at(0)"),
    "out of memory": a_cell("held = []\nwhile True: held.append(bytearray(b'.') * (1 << 20))"),
    "past its deadline": _deadline,
    "released": lambda pool, name: pool.release(name),
    "without its workspace": lambda pool, name: pool.remove(name, keep_state=True),
    "with the zygote": _with_the_zygote,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_variables_are_back_after_every_end(pool: Pool, end: End) -> None:
    """Names that share a value still share it, functions see the names, and a counter goes on."""
    name = f"end-{list(ENDS.values()).index(end)}"
    kernel = session(pool, name)
    await run(kernel, MAKE, tag=11)
    await until_saved(kernel, 11)
    await end(pool, name)
    kernel = session(pool, name)
    ran = await run(kernel, LOOK, tag=13)
    assert (ran.status, ran.output) == ("ok", FOUND)
    for told in ran.restarts:
        assert told.as_of == 11, told
        assert {(one.name, one.cell) for one in told.unsaved if one.what} == LOST, told
    await pool.remove(name)


PROGRAM = """
import asyncio, sys
from pathlib import Path
from kernels.sandbox.policy import Tier
from kernels.state.store import StateStore
from tests.live.cells import NoFiles, pooled, run
async def main():
    states = StateStore(Path(sys.argv[1]) / "states", quota=1 << 30, disk=1 << 30)
    async with pooled(Path(sys.argv[1]) / "w", tier=Tier(sys.argv[2]), states=states) as pool:
        kernel = pool.kernel("a", NoFiles())
        await run(kernel, sys.argv[3], tag=11)
        while kernel.saved != 11:
            await asyncio.sleep(0.02)
        print("saved", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
async def test_variables_are_back_after_the_program_was_killed(
    pool: Pool, tmp_path: Path, number: signal.Signals
) -> None:
    """Another program has them, from the same folder."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, str(tmp_path), str(pool.tier), MAKE),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"saved\n"
    process.send_signal(number)
    await process.wait()
    states = StateStore(tmp_path / "states", quota=1 << 30, disk=1 << 30)
    async with pooled(tmp_path / "w", tier=pool.tier, states=states) as other:
        ran = await run(session(other, "a"), LOOK, tag=12)
    assert (ran.output, [told.as_of for told in ran.restarts]) == (FOUND, [11])


async def test_kills_at_any_moment_of_a_save_leave_a_whole_state(pool: Pool, states: Path) -> None:
    """The one before or the one after, whose parts belong together; and each can be read."""
    name, moments = f"kills-{pool.tier}", random.Random(14)
    loop = asyncio.get_running_loop()
    last = kept = during = 0  # the number that is saved, by which cell; kills during a save
    usual = 0.0  # seconds until a save is done
    for number in range(1, ROUNDS + 1):
        kernel = session(pool, name)
        make = f"import random\nn = {number}\ndata = random.Random(n).randbytes({SIZE})\nparts = [data, n]"
        await run(kernel, make, tag=2 * number)
        begun = loop.time()
        if number == 1:
            await until_saved(kernel, 2)
            usual = loop.time() - begun
        await asyncio.sleep(moments.uniform(0, 1.3 * usual))
        during += kernel._keeper._asked is not None
        os.kill(kernel.pid, signal.SIGKILL)
        await kernel_is_dead(kernel)
        await pool.release(name)
        kernel = session(pool, name)
        look = f"n, parts[1] == n, parts[0] is data, data == random.Random(n).randbytes({SIZE})"
        ran = await run(kernel, look, tag=2 * number + 1)
        (told,) = ran.restarts
        assert told.as_of in (kept, 2 * number), (told, kept)
        last = last if told.as_of == kept else number
        assert ran.output == f"({last}, True, True, True)\n"
        kept = 2 * number + 1
        await until_saved(kernel, kept)
    assert during > ROUNDS // 10, f"{during} kills of {ROUNDS} came during a save of {usual:.2f} s"
    newest = StateStore(states / str(pool.tier), quota=QUOTA, disk=1 << 30).session(name).newest()
    assert newest is not None
    assert newest.cell == kept
    await pool.remove(name)
