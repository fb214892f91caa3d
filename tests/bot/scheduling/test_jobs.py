"""Long work: who waits for whom, who is refused, and that nothing stays claimed."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from bot.errors import AtWork, TooBusy
from bot.scheduling.jobs import WAITING, Jobs
from bot.wording.error_messages import sentence


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    """Two pieces at once."""
    jobs = Jobs(2, patience=60)
    yield jobs
    jobs.close()


class Work:
    """Jobs that run until they are released; counts those at work."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self.at_work: list[int] = []
        self.most = 0
        self.free = asyncio.Event()

    async def one(self, user_id: int) -> None:
        async with self._jobs.job(user_id, "a notebook"):
            self.at_work.append(user_id)
            self.most = max(self.most, len(self.at_work))
            await self.free.wait()
            self.at_work.remove(user_id)


async def settled() -> None:
    """Wait until everything that can happen without time passing has happened."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_person_has_one_at_a_time_and_all_have_two(jobs: Jobs) -> None:
    """Of three jobs of one person and one each of two others, one of hers and one other run."""
    work = Work(jobs)
    asked = [asyncio.create_task(work.one(user_id)) for user_id in (1, 1, 1, 2, 3)]
    await settled()
    assert work.at_work == [1, 2]
    work.free.set()
    await asyncio.gather(*asked)
    assert work.most == 2


async def test_who_asks_again_and_again_is_refused_and_nobody_else(jobs: Jobs) -> None:
    """One person can have only so many jobs waiting; another person's turn does not depend on that."""
    work = Work(jobs)
    asked = [asyncio.create_task(work.one(1)) for _ in range(WAITING)]
    await settled()
    with pytest.raises(AtWork) as caught:
        await work.one(1)
    assert "a notebook under way already" in sentence(caught.value)
    other = asyncio.create_task(work.one(2))
    await settled()
    assert work.at_work == [1, 2]
    work.free.set()
    await asyncio.gather(*asked, other)


async def test_who_would_wait_for_long_is_told_so() -> None:
    """While others take all places, the turn never comes; once they are free, the next job gets one."""
    work = Work(Jobs(2, patience=0.2))
    others = [asyncio.create_task(work.one(user_id)) for user_id in (1, 2)]
    await settled()
    with pytest.raises(TooBusy) as caught:
        await work.one(3)
    assert "try again" in sentence(caught.value)
    work.free.set()
    await asyncio.gather(*others)
    await work.one(3)


async def test_who_is_cancelled_frees_the_place(jobs: Jobs) -> None:
    """Whether working or waiting: afterwards the same person can have as many as before."""
    work = Work(jobs)
    for _ in range(3):
        asked = [asyncio.create_task(work.one(user_id)) for user_id in (1, 1, 2, 3)]
        await settled()
        assert len(work.at_work) == 2
        for task in asked:
            task.cancel()
        await asyncio.wait(asked)
        work.at_work.clear()
    work.free.set()
    await work.one(1)


async def test_one_of_a_kind_is_claimed_until_it_ends(jobs: Jobs) -> None:
    """A second one is refused at once; one of another kind, or another person's, is not."""
    with jobs.claim(1, "a replay"):
        with pytest.raises(AtWork), jobs.claim(1, "a replay"):
            pytest.fail("claimed twice")
        with jobs.claim(2, "a replay"), jobs.claim(1, "another"):
            pass
    with jobs.claim(1, "a replay"):
        pass


async def test_threads_are_its_own_and_are_waited_for(jobs: Jobs) -> None:
    """The event loop's default threads stay free for others; a step ends before its files are closed."""
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def step() -> str:
        begun.set()
        go_on.wait(20)
        done.set()
        return threading.current_thread().name

    go_on.set()
    assert (await jobs.in_thread(step)).startswith("job")
    for event in (begun, go_on, done):
        event.clear()
    running = asyncio.create_task(jobs.in_thread(step))
    await asyncio.to_thread(begun.wait, 20)
    running.cancel()
    await settled()
    assert not running.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert done.is_set()
