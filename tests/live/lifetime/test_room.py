"""More people than there are places for kernels: they take turns, and nobody loses a variable."""

import asyncio
from pathlib import Path

import pytest

from kernels.pool import Pool, PoolTimes
from kernels.sandbox.limits.machine import Memory
from kernels.state.store import StateStore
from tests.live.cells import NoFiles, pooled, run, until, value

pytestmark = pytest.mark.timeout(120)

ROUNDS = 3


def states(folder: Path) -> StateStore:
    """Where the variables are saved."""
    return StateStore(folder / "states", quota=1 << 30, disk=1 << 30)


async def turns(pool: Pool, person: str) -> list[str]:
    """What somebody's cells print who uses their kernel now and then; each cell builds on those before."""
    kernel = pool.kernel(person, NoFiles())
    ran = await run(kernel, f"seen = ['{person}']\nsame = seen\ndef count(): return len(seen)", tag=1)
    printed = []
    for number in range(2, ROUNDS + 2):
        ran = await run(kernel, f"same.append({number})\nprint(*seen, count())", tag=number)
        assert all(told.as_of == number - 1 and not told.lost for told in ran.restarts), ran.restarts
        printed.append(ran.output)
    return printed


async def test_four_people_on_two_places_lose_nothing(tmp_path: Path) -> None:
    """Whoever waits takes the place of somebody who thinks, and that one's variables are back in time."""
    times = PoolTimes(spared=0.05)
    async with pooled(tmp_path / "w", size=2, states=states(tmp_path), times=times) as pool:
        people = ("ada", "bo", "cy", "di")
        printed = await asyncio.gather(*(turns(pool, person) for person in people))
        assert printed == [
            [f"{person} {' '.join(map(str, range(2, last + 1)))} {last}\n" for last in range(2, ROUNDS + 2)]
            for person in people
        ]
        assert sum(pool.kernel(person, NoFiles()).alive for person in people) <= 2


async def test_the_largest_idle_kernel_gives_way_and_comes_back(tmp_path: Path) -> None:
    """When memory is short one large kernel is ended, after a save, and two small ones stay."""
    plenty, none = Memory(1 << 40, 1 << 40), Memory(0, 1 << 40)
    times = PoolTimes(sweep=1000.0, brief=0.0, recent=0.0, relief=1000.0)
    places = {"states": states(tmp_path), "times": times, "memory": lambda: plenty}
    async with pooled(tmp_path / "w", **places) as pool:
        kernels = [pool.kernel(name, NoFiles()) for name in ("small", "large", "other")]
        for kernel, size in zip(kernels, (1, 120 << 20, 1), strict=True):
            await run(kernel, f"data = bytearray(b'.') * {size}", tag=1)
        for kernel in kernels:
            kernel.last_used = kernels[0].last_used
        pool._memory = lambda: none if all(kernel.alive for kernel in kernels) else plenty
        await until(lambda: not all(kernel.alive for kernel in kernels))
        assert [kernel.alive for kernel in kernels] == [True, False, True]
        assert await value(kernels[1], "len(data), data[-1:]") == f"({120 << 20}, bytearray(b'.'))"
