"""Long jobs for people: one at a time per person, and a few in all.

async with jobs.job(user_id, "a notebook"):         # waits for the person's other jobs, and for others'
async with jobs.looking.one(user_id): ...           # a slot for looking into files
    await jobs.in_thread(copy, source, target)      # in threads of their own
with jobs.claim(user_id, "a replay"): ...           # only one of this kind at a time
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

AT_ONCE = 2  # jobs, and one more if these take long: each may need a gigabyte of memory and a processor
LOOKING = 2  # people whose files are looked into at a time, and one more if that takes long
WAITING = 3  # jobs of one person that run or wait
PATIENCE = 60.0  # seconds that a job waits for its slot


class Jobs:
    """The jobs that run, for whom, and the threads that do them."""

    def __init__(self, at_once: int = AT_ONCE, patience: float = PATIENCE) -> None:
        self._claimed: set[tuple[int, str]] = set()
        self._own: dict[int, asyncio.Lock] = {}
        self._asked: Counter[int] = Counter()
        self._slots = Slots(at_once)
        self.looking = Slots(LOOKING, each=1)
        self._patience = patience
        self._threads = ThreadPoolExecutor(at_once + 1, "job")

    @contextmanager
    def claim(self, user_id: int, kind: str) -> Iterator[None]:
        """While entered, the person cannot have another of this kind. Raises: AtWork if they have one."""
        if (user_id, kind) in self._claimed:
            raise AtWork(kind)
        self._claimed.add((user_id, kind))
        try:
            yield
        finally:
            self._claimed.discard((user_id, kind))

    @asynccontextmanager
    async def job(self, user_id: int, kind: str) -> AsyncIterator[None]:
        """Wait for the person's earlier jobs, and then for a slot.

        Raises: AtWork if WAITING jobs of the person run or wait; TooBusy after `patience` seconds of waiting
        for others.
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
                        await stack.enter_async_context(self._slots.one(user_id))
                except TimeoutError:
                    raise TooBusy from None
                yield
        finally:
            self._asked[user_id] -= 1
            if not self._asked[user_id]:
                del self._asked[user_id], self._own[user_id]

    async def in_thread[**P, T](self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something short in a thread. A cancellation waits for its end: it may be using open files."""
        loop = asyncio.get_running_loop()
        return await to_the_end(loop.run_in_executor(self._threads, lambda: work(*args, **kwargs)))

    def close(self) -> None:
        """Shut the threads down."""
        self._threads.shutdown(wait=False)
