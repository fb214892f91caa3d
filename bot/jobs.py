"""Work for people that takes long: one piece of each kind at a time for a person, and a few pieces in all.

async with jobs.claim(user_id, "a replay"): ...     # for as long as it takes
async with jobs.job(user_id, "a notebook"):         # likewise, and in turn with everybody's
    await jobs.in_thread(copy, source, target)      # in threads that nothing else waits for
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress

from bot.errors import AtWork, TooBusy

__all__ = ["Jobs"]

AT_ONCE = 2  # pieces of work in all: each may take a gigabyte and a processor
PATIENCE = 60.0  # seconds that one waits for its turn


class Jobs:
    """Who has what done, and the threads that do it."""

    def __init__(self, at_once: int = AT_ONCE, patience: float = PATIENCE) -> None:
        self._claimed: set[tuple[int, str]] = set()
        self._turns = asyncio.Semaphore(at_once)
        self._patience = patience
        self._threads = ThreadPoolExecutor(at_once, "job")

    @contextmanager
    def claim(self, user_id: int, kind: str) -> Iterator[None]:
        """While entered the person has one of this kind done. Raises: AtWork where they have already."""
        if (user_id, kind) in self._claimed:
            raise AtWork(kind)
        self._claimed.add((user_id, kind))
        try:
            yield
        finally:
            self._claimed.discard((user_id, kind))

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one of the few places, in the order of asking. Raises: TooBusy after a minute."""
        try:
            async with asyncio.timeout(self._patience):
                await self._turns.acquire()
        except TimeoutError:
            raise TooBusy from None
        try:
            yield
        finally:
            self._turns.release()

    @asynccontextmanager
    async def job(self, user_id: int, kind: str) -> AsyncIterator[None]:
        """Both of these. Raises: AtWork, TooBusy."""
        with self.claim(user_id, kind):
            async with self.turn():
                yield

    async def in_thread[**P, T](self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something short in a thread; who is cancelled waits for its end, as it may use their files."""
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            while not running.done():
                with suppress(asyncio.CancelledError):  # once more; it is on its way
                    await asyncio.wait([running])
            raise

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False)
