"""The same for several things, a few at once, so that one that fails or hangs holds up no other.

failures = await for_each(records, open_one)        # what each has failed of, None where it has not
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

__all__ = ["for_each"]

AT_ONCE = 8


async def for_each[T](
    things: Iterable[T], work: Callable[[T], Awaitable[None]]
) -> list[BaseException | None]:
    """Do the work for each of them; what each has failed of comes back, in their order."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(thing: T) -> None:
        async with places:
            await work(thing)

    return await asyncio.gather(*map(one, things), return_exceptions=True)
