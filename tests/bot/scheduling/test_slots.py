"""Places for long work: who gets the next one, and that heavy users never keep all others waiting."""

import asyncio

from bot.scheduling.slots import Slots


class Held:
    """People in places, on a clock that is set."""

    def __init__(self, number: int, each: int | None = None) -> None:
        self.now = 0.0
        self.places = Slots(number, lambda: self.now, much=15.0, each=each)
        self.inside: list[int] = []
        self._go: dict[int, asyncio.Event] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def comes(self, user_id: int) -> None:
        self._go[user_id] = asyncio.Event()
        self.tasks.append(asyncio.create_task(self._one(user_id)))
        await self.settle()

    async def goes(self, user_id: int) -> None:
        self._go[user_id].set()
        await self.settle()

    async def settle(self) -> None:
        self.places._give()
        for _ in range(10):
            await asyncio.sleep(0)

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)

    async def _one(self, user_id: int) -> None:
        async with self.places.one(user_id):
            self.inside.append(user_id)
            await self._go[user_id].wait()
            self.inside.remove(user_id)


async def test_two_who_work_for_long_do_not_keep_a_third_waiting() -> None:
    """Once both have held their places for a long time, there is one more for those who have not."""
    held = Held(2)
    await held.comes(1)
    await held.comes(2)
    await held.comes(3)
    assert held.inside == [1, 2]
    held.now = 20.0
    await held.settle()
    assert held.inside == [1, 2, 3]
    await held.end()


async def test_who_has_used_much_leaves_one_place_to_others() -> None:
    """Two heavy users get one of two free places between them; a newcomer gets the other at once."""
    held = Held(2)
    for heavy in (1, 2):
        await held.comes(heavy)
    held.now = 60.0
    for heavy in (1, 2):
        await held.goes(heavy)
    for heavy in (1, 2):
        await held.comes(heavy)
    assert held.inside == [1]
    await held.comes(3)
    assert held.inside == [1, 3]
    await held.end()


async def test_the_least_user_comes_first_and_use_is_forgotten() -> None:
    """Rather than whoever came first; an hour later nobody counts as a heavy user any more."""
    held = Held(1)
    await held.comes(1)
    held.now = 10.0
    await held.goes(1)
    await held.comes(2)
    await held.comes(1)
    await held.comes(3)
    await held.goes(2)
    assert held.inside == [3]
    await held.goes(3)
    assert held.inside == [1]
    await held.goes(1)
    held.now = 3610.0
    assert held.places._of_late(1) < 0.1
    await held.end()


async def test_nobody_holds_more_places_than_each_may() -> None:
    """Free places stay free for others; who waits for their own work starts as soon as that has ended."""
    held = Held(3, each=1)
    await held.comes(1)
    await held.comes(1)
    await held.comes(2)
    assert held.inside == [1, 2]
    held.tasks[0].cancel()
    await held.settle()
    assert len(held.places._held) == 2
    await held.end()


async def test_who_gives_up_waiting_or_is_cancelled_leaves_nothing_behind() -> None:
    """The place goes to the next in line, however it becomes free."""
    held = Held(1)
    await held.comes(1)
    await held.comes(2)
    await held.comes(3)
    held.tasks[1].cancel()
    held.tasks[0].cancel()
    await held.settle()
    assert held.inside[-1] == 3
    await held.goes(3)
    assert held.places._held == held.places._waiting == []
    await held.end()
