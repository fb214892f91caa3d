"""The same work for several things, a few at a time, so that one that fails or hangs does not hold up others.

failures = await for_each(records, open_one)        # the failure of each, or None
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

__all__ = ["for_each"]

AT_ONCE = 8  # things at a time


async def for_each[T](
    things: Iterable[T], work: Callable[[T], Awaitable[object]]
) -> list[BaseException | None]:
    """Do the work for each thing; returns each one's failure, or None, in the same order."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(thing: T) -> None:
        async with slots:
            await work(thing)

    return await asyncio.gather(*map(one, things), return_exceptions=True)
