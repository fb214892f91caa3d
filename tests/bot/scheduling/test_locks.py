"""Session locks: slow work in one session keeps nobody but its own person waiting."""

import asyncio
from contextlib import AbstractAsyncContextManager

from bot.scheduling.locks import Locks


class Holder:
    """Holds a lock until it is told to release it."""

    def __init__(self, lock: AbstractAsyncContextManager[None]) -> None:
        self.inside = False
        self.go = asyncio.Event()
        self.task = asyncio.create_task(self._hold(lock))

    async def _hold(self, lock: AbstractAsyncContextManager[None]) -> None:
        async with lock:
            self.inside = True
            await self.go.wait()
        self.inside = False


async def settled() -> None:
    """Wait until everything that can happen without time passing has happened."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_session_is_held_once_and_keeps_no_other_waiting() -> None:
    """Neither another person's session nor another one of the same person."""
    locks = Locks()
    held = [Holder(locks.one(1, "a")), Holder(locks.one(1, "a")), Holder(locks.one(1, "b"))]
    other = Holder(locks.one(2, "c"))
    await settled()
    assert [one.inside for one in (*held, other)] == [True, False, True, True]
    held[0].go.set()
    await settled()
    assert held[1].inside
    for one in (*held, other):
        one.go.set()
        await one.task
    assert locks._people == {}


async def test_all_of_a_person_waits_for_each_and_keeps_only_that_person_waiting() -> None:
    """Holders carry on; whoever wants one of that person's sessions, even a new one, waits; others do not."""
    locks = Locks()
    one = Holder(locks.one(1, "a"))
    await settled()
    everything = Holder(locks.all_of(1))
    await settled()
    late, other = Holder(locks.one(1, "new")), Holder(locks.one(2, "c"))
    await settled()
    assert (one.inside, everything.inside, late.inside, other.inside) == (True, False, False, True)
    one.go.set()
    await settled()
    assert (everything.inside, late.inside) == (True, False)
    everything.go.set()
    await settled()
    assert late.inside
    for each in (late, other):
        each.go.set()
        await each.task
    assert locks._people == {}


async def test_who_is_cancelled_holds_nothing() -> None:
    """Whether waiting or inside: the next one gets the lock, and nothing is remembered about anybody."""
    locks = Locks()
    for first, second in ((locks.one(1, "a"), locks.one(1, "a")), (locks.one(1, "a"), locks.all_of(1))):
        held, waits = Holder(first), Holder(second)
        await settled()
        waits.task.cancel()
        held.task.cancel()
        await asyncio.wait([held.task, waits.task])
        async with asyncio.timeout(30), locks.one(1, "a"):
            pass
    assert locks._people == {}
