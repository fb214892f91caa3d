"""Reads of a database that may be away: after one has failed, the next ones fail at once for a while."""

import asyncio
from collections.abc import Awaitable, Callable

from filestore.errors import StoreUnavailable

__all__ = ["Reads"]

IN_VAIN = 10.0  # seconds after a failed read in which no other is tried


class Reads:
    """Remembers for IN_VAIN seconds that the database could not be read."""

    def __init__(self) -> None:
        self._failed: StoreUnavailable | None = None
        self._until = 0.0  # by the loop's clock

    async def read[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` reads. Raises: StoreUnavailable."""
        clock = asyncio.get_running_loop().time
        if self._failed is not None and clock() < self._until:
            raise StoreUnavailable(self._failed.reason)
        try:
            found = await work()
        except StoreUnavailable as error:
            self._failed = error
            self._until = clock() + IN_VAIN
            raise
        self._failed = None
        return found

    def again(self) -> None:
        """The database can be used again."""
        self._failed = None
