"""Reads of a database that may be away: after one read has timed out, others fail at once for a while.

A read that fails quickly has no such effect: perhaps only the data of one session is damaged.
"""

import asyncio
from collections.abc import Awaitable, Callable

from filestore.errors import StoreUnavailable

__all__ = ["Reads"]

WAITED = 0.5  # seconds after which a failure counts as a time-out
PAUSE = 10.0  # seconds after a time-out in which no read is tried


class Reads:
    """Remembers for PAUSE seconds that a read has timed out."""

    def __init__(self) -> None:
        self._failed: StoreUnavailable | None = None
        self._until = 0.0  # by the loop's clock

    async def read[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`. Raises: StoreUnavailable."""
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
