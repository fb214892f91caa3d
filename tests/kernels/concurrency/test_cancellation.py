"""Work that must not stay half done is finished, even if the task waiting for it is cancelled."""

import asyncio
import contextlib

import pytest

from kernels.concurrency.cancellation import stop, to_the_end
from tests.live.cells import PATIENCE


async def test_the_result_comes_through() -> None:
    """Without a cancellation it is as if the work had been awaited directly."""

    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await to_the_end(work()) == 7


async def test_a_failure_comes_through() -> None:
    """The work's exception is raised."""

    async def work() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await to_the_end(work())


async def test_a_cancellation_waits_until_the_work_is_done() -> None:
    """Even cancelled twice, the work finishes, and only then is the cancellation raised."""
    steps = []

    async def work() -> None:
        for number in range(5):
            await asyncio.sleep(0)
            steps.append(number)

    waiting = asyncio.create_task(to_the_end(work()))
    for _ in range(2):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert steps == [0, 1, 2, 3, 4]


async def test_stop_ends_a_task_whose_time_is_just_up() -> None:
    """A time-out cancels its task too, and catches that; `stop` must not be mistaken for it."""

    async def work() -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.Event().wait()

    task = asyncio.create_task(work())
    while not task.cancelling():  # noqa: ASYNC110  the moment between the time-out's order and its effect
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await stop(task)
    assert task.cancelled()


async def test_stop_cancels_once_and_waits() -> None:
    """A task that cleans up after being cancelled is not cancelled again while it does."""
    cleaned = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await asyncio.gather(stop(task), stop(task))
    assert cleaned == [True]
    await stop(task)
    await stop(None)
