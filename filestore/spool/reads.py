"""Reads of a database that may be away: after one has waited in vain, the next ones fail at once for a while.

One that fails soon says nothing of the others: what one session has may be damaged.
"""

import asyncio
from collections.abc import Awaitable, Callable

from filestore.errors import StoreUnavailable

__all__ = ["Reads"]

WAITED = 0.5  # seconds after which a read that fails has waited for a database that is away
PAUSE = 10.0  # seconds after such a read in which no other is tried


class Reads:
    """Remembers for PAUSE seconds that a read has waited in vain."""

    def __init__(self) -> None:
        self._failed: StoreUnavailable | None = None
        self._until = 0.0  # by the loop's clock

    async def read[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` reads. Raises: StoreUnavailable."""
        clock = asyncio.get_running_loop().time
        if self._failed is not None and clock() < self._until:
            raise StoreUnavailable(self._failed.reason)
        began = clock()
        try:
            found = await work()
        except StoreUnavailable as error:
            if clock() - began > WAITED:
                self._failed = error
                self._until = clock() + PAUSE
            raise
        self._failed = None
        return found

    def again(self) -> None:
        """The database can be used again."""
        self._failed = None
