"""Many kernels start, a few at a time; no processes run here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from kernels.concurrency.slots import TimedSlots
from kernels.errors import KernelStartFailed
from kernels.pool import Pool
from kernels.process.kernel_process import KernelProcess, StartTimes
from kernels.sandbox.policy import Tier
from tests.live.cells import NoFiles, pooled, run, until


class Starts:
    """Starts that take as long as they are told, and then fail."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()

    @asynccontextmanager
    async def one(self, *_: Any) -> AsyncIterator[KernelProcess]:
        self.begun += 1
        await self.go_on.wait()
        raise KernelStartFailed("no")
        yield


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    """A replacement for real starts."""
    starts = Starts()
    monkeypatch.setattr(KernelProcess, "start", starts.one)
    return starts


def five(pool: Pool, *, turn: float = 60.0) -> list[asyncio.Task[None]]:
    """People who start at the same time, two at a time; each makes the next wait for `turn` at most."""
    pool._starts = TimedSlots(2)

    async def one(name: str) -> None:
        kernel = pool.kernel(name, NoFiles())
        kernel.start_times = StartTimes(turn=turn)
        with suppress(KernelStartFailed):
            await run(kernel, "1")

    return [asyncio.create_task(one(name)) for name in "abcde"]


async def test_a_few_kernels_start_at_a_time_and_the_others_follow(tmp_path: Path, starts: Starts) -> None:
    """Thirty at once left the running kernels no processor time; a failed start lets the next one begin."""
    async with pooled(tmp_path, tier=Tier.NONE) as pool:
        people = five(pool)
        await until(lambda: starts.begun == 2)
        await asyncio.sleep(0.05)
        assert starts.begun == 2
        people[-1].cancel()  # a cancelled start holds nobody up
        starts.go_on.set()
        await asyncio.wait(people)
        assert starts.begun == 4


async def test_a_start_that_hangs_keeps_the_others_for_a_moment_only(tmp_path: Path, starts: Starts) -> None:
    """A kernel has a minute to answer; those behind it do not wait for that."""
    async with pooled(tmp_path, tier=Tier.NONE) as pool:
        people = five(pool, turn=0.05)
        await until(lambda: starts.begun == 5)
        starts.go_on.set()
        await asyncio.wait(people)
