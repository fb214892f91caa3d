"""Variables that are saved after each cell: what that costs, and how long it takes until they are back.

The time of a save is the kernel's idle time: nobody waits for it, and it gives way to the next cell. It is
compared with a plain write of as many bytes, and a restore with a start and a plain read. The start imports
what the restore needs, so imports count on neither side. dill's `dump_module` in a stock kernel stands beside
a save as well, if dill can be installed for it.
"""

import asyncio
import logging
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from time import perf_counter

from bench import ours
from bench.ground import Ground
from bench.measure import Figure, Samples, interleaved, milliseconds
from bench.stock import Stock
from bench.subjects.processes import added
from bench.subjects.start import CODE
from kernels.kernel import Kernel
from kernels.pool import Pool
from kernels.state.keeping.times import KeeperTimes
from kernels.state.store import StateStore

__all__ = ["figures"]

QUOTA = 16 << 30
PATIENCE = 120.0  # seconds for one save
LOOK = 0.001  # seconds between looks whether there is a save
THOUGHT = 0.05  # seconds between two cells of somebody who does not hurry
INTO = KeeperTimes().quiet + 0.01  # seconds after a cell when a save has just begun
PLAIN = 100_000_000  # bytes of the frames
# Four of them with 25 MB each; `n` makes them new ones.
FRAMES = """import numpy, pandas
n = {}
frames = [pandas.DataFrame(numpy.random.default_rng(4 * n + k).random((62_500, 50))) for k in range(4)]"""
ARRAYS = "import numpy\nparts = [numpy.random.default_rng(k).random(1_250_000) for k in range({})]"
SMALL = "import math\nx = [1, 2, 3]\ndef f(y): return math.sqrt(y) * len(x)"
# What a session has, and a cell that changes some of it; `{}` is a number that grows.
SESSIONS = {
    "a small session": (SMALL, "x.append({})"),
    "50 MB": (ARRAYS.format(5), "y = {}"),
    "500 MB of which 10 MB have changed": (ARRAYS.format(50), "parts[{} % 50] += 1"),
}
PERSON = "import numpy\ndata = numpy.full(2_500_000, {}.0)"
BACK = "assert (data == {}).all()"
DILL = "dill==0.4.1 --hash=sha256:1e1ce33e978ae97fcfcff5638477032b801c46c7c65cf717f95fbc2248f79a9d"
INSTALLING = 60.0  # seconds
DUMP = """import sys, os
sys.path.insert(0, {folder!r})
import dill
dill.dump_module({place!r})
with open({place!r}, "rb") as file:
    os.fsync(file.fileno())"""

log = logging.getLogger(__name__)


class _Session:
    """A kernel whose cells are numbered."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._cells = 0

    async def run(self, code: str) -> None:
        """Run the next cell."""
        self._cells += 1
        await ours.run(self.kernel, code, tag=self._cells)

    async def saved(self) -> float:
        """The milliseconds until the state after the last cell is saved, without the pause before it."""
        begun = perf_counter()
        async with asyncio.timeout(PATIENCE):
            while self.kernel.saved != self._cells:  # noqa: ASYNC110  no event tells it
                await asyncio.sleep(LOOK)
        return max(0.0, perf_counter() - begun - KeeperTimes().quiet) * 1000


async def figures(ground: Ground) -> list[Figure]:
    """All of it, one after the other."""
    told: list[Figure] = []
    async with _states(ground, "states") as pool:
        told += await _idle_work(ground, pool)
        told += await _saves_and_restores(ground, pool)
        told += await _latency(ground, pool)
        told.append(await _undo(ground, pool))
    return [*told, *await _memory(ground), *await _people(ground), *await _dill(ground)]


@asynccontextmanager
async def _states(ground: Ground, name: str, **more: object) -> AsyncIterator[Pool]:
    """A pool that saves variables in a folder of its own."""
    states = StateStore(ground.folder / name, quota=QUOTA, disk=QUOTA, history=2)
    async with ours.kernels(ground, f"{name}-workspaces", states=states, **more) as pool:
        yield pool


async def _idle_work(ground: Ground, pool: Pool) -> list[Figure]:
    """How long a kernel is busy with a save after one cell."""
    told = []
    for number, (name, (make, change)) in enumerate(SESSIONS.items()):
        session = _Session(pool.kernel(f"idle{number}", ours.NO_FILES))
        await session.run(make)
        await session.saved()
        times = []
        for cell in range(ground.scale.saves):
            await session.run(change.format(cell))
            times.append(await session.saved())
        await pool.release(session.kernel.session_id)
        told.append(Figure(f"idle work after a cell, {name}", "ms", Samples(tuple(times))))
    return told


async def _saves_and_restores(ground: Ground, pool: Pool) -> list[Figure]:
    """100 MB of frames: saved beside a plain write, and brought back beside a start and a plain read."""
    session, numbers = _Session(pool.kernel("frames", ours.NO_FILES)), count()
    data, place = os.urandom(PLAIN), ground.folder / "plain"

    async def save() -> float:
        await session.run(FRAMES.format(next(numbers)))
        return await session.saved()

    async def write() -> float:
        place.unlink(missing_ok=True)
        return await milliseconds(asyncio.to_thread(_write, place, data))

    async def restore() -> float:
        await session.saved()
        await session.kernel.cull("a benchmark has it restored")
        return await milliseconds(session.run("assert sum(len(frame) for frame in frames) == 250_000"))

    async def start_and_read() -> float:
        name = f"empty{next(numbers)}"
        try:
            started = await milliseconds(ours.run(pool.kernel(name, ours.NO_FILES), CODE))
        finally:
            await pool.release(name)
        return started + 3 * await milliseconds(asyncio.to_thread(place.read_bytes))

    saves = await interleaved(save, write, ground.scale.saves)
    restores = await interleaved(restore, start_and_read, ground.scale.saves)
    await pool.release("frames")
    place.unlink()
    return [
        Figure("save of 100 MB of frames", "ms", saves, "write and fsync", "<= 2 x, <= 300 ms"),
        Figure("restore of 100 MB of frames", "ms", restores, "a start + 3 x reading", "<= 1 x"),
    ]


def _write(place: Path, data: bytes) -> None:
    with place.open("wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())


async def _latency(ground: Ground, pool: Pool) -> list[Figure]:
    """`1+1` in a session of 50 MB, beside one whose variables are not saved."""
    async with ours.kernels(ground, "plain-workspaces") as plain:
        saving = _Session(pool.kernel("latency", ours.NO_FILES))
        other = _Session(plain.kernel("latency", ours.NO_FILES))
        for session in (saving, other):
            await session.run(ARRAYS.format(5))

        async def after_a_pause(session: _Session) -> float:
            if session is saving:
                await saving.saved()
            await asyncio.sleep(THOUGHT)
            return await milliseconds(session.run("1+1"))

        async def at_once(session: _Session) -> float:
            await session.run("1+1")
            return await milliseconds(session.run("1+1"))

        async def into_a_save(session: _Session) -> float:
            await session.run("parts[0] += 1")
            await asyncio.sleep(INTO)
            return await milliseconds(session.run("1+1"))

        told = []
        pairs = max(1, ground.scale.cells // 5)
        for name, trial, target in (
            ("after a pause", after_a_pause, "<= 1.05 x"),
            ("at once after another", at_once, "<= 1.05 x"),
            ("into a save of 10 MB", into_a_save, ""),
        ):
            samples = await interleaved(lambda: trial(saving), lambda: trial(other), pairs)  # noqa: B023  awaited here
            told.append(Figure(f"1+1 {name}, 50 MB saved", "ms", samples, "STATE=off", target))
        await pool.release("latency")
        return told


async def _undo(ground: Ground, pool: Pool) -> Figure:
    """A cell of a session of 50 MB is taken back: another process gets the variables before it."""
    session, numbers = _Session(pool.kernel("undo", ours.NO_FILES)), count()
    await session.run(ARRAYS.format(5))

    async def undo() -> float:
        await session.run(f"y = {next(numbers)}")
        await session.saved()
        before = (await session.kernel.saves())[-1].number
        await session.run("parts[0] += 1")
        await session.saved()
        return await milliseconds(session.kernel.go_to(before))

    samples = await interleaved(undo, None, ground.scale.saves)
    await pool.release("undo")
    return Figure("undo of a cell, 50 MB", "ms", samples)


async def _memory(ground: Ground) -> list[Figure]:
    """What an idle kernel with pandas takes after a save, beside one whose variables are not saved."""

    async def takes(pool: Pool, *, saved: bool) -> float:
        async def start(number: int) -> None:
            session = _Session(pool.kernel(f"idle{number}", ours.NO_FILES))
            await session.run(CODE)
            if saved:
                await session.saved()

        _, _, memory = await added(start, max(1, ground.scale.idle // 5))
        return memory

    async with _states(ground, "memory") as pool:
        mine = await takes(pool, saved=True)
    async with ours.kernels(ground) as pool:
        theirs = await takes(pool, saved=False)
    samples = Samples((mine,), (theirs,))
    return [Figure("memory of an idle kernel, saved (PSS)", "MiB", samples, "STATE=off")]


async def _people(ground: Ground) -> list[Figure]:
    """People with 20 MB each on half as many places: how many find their variables again, and how soon."""
    people = ground.scale.people
    places = max(1, people * 32 // 60)
    waits = []
    async with _states(ground, "people", size=places) as pool:
        sessions = [_Session(pool.kernel(f"person{number}", ours.NO_FILES)) for number in range(people)]
        made = (session.run(PERSON.format(number)) for number, session in enumerate(sessions))
        await asyncio.gather(*made)

        async def come_back(number: int) -> float:
            return await milliseconds(sessions[number].run(BACK.format(number)))

        found = await asyncio.gather(*map(come_back, range(people)), return_exceptions=True)
        waits = [one for one in found if not isinstance(one, BaseException)]
    told = [
        Figure(
            f"{people} people with 20 MB on {places} places find all again",
            "",
            Samples((len(waits),)),
            target=str(people),
        )
    ]
    if waits:
        told.append(Figure("- all at once, after", "ms", Samples(tuple(waits))))
    return told


async def _dill(ground: Ground) -> list[Figure]:
    """The same 100 MB with `dill.dump_module`; nothing if dill cannot be had, or fails."""
    folder, place, numbers = ground.folder / "dill", ground.folder / "dumped", count()
    if not await _installed(ground.python, folder):
        return []
    dump_it = DUMP.format(folder=str(folder), place=str(place))
    with Stock(ground.folder, ground.python) as stock:
        async with stock.kernel() as kernel, _states(ground, "beside-dill") as pool:
            session = _Session(pool.kernel("frames", ours.NO_FILES))

            async def save() -> float:
                await session.run(FRAMES.format(next(numbers)))
                return await session.saved()

            async def dump() -> float:
                await kernel.run(FRAMES.format(next(numbers)))
                return await milliseconds(kernel.run(dump_it))

            try:
                samples = await interleaved(save, dump, max(1, ground.scale.saves // 2))
            except RuntimeError as error:
                log.error("dill cannot save the frames: %s", error)
                return []
    return [Figure("save of 100 MB of frames", "ms", samples, "dill in stock")]


async def _installed(python: Path, folder: Path) -> bool:
    """Install dill in a folder of its own. Returns whether it is there."""
    wanted = folder.with_suffix(".txt")
    wanted.write_text(DILL, "ascii")
    flags = ("--quiet", "--no-deps", "--require-hashes", "--disable-pip-version-check")
    pip = await asyncio.create_subprocess_exec(
        *(python, "-m", "pip", "install", *flags, "--target", folder, "-r", wanted),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(INSTALLING):
            return await pip.wait() == 0
    except TimeoutError:
        return False
    finally:
        if pip.returncode is None:
            pip.kill()
            await pip.wait()
