"""A queue of people for a number of slots, each of whom can see how many go first.

    async with queue.enter() as entry:
        async for position in entry: ...      # 2, 1; ends when it is this one's turn
        ...                                   # the slot is held until the block is left

First come, first served. A kernel has a queue for its one slot, the running cell; a pool has one for its many
kernels. Where nobody asks for a position, and one that takes long must not keep the others waiting:

    async with starts.slot(1.0): ...            # after a second the next one may start too
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self

__all__ = ["QueueEntry", "SlotQueue", "TimedSlots"]


class SlotQueue:
    """At most `slots` entries have a slot at a time; the others wait in order."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._entries: list[QueueEntry] = []
        self._crowded = asyncio.Event()

    @property
    def served(self) -> int:
        """Entries that have a slot now."""
        return min(len(self._entries), self._slots)

    @property
    def waiting(self) -> int:
        """Entries that wait for one."""
        return len(self._entries) - self.served

    def enter(self) -> "QueueEntry":
        """Join the queue; leave it with `QueueEntry.leave` or as a context manager."""
        entry = QueueEntry(self._entries, self._slots)
        self._entries.append(entry)
        if self.waiting:
            self._crowded.set()
        return entry

    async def crowded(self, at_most: float) -> None:
        """Wait until somebody waits, or for `at_most` seconds."""
        if not self.waiting:
            self._crowded.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._crowded.wait(), at_most)


class QueueEntry:
    """One place in a queue. Iterate over it to wait: the iteration ends when it has a slot, or has left."""

    def __init__(self, entries: "list[QueueEntry]", slots: int) -> None:
        self._entries = entries  # of the whole queue
        self._slots = slots
        self._moved = asyncio.Event()

    @property
    def served(self) -> bool:
        """Whether it has a slot."""
        return self in self._entries[: self._slots]

    @property
    def position(self) -> int:
        """How many must leave before it is this one's turn: 0 if it has a slot, or has left."""
        return max(0, self._entries.index(self) - self._slots + 1) if self in self._entries else 0

    def leave(self) -> None:
        """Give up the slot, or the wait; doing so twice is no error."""
        if self in self._entries:
            for other in self._entries:
                other._moved.set()
            self._entries.remove(self)

    async def __aiter__(self) -> AsyncIterator[int]:
        last = 0
        while position := self.position:
            self._moved.clear()
            if position != last:
                yield position
                last = position
            if position == self.position:
                await self._moved.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()


class TimedSlots:
    """At most `slots` at a time, first come, first served; without positions, a wait costs nothing."""

    def __init__(self, slots: int) -> None:
        self._free = asyncio.Semaphore(slots)

    @contextlib.asynccontextmanager
    async def slot(self, seconds: float) -> AsyncIterator[None]:
        """Wait for a slot, and keep it for so many seconds at most; the block may go on without it."""
        await self._free.acquire()
        holding = contextlib.ExitStack()
        holding.callback(self._free.release)
        leaving = asyncio.get_running_loop().call_later(seconds, holding.close)
        try:
            yield
        finally:
            leaving.cancel()
            holding.close()  # again does nothing
