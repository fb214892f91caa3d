"""Pages of answers, made in threads: a stranger's output must not keep the event loop from everybody else.

    pages = Pages()
    page = await pages.made(user_id, draft.live_page(now=clock()))

A person's pages are made one at a time, and a few in all: threads share the processor that the loop needs.
"""

import asyncio
import errno
from collections import Counter
from collections.abc import Callable

from bot.scheduling.slots import Slots
from kernels.concurrency.cancellation import to_the_end
from kernels.concurrency.threads import in_thread

__all__ = ["Pages"]

AT_ONCE = 2  # and one more where these take long
MUCH = 2.0  # seconds of late that make a person one whose pages take long


class Pages:
    """See the module's text."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._slots = Slots(at_once, much=MUCH)
        self._own: dict[int, asyncio.Lock] = {}
        self._asked: Counter[int] = Counter()

    async def made[T](self, user_id: int, work: Callable[[], T]) -> T:
        """What `work` returns, or raises; a cancellation waits for its end."""
        self._asked[user_id] += 1
        try:
            async with self._own.setdefault(user_id, asyncio.Lock()), self._slots.one(user_id):
                return await _in_thread(work)
        finally:
            self._asked[user_id] -= 1
            if not self._asked[user_id]:
                del self._asked[user_id], self._own[user_id]


async def _in_thread[T](work: Callable[[], T]) -> T:
    try:
        return await to_the_end(in_thread(work))
    except OSError as error:
        if error.errno != errno.EAGAIN:
            raise
        return work()  # the system gives no thread: the answer is shown all the same
