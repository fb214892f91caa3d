"""Long pieces of work for people: one at a time for each person, and a few in all.

async with jobs.job(user_id, "a notebook"):         # waits for the person's own, and for others'
async with jobs.looking.one(user_id): ...           # a place in which files are looked into
    await jobs.in_thread(copy, source, target)      # in threads that nothing else waits for
with jobs.claim(user_id, "a replay"): ...           # one of a kind, for as long as it takes
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from bot.errors import AtWork, TooBusy
from bot.scheduling.slots import Slots
from kernels.concurrency.cancellation import to_the_end

__all__ = ["Jobs"]

AT_ONCE = (
    2  # pieces of work in all, and one more where these take long: each may take a gigabyte and a processor
)
LOOKING = 2  # people whose files are looked into at one time, and one more where it takes long
WAITING = 3  # pieces of one person that are under way or wait
PATIENCE = 60.0  # seconds that one waits for its turn


class Jobs:
    """Which work is under way for whom, and the threads that do it."""

    def __init__(self, at_once: int = AT_ONCE, patience: float = PATIENCE) -> None:
        self._claimed: set[tuple[int, str]] = set()
        self._own: dict[int, asyncio.Lock] = {}
        self._asked: Counter[int] = Counter()
        self._places = Slots(at_once)
        self.looking = Slots(LOOKING, each=1)
        self._patience = patience
        self._threads = ThreadPoolExecutor(at_once + 1, "job")

    @contextmanager
    def claim(self, user_id: int, kind: str) -> Iterator[None]:
        """While entered, the person can have no other of this kind. Raises: AtWork if they have one."""
        if (user_id, kind) in self._claimed:
            raise AtWork(kind)
        self._claimed.add((user_id, kind))
        try:
            yield
        finally:
            self._claimed.discard((user_id, kind))

    @asynccontextmanager
    async def job(self, user_id: int, kind: str) -> AsyncIterator[None]:
        """Wait for the person's own jobs before this one, and then for one of the few places.

        Raises: AtWork if the person has WAITING under way; TooBusy after a wait of `patience` seconds for
        others.
        """
        if self._asked[user_id] >= WAITING:
            raise AtWork(kind)
        self._asked[user_id] += 1
        own = self._own.setdefault(user_id, asyncio.Lock())
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(own)
                try:
                    async with asyncio.timeout(self._patience):
                        await stack.enter_async_context(self._places.one(user_id))
                except TimeoutError:
                    raise TooBusy from None
                yield
        finally:
            self._asked[user_id] -= 1
            if not self._asked[user_id]:
                del self._asked[user_id], self._own[user_id]

    async def in_thread[**P, T](self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something short in a thread. A cancellation waits for its end, since it may use open files."""
        loop = asyncio.get_running_loop()
        return await to_the_end(loop.run_in_executor(self._threads, lambda: work(*args, **kwargs)))

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False)
