"""Who saves when: for all kernels of a pool, so that nobody's saves keep others from saving.

async with slots.entered("u7", 5.0): ...                # after a cell: two at a time, of one person one
async with slots.entered("u7", 1.0, hurry=True): ...    # before a process is ended: these wait for no others

A save that takes longer than it was given a slot for goes on without it, and others begin. Another one of the
same person begins only a while later, unless it is in a hurry: somebody with many kernels could save with all
of them at a time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from kernels.concurrency.slots import SlotQueue

__all__ = ["SaveSlots"]

LATER, NOW = 2, 4  # saves at a time
OF_ONE = 2  # of those in a hurry, of one person
ALONE = 60.0  # seconds after which another save of the same person begins, however long one goes on


class SaveSlots:
    """See the module's text. Once `closed`, no save begins."""

    closed = False

    def __init__(self) -> None:
        self._later = SlotQueue(LATER, share=1)
        self._now = SlotQueue(NOW, share=OF_ONE)
        self._persons: WeakValueDictionary[str, SlotQueue] = WeakValueDictionary()

    @asynccontextmanager
    async def entered(self, person: str, seconds: float, *, hurry: bool = False) -> AsyncIterator[None]:
        """Wait for a slot of this person's, and keep it for so many seconds at most."""
        async with AsyncExitStack() as stack:
            if not hurry:
                await _enter(stack, self._persons.setdefault(person, SlotQueue(1)), person, ALONE)
            await _enter(stack, self._now if hurry else self._later, person, seconds)
            yield


async def _enter(stack: AsyncExitStack, queue: SlotQueue, person: str, seconds: float) -> None:
    """Have a slot of this queue, for so many seconds at most."""
    entry = await stack.enter_async_context(queue.enter(person))
    async for _ in entry:
        pass
    stack.callback(asyncio.get_running_loop().call_later(seconds, entry.leave).cancel)
