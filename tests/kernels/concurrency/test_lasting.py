"""Tasks that must live as long as the program: whatever ends one, it is logged and started again."""

import asyncio
from collections.abc import Callable

import pytest

from kernels.concurrency.cancellation import stop
from kernels.concurrency.lasting import lasting
from kernels.workspace.observer import Observer
from tests.live.cells import until

SOON = 0.001  # seconds: a pause of the usual length would be one of the test's


async def _stray() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    "error", [RuntimeError("odd"), MemoryError(), RecursionError(), asyncio.CancelledError(), None], ids=repr
)
async def test_whatever_ends_it_it_is_logged_and_begun_again(
    error: BaseException | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Including a stray cancellation from within, and an end without an error."""
    lives = asyncio.Queue[int]()
    count = 0

    async def work() -> None:
        nonlocal count
        count += 1
        lives.put_nowait(count)
        if error is not None:
            raise error

    task = lasting(work, "janitor", first_pause=SOON)
    async with asyncio.timeout(20):
        while await lives.get() < 4:
            pass
    await stop(task)
    assert "janitor has ended unexpectedly, and is begun again" in caplog.text
    assert str(error or "") in caplog.text


async def test_who_cancels_it_ends_it_for_good_with_what_it_was_doing() -> None:
    """Its end is awaited, whether it is in the middle of its work or in a pause."""
    ended: list[str] = []
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append("work")

    task = lasting(work, "janitor", first_pause=SOON)
    await begun.wait()
    await stop(task)
    assert (ended, task.cancelled()) == (["work"], True)

    task = lasting(_stray, "janitor", first_pause=SOON)
    await asyncio.sleep(0.01)
    await stop(task)
    assert task.cancelled()


async def test_an_observer_that_fails_observes_again(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both of its halves run again afterwards, and it ends as it should."""
    rounds = asyncio.Queue[None]()
    go_round: Callable[[Observer], object] = Observer._go_round

    async def fails_first(observer: Observer) -> None:
        rounds.put_nowait(None)
        if rounds.qsize() == 1:
            raise RuntimeError("odd")
        await go_round(observer)  # type: ignore[misc]

    monkeypatch.setattr(Observer, "_go_round", fails_first)
    async with Observer(tmp_path):
        await until(lambda: rounds.qsize() >= 2)
