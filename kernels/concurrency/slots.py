"""A line of people before a number of places, each of whom can see how many go first.

    async with line.enter() as ticket:
        async for position in ticket: ...     # 2, 1; ends when it is this one's turn
        ...                                   # the place is held until the block is left

First come, first served. One kernel is a line before one place; a pool is a line before many. Where nobody
asks for a position, and whoever takes long must not keep the others:

    async with turns.one(1.0): ...              # after so many seconds the next one has their turn too
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

__all__ = ["Line", "Ticket", "Turns"]


class Line:
    """At most `places` tickets are served at a time; the others wait in order."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._tickets: list[Ticket] = []
        self._crowded = asyncio.Event()

    @property
    def served(self) -> int:
        """Tickets that have their turn now."""
        return min(len(self._tickets), self._places)

    @property
    def waiting(self) -> int:
        """Tickets that wait."""
        return len(self._tickets) - self.served

    def enter(self) -> "Ticket":
        """Stand in line, from now on; leave with `Ticket.leave` or as a context manager."""
        ticket = Ticket(self)
        self._tickets.append(ticket)
        if self.waiting:
            self._crowded.set()
        return ticket

    async def crowded(self, at_most: float) -> None:
        """Return when somebody waits, or after `at_most` seconds."""
        if not self.waiting:
            self._crowded.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._crowded.wait(), at_most)

    def position(self, ticket: "Ticket") -> int:
        """How many must leave before it is this ticket's turn: 0 when it is now, or when it has left."""
        return max(0, self._tickets.index(ticket) - self._places + 1) if ticket in self._tickets else 0

    def serves(self, ticket: "Ticket") -> bool:
        """Whether it is this ticket's turn."""
        return ticket in self._tickets[: self._places]

    def leave(self, ticket: "Ticket") -> None:
        """Give the place, or the wait, up; doing it twice is no error."""
        if ticket in self._tickets:
            for other in self._tickets:
                other.moved.set()
            self._tickets.remove(ticket)


class Ticket:
    """One place in a line; iterate it to wait: the iteration ends with this one's turn, or when it leaves."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.moved = asyncio.Event()

    @property
    def served(self) -> bool:
        """Whether it is this one's turn."""
        return self._line.serves(self)

    def leave(self) -> None:
        """Give the place, or the wait, up."""
        self._line.leave(self)

    async def __aiter__(self) -> AsyncIterator[int]:
        last = 0
        while position := self._line.position(self):
            self.moved.clear()
            if position != last:
                yield position
                last = position
            if position == self._line.position(self):
                await self.moved.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class Turns:
    """At most `places` at a time, first come, first served; to wait costs nothing, unlike in a line."""

    def __init__(self, places: int) -> None:
        self._free = asyncio.Semaphore(places)

    @contextlib.asynccontextmanager
    async def one(self, seconds: float) -> AsyncIterator[None]:
        """Wait for a place, and keep it for so many seconds at most; the block may go on without it."""
        await self._free.acquire()
        place = contextlib.ExitStack()
        place.callback(self._free.release)
        leaving = asyncio.get_running_loop().call_later(seconds, place.close)
        try:
            yield
        finally:
            leaving.cancel()
            place.close()  # again does nothing
