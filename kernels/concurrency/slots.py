"""A queue of people for a number of slots, each of whom can see how many go first.

    async with queue.enter() as entry:
        async for position in entry: ...      # 2, 1; ends when it is this one's turn
        ...                                   # the slot is held until the block is left

First come, first served. A kernel has a queue for its one slot, the running cell; a pool has one for its many
kernels. There one person, who may have many kernels, holds no more than a share of the slots, and whoever has
fewer goes first:

    queue = SlotQueue(16, share=12)
    queue.enter("u7")

Where nobody asks for a position, and one that takes long must not keep the others waiting:

    async with starts.slot(1.0): ...            # after a second the next one may start too
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from itertools import count
from typing import Self

__all__ = ["QueueEntry", "SlotQueue", "TimedSlots"]


class SlotQueue:
    """At most `slots` entries have a slot at a time, and of one owner at most `share`; the others wait."""

    def __init__(self, slots: int, *, share: int | None = None) -> None:
        self._slots = slots
        self._share = slots if share is None else share
        self._held: list[QueueEntry] = []
        self._waiting: list[QueueEntry] = []  # as they came
        self._places: dict[QueueEntry, int] = {}  # of those who wait, from 1 on
        self._moments = count(1)  # at which somebody comes or gives up a slot
        self._left: dict[str, int] = {}  # when an owner of whom more wait has last given one up
        self._crowded = asyncio.Event()

    @property
    def served(self) -> int:
        """Entries that have a slot now."""
        return len(self._held)

    @property
    def waiting(self) -> int:
        """Entries that wait for one."""
        return len(self._waiting)

    def enter(self, owner: str = "") -> "QueueEntry":
        """Join the queue; leave it with `QueueEntry.leave` or as a context manager.

        Entries without an owner are each of somebody else.
        """
        entry = QueueEntry(self, owner, next(self._moments))
        self._waiting.append(entry)
        self._admit()
        if self._waiting:
            self._crowded.set()
        return entry

    def waits_for(self, owner: str) -> bool:
        """Whether one of this owner's own entries waits."""
        return any(entry.owner == owner for entry in self._waiting)

    def wants(self, owner: str, leaving: Iterable[str] = ()) -> bool:
        """Whether a slot that this owner gives up would be given to somebody who waits.

        Owners who are `leaving` give theirs up before.
        """
        held, line = self._owners(), self._line()
        entry = None
        for gone in (*leaving, owner):
            held[gone] -= 1
            entry = next((one for one in line if held[one.owner] < self._share), None)
            if entry is not None:
                line.remove(entry)
                held[entry.owner] += bool(entry.owner)
        return entry is not None

    async def crowded(self, at_most: float | None = None) -> None:
        """Wait until somebody waits, or for `at_most` seconds."""
        if not self.waiting:
            self._crowded.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._crowded.wait(), at_most)

    def holds(self, entry: "QueueEntry") -> bool:
        """Whether an entry has a slot."""
        return entry in self._held

    def position(self, entry: "QueueEntry") -> int:
        """The place of an entry among those that wait, from 1 on; 0 if it does not."""
        return self._places.get(entry, 0)

    def leave(self, entry: "QueueEntry") -> None:
        """Give up the entry's slot or its wait."""
        if entry in self._waiting:
            self._waiting.remove(entry)
        elif entry in self._held:
            self._held.remove(entry)
            if entry.owner:
                self._left[entry.owner] = next(self._moments)
        entry.moved.set()
        self._admit()

    def _admit(self) -> None:
        """Give free slots to those whose turn it is; an entry that has one keeps it."""
        while len(self._held) < self._slots:
            held = self._owners()
            entry = next((one for one in self._line() if held[one.owner] < self._share), None)
            if entry is None:
                break
            self._waiting.remove(entry)
            self._held.append(entry)
            entry.moved.set()
        # Found once, not by each of those who wait: of a thousand, each would sort them all.
        self._places = {entry: place for place, entry in enumerate(self._line(), 1)}
        for entry in self._waiting:
            entry.moved.set()
        waiting = {entry.owner for entry in self._waiting}
        self._left = {owner: moment for owner, moment in self._left.items() if owner in waiting}

    def _line(self) -> "list[QueueEntry]":
        """Those who wait, in their order: by how many entries of the same owner are before them.

        Of those with as many, whoever came first, or gave up a slot the longest time ago.
        """
        before, places = self._owners(), dict[QueueEntry, tuple[int, int]]()
        for entry in self._waiting:
            places[entry] = before[entry.owner], max(entry.came, self._left.get(entry.owner, 0))
            before[entry.owner] += bool(entry.owner)
        return sorted(self._waiting, key=places.__getitem__)

    def _owners(self) -> Counter[str]:
        return Counter(entry.owner for entry in self._held if entry.owner)


class QueueEntry:
    """One place in a queue. Iterate over it to wait: the iteration ends when it has a slot, or has left."""

    def __init__(self, queue: SlotQueue, owner: str, came: int) -> None:
        self.owner = owner
        self.came = came
        self.moved = asyncio.Event()  # its position may have changed
        self._queue = queue

    @property
    def served(self) -> bool:
        """Whether it has a slot."""
        return self._queue.holds(self)

    @property
    def position(self) -> int:
        """How many must leave before it is this one's turn: 0 if it has a slot, or has left."""
        return self._queue.position(self)

    def leave(self) -> None:
        """Give up the slot, or the wait; doing so twice is no error."""
        self._queue.leave(self)

    async def __aiter__(self) -> AsyncIterator[int]:
        last = 0
        while position := self.position:
            self.moved.clear()
            if position != last:
                yield position
                last = position
            if position == self.position:
                await self.moved.wait()

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
