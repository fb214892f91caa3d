"""A value can run any code when it is saved and when it is loaded: that costs its own person, and nobody else.

What the code is has no influence on where it runs: in the person's own kernel, within the limits of a cell.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from kernels.kernel import Kernel
from kernels.pool import Pool
from kernels.state.keeping.times import KeeperTimes
from tests.live.cells import NoFiles, Ran, run, until, until_saved, value

# In one tier only: the state is made and read by the same code in all, under the limits that cells have.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.tiers("S")]


@pytest.fixture(scope="module")
def keeping() -> KeeperTimes:
    """What does not end is given up after seconds instead of a minute."""
    return KeeperTimes(saving=2.0, leeway=1.0, stuck=1.0, loading=3.0)


@asynccontextmanager
async def others_work(pool: Pool) -> AsyncIterator[None]:
    """While entered, another person's cells are answered, and their variables are saved and kept."""
    kernel = pool.kernel("other", NoFiles())
    assert await value(kernel, "calm = 1; 1 + 1") == "2"
    over, answered = asyncio.Event(), 0

    async def go_on() -> None:
        nonlocal answered
        while not over.is_set() or not answered:
            ran = await run(kernel, "calm + 1")
            assert (ran.output, ran.restarts) == ("2\n", [])
            answered += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.2)

    going = asyncio.create_task(go_on())
    try:
        yield
    finally:
        over.set()
        await going
        saved = (await kernel.state()).saved
        await run(kernel, "calm += 1", tag=saved + 100)
        await until_saved(kernel, saved + 100)
        await pool.remove("other")


async def ended(kernel: Kernel) -> Ran:
    """End the kernel, as if it had not been used for long, and run a cell in the next one."""
    await kernel.cull("it was not used")
    return await run(kernel, "print('good' in globals() and good)", tag=1000)


ACTS = {
    "loops": "while True: pass",
    "catches everything": "while True:\n    try:\n        while True: time.sleep(0.01)\n    except BaseException: pass",
    "sleeps in C": "ctypes.CDLL(None).sleep(600)\nctypes.CDLL(None).sleep(600)",
    "is stuck in a regular expression": "re.match('(a+)+$', 'a' * 40 + 'b')",
    "forks": "for _ in range(10): os.fork()",
    "forks and stays": "if os.fork() == 0:\n    os.setsid()\n    time.sleep(20)",
    "prints": "print('HEARD', flush=True)\nprint('HEARD', file=sys.stderr)\nos.write(1, b'HEARD')\ndisplay('HEARD')\nwarnings.warn('HEARD')\nlogging.warning('HEARD')",
    "asks": "input('HEARD')",
    "allocates": "held = []\nwhile True: held.append(bytearray(1 << 20))",
    "recurses": "def again(): again()\nagain()",
    "exits": "sys.exit(3)",
    "is interrupted": "raise KeyboardInterrupt",
    "kills": "os._exit(3)",
    "crashes": "ctypes.string_at(0)",
    "starts threads": "for _ in range(200): threading.Thread(target=time.sleep, args=(20,), daemon=True).start()",
    "closes everything": "os.closerange(3, 1000)",
    "fills the disk": "with open('full', 'wb') as full:\n    for _ in range(200): full.write(bytes(1 << 20))",
    "changes the kernel": "import builtins\nget_ipython().user_ns.clear()\nbuiltins.len = builtins.print = None",
}
HOSTILE = """
class Hostile:
    def {method}:
        import ctypes, logging, os, re, sys, threading, time, warnings
        from pathlib import Path
        Path("acted").touch()
{act}
        return int, ()
bad = Hostile()
bad.x = 1
"""
# The others go the same ways: `make soak` runs them.
BRIEFLY = {
    "saved": {"catches everything", "forks", "prints", "kills"},
    "loaded": {"loops", "prints", "kills"},
}
METHODS = {"saved": "__reduce__(self)", "loaded": "__setstate__(self, state)"}


def hostile(act: str, *, when: str) -> str:
    """A cell that defines a value which does this when it is saved, or when it is loaded."""
    return HOSTILE.format(act=indent(act, " " * 8), method=METHODS[when])


def acts(when: str) -> list[Any]:
    """Everything that a value may do then."""
    return [
        pytest.param(act, id=name, marks=() if name in BRIEFLY[when] else pytest.mark.soak)
        for name, act in ACTS.items()
    ]


@pytest.mark.parametrize("act", acts("saved"))
async def test_what_a_value_does_when_it_is_saved(pool: Pool, kernel: Kernel, act: str) -> None:
    """The person's next cell works, in this kernel or in one that is as after the save before."""
    async with others_work(pool):
        await run(kernel, "good = [1, 2]", tag=11)
        await until_saved(kernel, 11)
        ran = await run(kernel, hostile(act, when="saved"), tag=12)
        assert ran.status == "ok", ran.output
        await until((kernel.workspace.path / "acted").exists)
        ran = await run(kernel, "print(2 + 2)", tag=13)
        told = "".join(ran.output.split("\n"))
        assert ran.status in ("ok", "error"), ran.output
        assert "HEARD" not in told
        for restarted in ran.restarts:
            assert restarted.as_of in (0, 11, 12)
            assert restarted.as_of == 0 or "good" in restarted.back
        ran = await run(kernel, "bad = None; print(6 * 7)", tag=14)
        if ran.status == "ok":
            assert ran.output == "42\n"


@pytest.mark.parametrize("act", acts("loaded"))
async def test_what_a_value_does_when_it_is_loaded(pool: Pool, kernel: Kernel, act: str) -> None:
    """It is named as not back, or all variables are; the cell that waited runs, and so does the next."""
    async with others_work(pool):
        await run(kernel, "good = [1, 2]\n" + hostile(act, when="loaded"), tag=12)
        await until_saved(kernel, 12)
        ran = await ended(kernel)
        (told,) = ran.restarts
        assert (kernel.workspace.path / "acted").exists()
        assert ran.status in ("ok", "error"), ran.output
        assert "HEARD" not in ran.output
        named = {*told.back, *told.lost, *(one.name for one in told.unsaved)}
        assert {"good", "bad"} <= named or act == ACTS["changes the kernel"]
        if "good" in told.back and act != ACTS["changes the kernel"]:
            assert ran.output == "[1, 2]\n"
        elif ran.status == "ok":
            assert ran.output == "False\n"


def flip(files: set[Path]) -> None:
    """Change a byte in the middle of each file."""
    for path in files:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)


def chunks(states: Path, kernel: Kernel) -> set[Path]:
    """All files that hold bytes of the session's values."""
    (folder,) = (path for path in states.rglob(kernel.session_id) if path.is_dir())
    return {path for path in folder.rglob("*") if path.is_file() and "chunks" in path.parts}


async def test_bytes_that_have_changed_on_disk_are_noticed(kernel: Kernel, states: Path) -> None:
    """The save before is taken; never a value that nobody has made."""
    make = "import random\ngood = random.Random({}).randbytes(3_000_000)"
    await run(kernel, make.format(1), tag=11)
    await until_saved(kernel, 11)
    before = chunks(states, kernel)
    await run(kernel, make.format(2), tag=12)
    await until_saved(kernel, 12)
    flip(chunks(states, kernel) - before)
    await kernel.cull("it was not used")
    ran = await run(kernel, "print(good == random.Random(1).randbytes(3_000_000))", tag=13)
    (told,) = ran.restarts
    assert (told.as_of, ran.output) == (11, "True\n")
    assert "good" in told.back


async def test_a_state_of_which_nothing_can_be_read_costs_the_variables(kernel: Kernel, states: Path) -> None:
    """They are named, and the next cell runs in a fresh kernel; so do later ends."""
    await run(kernel, "good = bytes(range(256)) * 5000", tag=11)
    await until_saved(kernel, 11)
    flip(chunks(states, kernel))
    ran = await ended(kernel)
    (told,) = ran.restarts
    assert (told.as_of, told.back, ran.output) == (0, (), "False\n")
    assert "good" in told.lost
    await run(kernel, "good = 5", tag=1001)
    await until_saved(kernel, 1001)
    ran = await ended(kernel)
    assert ran.output == "5\n"


@pytest.mark.parametrize("reset", ["%reset -f", "get_ipython().user_ns.clear()"])
async def test_names_that_were_cleared_stay_away(kernel: Kernel, reset: str) -> None:
    """They are not in the state after that cell, and nobody is told that they are missing."""
    await run(kernel, "good = [1, 2]", tag=11)
    await until_saved(kernel, 11)
    await run(kernel, reset, tag=12)
    await run(kernel, "other = 3", tag=13)
    await until_saved(kernel, 13)
    ran = await ended(kernel)
    (told,) = ran.restarts
    assert ran.output == "False\n"
    assert (told.as_of, told.lost) == (13, ())
    assert "other" in told.back
    assert "good" not in {*told.back, *(one.name for one in told.unsaved)}


async def test_what_there_is_no_room_for_is_named(pool: Pool, kernel: Kernel) -> None:
    """What is small is kept; the quota is that of one person, so others go on saving."""
    async with others_work(pool):
        await run(kernel, "import os\ngood = [1, 2]\nbig = os.urandom(100 << 20)", tag=11)
        await until_saved(kernel, 11)
        ran = await ended(kernel)
    (told,) = ran.restarts
    assert ran.output == "[1, 2]\n"
    assert "big" in {one.name for one in told.unsaved}


async def test_a_kernel_that_dies_with_each_save_is_usable(kernel: Kernel) -> None:
    """Its cells run: after such an end some have no save, and what has been saved before stays."""
    await run(kernel, "good = [1, 2]", tag=11)
    await until_saved(kernel, 11)
    for cell in range(12, 18):
        ran = await run(kernel, hostile("os._exit(3)", when="saved") + "\nprint(good)", tag=cell)
        assert ran.output == "[1, 2]\n"
        assert all(told.as_of == 11 for told in ran.restarts)
    ran = await run(kernel, "bad = None\nprint(good)", tag=19)
    assert ran.output == "[1, 2]\n"
